"""The PBX session against a real HTTP server: one token, shared and renewed, and errors that say what to do."""

from __future__ import annotations

import asyncio
import ssl
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import trustme
from pydantic import SecretStr

from services.monitor import directory
from switchhook.errors import (
    ConfigError,
    LeaseLost,
    PbxAnswer,
    PbxForbidden,
    PbxNotFound,
    PbxUnauthorised,
    PbxUnreachable,
    StorageBroken,
)
from switchhook.pbx import PbxSession
from switchhook.runtime.clock import utc_now
from tests.integration.platform.pbx_server import AUDIO, PbxServer
from tests.integration.platform.processes import line, process
from tests.integration.platform.session_process import Access

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


class Wall:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def mode(path: Path) -> int | None:
    """The permissions of a file; None when there is none."""
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else None


@pytest.fixture
async def pbx() -> AsyncIterator[PbxServer]:
    async with PbxServer().serving() as server:
        yield server


@pytest.fixture
def token_file(data_dir: Path) -> Path:
    return data_dir / "main.token"


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
async def session(pbx: PbxServer, token_file: Path, wall: Wall) -> AsyncIterator[PbxSession]:
    async with PbxSession(Access(pbx.url), token_file=token_file, now=wall) as session:
        yield session


async def test_concurrent_requests_ask_for_one_token(pbx: PbxServer, session: PbxSession) -> None:
    answers = await asyncio.gather(*(session.get_json("/callcontrol") for _ in range(20)))
    assert answers == [[{"dn": "100"}]] * 20
    assert (pbx.grants, pbx.rejections) == (1, 0)


async def test_an_empty_answer_is_none(session: PbxSession) -> None:
    assert await session.get_json("/nothing") is None


async def test_a_query_is_written_as_odata_wants_it(pbx: PbxServer, session: PbxSession) -> None:
    await session.get_json("/xapi/v1/Recordings", {"$filter": "Id gt 5 and Name eq 'a&b'", "$top": 50})
    assert pbx.paths[-1] == "/xapi/v1/Recordings?$filter=Id%20gt%205%20and%20Name%20eq%20'a%26b'&$top=50"


async def test_a_rejected_token_is_renewed_once_for_all(pbx: PbxServer, session: PbxSession) -> None:
    await session.get_json("/callcontrol")
    pbx.forget_token()
    await asyncio.gather(*(session.get_json("/callcontrol") for _ in range(10)))
    assert pbx.grants == 2


async def test_who_may_not_ask_for_a_token_uses_the_one_there_is_and_asks_for_no_other(
    pbx: PbxServer, session: PbxSession, token_file: Path, wall: Wall
) -> None:
    """Another process has the PBX by now: a token that were asked for here would end its token."""

    def refuse() -> None:
        raise LeaseLost

    await session.get_json("/callcontrol")
    async with PbxSession(Access(pbx.url), token_file=token_file, now=wall, demand=refuse) as other:
        await other.get_json("/callcontrol")
        pbx.forget_token()
        for request in (other.get_json("/callcontrol"), other.websocket()):
            with pytest.raises(LeaseLost):
                await request
    assert pbx.grants == 1


async def test_a_pbx_that_rejects_its_own_tokens_is_an_error(pbx: PbxServer, session: PbxSession) -> None:
    pbx.keeps_tokens = False
    with pytest.raises(PbxUnauthorised, match="does another program use the same API client"):
        await session.get_json("/callcontrol")
    assert pbx.grants == 1


@pytest.mark.parametrize(
    ("expires_in", "life"), [(60, timedelta(minutes=60)), (3600, timedelta(hours=1)), (None, timedelta(hours=1))]
)
async def test_an_opaque_token_is_renewed_at_four_fifths_of_its_life(
    pbx: PbxServer, session: PbxSession, wall: Wall, expires_in: object, life: timedelta
) -> None:
    """Older systems say minutes, newer ones seconds."""
    pbx.expires_in = expires_in
    await session.get_json("/callcontrol")
    wall.now += life * 0.79
    await session.get_json("/callcontrol")
    assert pbx.grants == 1
    wall.now += life * 0.02
    await session.get_json("/callcontrol")
    assert (pbx.grants, pbx.rejections) == (2, 0)


