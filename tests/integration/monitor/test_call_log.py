"""The call log is read page by page, and in parts where it is longer than the PBX lists at once."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from aiohttp import web
from pydantic import SecretStr

from services.monitor.call_log import read_call_log
from switchhook.errors import PbxAnswer
from switchhook.pbx.session import PbxSession
from switchhook.runtime.clock import utc_now
from switchhook.settings import PbxSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

BEGAN = datetime(2026, 5, 14, 12, 0, tzinfo=UTC)
LISTED_AT_ONCE = 20_000
_PERIOD = re.compile(r"periodFrom=([^,]+),periodTo=([^,]+),")
_FILE_TIME = (BEGAN - datetime(1601, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 10


def row(number: int) -> dict[str, Any]:
    """The call that began `number` tenths of a second after the first."""
    chid = f"{0:08x}{_FILE_TIME + number * 1_000_000:016x}{number:08x}"
    began = BEGAN + timedelta(seconds=number / 10)
    return {"CallHistoryId": str(UUID(chid)), "StartTime": began.isoformat(), "DestinationDn": "202"}


@asynccontextmanager
async def session_with(
    rows: list[dict[str, Any]], tmp_path: Path, *, pages_are_ignored: bool = False
) -> AsyncIterator[tuple[PbxSession, list[int]]]:
    """A session with a PBX that has these rows, oldest first, and the count of rows in each of its answers."""
    pages: list[int] = []

    async def token(_: web.Request) -> web.Response:
        return web.json_response({"token_type": "Bearer", "expires_in": 3600, "access_token": "opaque"})

    async def log(request: web.Request) -> web.Response:
        found = _PERIOD.search(request.path)
        assert found is not None
        since, until = found.groups()
        within = [one for one in rows if _in_period(one["StartTime"], since, until)][-LISTED_AT_ONCE:][::-1]
        skip, top = (0, len(rows)) if pages_are_ignored else (int(request.query["$skip"]), int(request.query["$top"]))
        pages.append(len(within[skip : skip + top]))
        return web.json_response({"value": within[skip : skip + top]})

    application = web.Application()
    application.router.add_post("/connect/token", token)
    application.router.add_get("/{path:.*}", log)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    pbx = PbxSettings(name="main", url=url, client_id="switchhook", client_secret=SecretStr("secret"))
    try:
        async with PbxSession(pbx, token_file=tmp_path / "token.json", now=utc_now) as session:
            yield session, pages
    finally:
        await runner.cleanup()


def _in_period(began: str, since: str, until: str) -> bool:
    parse: Callable[[str], datetime] = datetime.fromisoformat
    return parse(since) <= parse(began) <= parse(until)


async def test_a_log_that_is_longer_than_what_is_listed_at_once_is_read_in_parts(tmp_path: Path) -> None:
    async with session_with([row(number) for number in range(21_000)], tmp_path) as (session, pages):
        segments = await _read(session)
        assert {segment.key.number for segment in segments} == set(range(21_000))
        assert max(pages) == 500


async def test_a_pbx_that_knows_no_pages_is_not_asked_for_ever(tmp_path: Path) -> None:
    listed = [row(number) for number in range(600)]
    async with session_with(listed, tmp_path, pages_are_ignored=True) as (session, pages):
        assert len(await _read(session)) == 600
        assert pages == [600, 600]


async def test_only_the_calls_that_are_asked_for_are_read(tmp_path: Path) -> None:
    joined = row(3) | {"MainCallHistoryId": row(1)["CallHistoryId"]}
    async with session_with([row(0), row(1), row(2), joined], tmp_path) as (session, pages):
        assert sorted(one.key.number for one in await _read(session, numbers={1})) == [1, 3]
        assert pages == [4]


async def test_rows_that_do_not_name_their_calls_are_of_no_use(tmp_path: Path) -> None:
    async with session_with([row(0) | {"CallHistoryId": None}], tmp_path) as (session, _):
        with pytest.raises(PbxAnswer, match=r"20\.0\.7"):
            await _read(session)


async def _read(session: PbxSession, **narrowed: Any) -> list[Any]:
    return await read_call_log(session, since=BEGAN, until=BEGAN + timedelta(hours=1), **narrowed)
