"""A hostile websocket: whatever comes is counted or ends the connection; the feed itself never breaks."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import orjson
import pytest
from aiohttp import WSMsgType

from services.monitor import feed as feed_module
from switchhook.errors import PbxUnreachable
from tests.deadline import eventually
from tests.integration.monitor.test_feed import feeding, participant

PATH = "/callcontrol/150/participants/"
ODD_ID = '{"id": 1180591620717411303424, "dn": "150", "callid": 1}'


@pytest.mark.parametrize(
    "noise",
    [
        b"\xff\xfe\x00",
        b"",
        b"[" * 100_000,
        b'{"event":' * 5000,
        b'{"sequence":1e999,"event":{"event_type":0}}',
        b'{"sequence":-5,"event":{"event_type":1e99,"entity":{}}}',
        b'{"event":{"event_type":0,"entity":"/callcontrol/150/participants/' + b"9" * 5000 + b'"}}',
        b'{"event":{"event_type":4,"attached_data":{"RequestID":{},"StatusCode":[],"Response":7}}}',
        b'{"event":{"event_type":4,"attached_data":"none"}}',
    ],
)
@pytest.mark.parametrize("is_text", [True, False])
async def test_noise_of_any_kind_does_not_end_the_feed(noise: bytes, is_text: bool) -> None:
    if is_text and b"\xff" in noise:
        pytest.skip("no text: the websocket itself refuses it, see below")
    async with feeding(lambda _: (200, participant(1)), {}) as (pbx, watched, _):
        assert pbx.socket is not None
        await (pbx.socket.send_str(noise.decode()) if is_text else pbx.socket.send_bytes(noise))
        await pbx.upsert(1)
        await eventually(lambda: watched.told() == [(1, "Ringing")])


@pytest.mark.parametrize("answer", ["[]", '"text"', "7", [], 7, ODD_ID])
async def test_an_answer_that_is_no_participant_is_left_out(answer: object) -> None:
    async with feeding(lambda path: (200, answer if path.endswith("1") else participant(2)), {}) as (pbx, watched, _):
        await pbx.upsert(1)
        await pbx.upsert(2)
        await eventually(lambda: watched.told() == [(2, "Ringing")])
    assert watched.counts["unreadable"] == 1


async def test_an_answer_as_text_is_read() -> None:
    async with feeding(lambda _: (200, orjson.dumps(participant(1)).decode()), {}) as (pbx, watched, _):
        await pbx.upsert(1)
        await eventually(lambda: watched.told() == [(1, "Ringing")])


async def test_a_sequence_that_goes_back_is_followed_all_the_same() -> None:
    async with feeding(lambda _: (200, participant(1)), {}) as (pbx, watched, _):
        assert pbx.socket is not None
        for sequence in (9, 3, -1, 2**63, 3):
            event = {"event_type": 0, "entity": f"{PATH}1", "attached_data": None}
            await pbx.socket.send_str(orjson.dumps({"sequence": sequence, "event": event}).decode())
        await eventually(lambda: len(watched.updates) == 5)


async def test_a_frame_of_ten_megabytes_ends_the_connection_and_not_the_monitor() -> None:
    async with feeding(lambda _: None, {}) as (pbx, _, task):
        assert pbx.socket is not None
        frame = {"event": {"event_type": 0, "entity": f"{PATH}1", "attached_data": {"callid": 1, "x": "y" * 10**7}}}
        with suppress(ConnectionError):  # it is closed before the frame is through
            await pbx.socket.send_bytes(orjson.dumps(frame))
        with pytest.raises(PbxUnreachable, match="closed"):
            await asyncio.wait_for(task, 20)


async def test_text_that_is_no_utf8_ends_the_connection_and_not_the_monitor() -> None:
    async with feeding(lambda _: None, {}) as (pbx, _, task):
        assert pbx.socket is not None
        await pbx.socket.send_frame(b"\xff\xfe", WSMsgType.TEXT)
        with pytest.raises(PbxUnreachable, match="closed"):
            await asyncio.wait_for(task, 20)


@pytest.mark.parametrize("answer", ["no json", '{"id": }'])
async def test_an_answer_that_is_no_json_is_asked_for_again_over_http(answer: str) -> None:
    async with feeding(lambda _: (200, answer), {f"{PATH}1": participant(1)}) as (pbx, watched, _):
        await pbx.upsert(1)
        await eventually(lambda: watched.told() == [(1, "Ringing")], 10)


async def test_a_pbx_that_sends_more_than_it_answers_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "_LONGEST_LINE", 20)
    async with feeding(lambda _: None, {}) as (pbx, watched, task):
        for number in range(40):
            await pbx.upsert(number)
        with pytest.raises(BaseExceptionGroup) as raised:
            await asyncio.wait_for(task, 20)
        assert raised.group_contains(PbxUnreachable, match="owes answers")
        assert watched.updates == []


async def test_a_socket_that_is_cut_behind_many_frames_is_a_pbx_that_is_lost() -> None:
    """The feed asks about a leg over a socket that is closed by then."""
    async with feeding(lambda _: None, {}) as (pbx, _, task):
        for number in range(400):
            await pbx.upsert(number)
        assert pbx.request is not None
        assert pbx.request.transport is not None
        pbx.request.transport.abort()
        with pytest.raises((PbxUnreachable, BaseExceptionGroup)) as raised:
            await asyncio.wait_for(task, 20)
    error: BaseException = raised.value
    while isinstance(error, BaseExceptionGroup):
        (error,) = error.exceptions
    assert isinstance(error, PbxUnreachable)
    assert "closed" in str(error)