async def test_the_claims_of_a_token_count_more_than_the_answer_around_it(
    pbx: PbxServer, session: PbxSession, wall: Wall
) -> None:
    """And of the claims the length alone: this PBX's clock is a year slow."""
    begins = int((NOW - timedelta(days=365)).timestamp())
    pbx.token_life = (begins, begins + 600)
    pbx.expires_in = 60
    await session.get_json("/callcontrol")
    wall.now += timedelta(seconds=470)
    await session.get_json("/callcontrol")
    assert pbx.grants == 1
    wall.now += timedelta(seconds=20)
    await session.get_json("/callcontrol")
    assert pbx.grants == 2


async def test_a_new_session_uses_the_token_in_the_file(
    pbx: PbxServer, session: PbxSession, token_file: Path, wall: Wall
) -> None:
    await session.get_json("/callcontrol")
    assert mode(token_file) == 0o600
    async with PbxSession(Access(pbx.url), token_file=token_file, now=wall) as second:
        await second.get_json("/callcontrol")
        pbx.forget_token()
        await asyncio.gather(session.get_json("/callcontrol"), second.get_json("/callcontrol"))
    assert pbx.grants == 2


async def test_a_stale_token_in_the_file_costs_one_more_try(
    pbx: PbxServer, session: PbxSession, token_file: Path, wall: Wall
) -> None:
    """Both the token in memory and a newer one in the file are dead: as when the PBX restarted after the renewal."""
    await session.get_json("/callcontrol")
    async with PbxSession(Access(pbx.url), token_file=token_file, now=wall) as second:
        pbx.forget_token()
        await second.get_json("/callcontrol")
    pbx.forget_token()
    await session.get_json("/callcontrol")
    assert pbx.grants == 3


@pytest.mark.parametrize("content", ["", "{}", '{"client": "another http://x", "token": "t"}', "[1]", "\x00"])
async def test_a_token_file_that_makes_no_sense_is_replaced(
    session: PbxSession, token_file: Path, content: str
) -> None:
    await asyncio.to_thread(token_file.write_text, content)
    assert await session.get_json("/callcontrol") == [{"dn": "100"}]


async def test_a_token_file_that_cannot_be_written_keeps_nobody_from_working(
    pbx: PbxServer, session: PbxSession, token_file: Path
) -> None:
    await asyncio.to_thread(token_file.mkdir)
    assert await session.get_json("/callcontrol") == [{"dn": "100"}]
    assert await session.get_json("/callcontrol") == [{"dn": "100"}]
    assert pbx.grants == 1


async def test_a_folder_that_cannot_be_made_is_named(pbx: PbxServer, token_file: Path, wall: Wall) -> None:
    await asyncio.to_thread(token_file.touch)
    async with PbxSession(Access(pbx.url), token_file=token_file / "x" / "token", now=wall) as session:
        with pytest.raises(StorageBroken, match="check data_dir"):
            await session.get_json("/callcontrol")


async def test_processes_share_one_token(pbx: PbxServer, token_file: Path) -> None:
    """Two processes of their own, while the PBX forgets its token twice: each loss costs one grant for all."""
    asked = 200
    async with (
        process("session_process", pbx.url, token_file, asked) as first,
        process("session_process", pbx.url, token_file, asked) as second,
    ):
        for count in range(asked):
            assert await line(first) == str(count + 1)
            assert await line(second) == str(count + 1)
            if count in (50, 120):
                pbx.forget_token()
        assert await first.wait() == 0
        assert await second.wait() == 0
    assert pbx.grants == 3


