"""A PBX whose list and files are not as they should be: what it gives nevertheless is read, and every reading ends."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from services.recorder.rows import parse_row
from services.recorder.source import Window
from services.recorder.xapi_source import XapiSource
from switchhook.errors import PbxUnreachable
from switchhook.pbx import PbxSession
from switchhook.runtime.clock import utc_now
from switchhook.settings import PbxSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

DAY = Window(datetime(2026, 5, 14, tzinfo=UTC), datetime(2026, 5, 15, tzinfo=UTC))


class OddPbx:
    """`rows` is its list; it may forget to look at what is asked."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.is_deaf = False
        self.asked = 0
        self.app = web.Application()
        self.app.add_routes(
            [
                web.post("/connect/token", self._token),
                web.get("/xapi/v1/Recordings", self._list),
                web.get("/xapi/v1/Recordings/{rest:.*}", self._file),
            ]
        )

    async def _token(self, _: web.Request) -> web.Response:
        return web.json_response({"token_type": "Bearer", "expires_in": 3600, "access_token": "x"})

    async def _list(self, request: web.Request) -> web.Response:
        self.asked += 1
        found = re.search(r"Id gt ([0-9]+)", request.query["$filter"])
        after = int(found[1]) if found and not self.is_deaf else 0
        rows = [row for row in self.rows if (row["Id"] or after + 1) > after]
        return web.json_response({"value": rows[: int(request.query["$top"])]})

    async def _file(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=500, headers={"Content-Length": "1000"})
        await response.prepare(request)
        assert request.transport is not None
        request.transport.close()
        return response


@pytest.fixture
def odd() -> OddPbx:
    return OddPbx()


@pytest.fixture
async def source(odd: OddPbx, data_dir: Path) -> AsyncIterator[XapiSource]:
    async with TestServer(odd.app) as server:
        url = str(server.make_url("")).rstrip("/")
        access = PbxSettings(name="main", url=url, client_id="x", client_secret=SecretStr("x"))
        async with PbxSession(access, token_file=data_dir / "token.json", now=utc_now) as session:
            yield XapiSource(session)


async def test_a_row_that_is_none_hides_no_later_ones(odd: OddPbx, source: XapiSource) -> None:
    odd.rows = [{"Id": None if number == 50 else number} for number in range(1, 151)]
    ids = [row.id async for rows in source.listed_within(DAY) for row in rows]
    assert ids == [number for number in range(1, 151) if number != 50]


async def test_a_pbx_that_does_not_hear_what_it_is_asked_is_not_asked_for_ever(odd: OddPbx, source: XapiSource) -> None:
    odd.rows, odd.is_deaf = [{"Id": number} for number in range(1, 101)], True
    async for rows in source.listed_after(0):
        assert len(rows) == 100
        assert odd.asked < 5
    assert odd.asked == 2


async def test_an_error_that_breaks_off_is_the_pbxs_and_not_the_recordings(source: XapiSource, tmp_path: Path) -> None:
    row = parse_row({"Id": 1})
    assert row is not None
    with pytest.raises(PbxUnreachable):
        await source.download(row, tmp_path / "sound.wav")