async def test_a_wrong_secret_is_said_so(pbx: PbxServer, token_file: Path, wall: Wall) -> None:
    access = replace(Access(pbx.url), client_secret=SecretStr("wrong"))
    async with PbxSession(access, token_file=token_file, now=wall) as session:
        with pytest.raises(PbxUnauthorised, match=r"pbx main: the PBX refused client_id switchhook .*check client_id"):
            await session.get_json("/callcontrol")
    assert mode(token_file) is None


@pytest.mark.parametrize(
    ("status", "error", "sentence"),
    [
        (401, PbxUnauthorised, "check client_id and client_secret"),
        (403, PbxUnauthorised, "restrictions allow this machine"),
        (404, PbxAnswer, "not a 3CX of version 20"),
        (500, PbxUnreachable, "cannot answer at the moment"),
    ],
)
async def test_a_token_that_is_not_granted(
    pbx: PbxServer, session: PbxSession, status: int, error: type[Exception], sentence: str
) -> None:
    pbx.token_status = status
    with pytest.raises(error, match=sentence):
        await session.get_json("/callcontrol")


@pytest.mark.parametrize(
    ("path", "error", "sentence"),
    [
        ("/forbidden", PbxForbidden, r"pbx main: GET /forbidden: the API client may not do this \(403\): give it"),
        ("/missing", PbxNotFound, "no such object"),
        ("/bad", PbxAnswer, "unexpected answer 400: .*FILE_NOT_FOUND"),
        ("/page", PbxAnswer, "not JSON"),
        ("/throttled", PbxUnreachable, "429"),
    ],
)
async def test_each_refusal_is_its_own_error(
    session: PbxSession, path: str, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        await session.get_json(path)


async def test_a_busy_pbx_says_when_to_come_back(session: PbxSession) -> None:
    with pytest.raises(PbxUnreachable) as caught:
        await session.get_json("/busy")
    assert caught.value.retry_after == timedelta(seconds=12)


async def test_a_download_comes_in_pieces(session: PbxSession) -> None:
    async with session.download("/audio") as download:
        assert (download.size, download.media_type) == (len(AUDIO), "audio/x-wav")
        assert b"".join([chunk async for chunk in download]) == AUDIO


async def test_a_download_renews_the_token_too(pbx: PbxServer, session: PbxSession) -> None:
    await session.get_json("/callcontrol")
    pbx.forget_token()
    async with session.download("/audio") as download:
        assert download.size == len(AUDIO)


async def test_a_download_that_is_refused(session: PbxSession) -> None:
    with pytest.raises(PbxAnswer, match="FILE_NOT_FOUND"):
        async with session.download("/bad"):
            pass


async def test_a_download_that_breaks_off(session: PbxSession) -> None:
    async with session.download("/torn") as download:
        with pytest.raises(PbxUnreachable, match="the connection broke"):
            [chunk async for chunk in download]


async def test_the_websocket_opens_with_the_token_and_renews_it(pbx: PbxServer, session: PbxSession) -> None:
    await session.get_json("/callcontrol")
    pbx.forget_token()
    socket = await session.websocket()
    assert await socket.receive_json(timeout=5) == {"sequence": 1}
    await socket.close()
    assert pbx.grants == 2


async def test_nobody_listens(token_file: Path, wall: Wall) -> None:
    async with PbxServer().serving() as pbx:
        access = Access(pbx.url)
    async with PbxSession(access, token_file=token_file, now=wall) as session:
        for request in (session.get_json("/callcontrol"), session.websocket()):
            with pytest.raises(PbxUnreachable, match=r"cannot be connected to .*check url and firewall"):
                await request


async def test_a_host_name_that_is_not_known(token_file: Path, wall: Wall) -> None:
    async with PbxSession(Access("http://pbx.invalid"), token_file=token_file, now=wall) as session:
        with pytest.raises(PbxUnreachable, match="host name is not known"):
            await session.get_json("/callcontrol")


async def test_a_certificate_that_is_not_trusted_until_its_authority_is_named(
    token_file: Path, wall: Wall, tmp_path: Path
) -> None:
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    async with PbxServer().serving(tls) as pbx:
        async with PbxSession(Access(pbx.url), token_file=token_file, now=wall) as session:
            with pytest.raises(PbxUnreachable, match=r"certificate is not trusted .*set ca_file"):
                await session.get_json("/callcontrol")
        async with PbxSession(Access(pbx.url, ca_file=ca_file), token_file=token_file, now=wall) as session:
            assert await session.get_json("/callcontrol") == [{"dn": "100"}]


async def test_a_ca_file_that_is_none(pbx: PbxServer, token_file: Path, wall: Wall, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match=r"ca_file .*ca\.pem: not a PEM certificate"):
        async with PbxSession(Access(pbx.url, ca_file=tmp_path / "ca.pem"), token_file=token_file, now=wall):
            pass


async def test_a_plain_port_that_is_taken_for_tls(pbx: PbxServer, token_file: Path, wall: Wall) -> None:
    access = Access(pbx.url.replace("http:", "https:"))
    async with PbxSession(access, token_file=token_file, now=wall) as session:
        with pytest.raises(PbxUnreachable, match="no TLS connection"):
            await session.get_json("/callcontrol")


@pytest.mark.parametrize("seconds", [-600, -20, 90])
async def test_a_clock_that_is_wrong_is_known(pbx: PbxServer, session: PbxSession, wall: Wall, seconds: int) -> None:
    """By the `Date` of its answers, which is the real time here, while ours is set."""
    wall.now = utc_now() - timedelta(seconds=seconds)
    await session.get_json("/callcontrol")
    assert abs(session.clock_ahead - timedelta(seconds=seconds)) < timedelta(seconds=3)


async def test_clocks_that_agree_to_a_few_seconds_are_taken_as_equal(session: PbxSession, wall: Wall) -> None:
    wall.now = utc_now() - timedelta(seconds=1)
    await session.get_json("/callcontrol")
    assert session.clock_ahead == timedelta()


@pytest.mark.parametrize(
    "date",
    [
        *("soon", "Sun, 01 Mar 2026 09:00:07 -0000", "Fri, 31 Dec 9999 23:59:59 GMT"),
        *("Sun, 01 Mar 99999999999999999999 09:00:07 GMT", "Sun, 01 Mar 2026 09:00:07 +99999999999999"),
    ],
)
async def test_a_date_that_cannot_be_says_nothing_of_the_clock(session: PbxSession, date: str) -> None:
    assert await session.get_json("/dated", {"date": date}) == {}
    assert session.clock_ahead == timedelta()


async def test_an_answer_that_does_not_end_is_given_up(session: PbxSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("switchhook.pbx.session._LONGEST_ANSWER", 2**20)
    assert await session.get_json("/endless")
    monkeypatch.setattr("switchhook.pbx.session._LONGEST_ANSWER", 1000)
    with pytest.raises(PbxAnswer, match="GET /endless: the answer has more than"):
        await session.get_json("/endless")


async def test_an_observer_is_told_of_every_answer_and_of_every_refusal(session: PbxSession) -> None:
    told: list[tuple[str, object]] = []
    session.tell(lambda path, answer: told.append((path, answer)))
    await session.get_json("/callcontrol", {"$top": 1})
    with pytest.raises(PbxForbidden):
        await session.get_json("/forbidden")
    assert told[0] == ("/callcontrol", [{"dn": "100"}])
    assert (told[1][0], type(told[1][1])) == ("/forbidden", PbxForbidden)


async def test_a_listing_that_does_not_end_is_given_up(session: PbxSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "_MOST_ROWS", 300)
    assert len(await directory._read_all(session, "/endless")) == 300
