"""The feed over a real websocket: in order, read over the socket where the PBX answers there, else over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import orjson
import pytest
from aiohttp import web

from services.monitor import feed as feed_module
from services.monitor.calls.numbering import NumberingPlan
from services.monitor.feed import Feed, LegUpdate
from switchhook.errors import PbxNotFound, PbxUnreachable
from switchhook.events import DnKind
from switchhook.runtime.clock import utc_now
from tests.deadline import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

PLAN = NumberingPlan(kinds={"150": DnKind.EXTENSION})


def participant(number: int, status: str = "Ringing") -> dict[str, object]:
    """A participant of extension 150."""
    return {"id": number, "dn": "150", "status": status, "callid": 10}


class Pbx:
    """Sends what it is told to, and answers requests over the socket as `answer` says (None: not at all)."""

    def __init__(self, answer: Callable[[str], tuple[int, object] | None]) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.socket: web.WebSocketResponse | None = None
        self.request: web.Request | None = None

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        self.request, self.socket = request, web.WebSocketResponse()
        await self.socket.prepare(request)
        async for message in self.socket:
            asked = orjson.loads(message.data)
            self.asked.append(asked["Path"])
            answer = self.answer(asked["Path"])
            if answer is not None:
                attached = {"RequestID": asked["RequestID"], "StatusCode": answer[0], "Response": answer[1]}
                await self.send(4, "", attached)
        return self.socket

    async def send(self, kind: int, entity: str, attached: object = None) -> None:
        assert self.socket is not None
        event = {"event_type": kind, "entity": entity, "attached_data": attached}
        await self.socket.send_str(orjson.dumps({"sequence": 1, "event": event}).decode())

    async def upsert(self, number: int, attached: object = None) -> None:
        await self.send(0, f"/callcontrol/150/participants/{number}", attached)

    async def remove(self, number: int) -> None:
        await self.send(1, f"/callcontrol/150/participants/{number}")


class Watched:
    """What a feed handed out, and what it counted."""

    def __init__(self) -> None:
        self.updates: list[LegUpdate] = []
        self.counts: Counter[str] = Counter()
        self.read: list[str] = []

    def told(self) -> list[tuple[int, str]]:
        return [(update.key[1], update.leg.status if update.leg else "gone") for update in self.updates]


@asynccontextmanager
async def feeding(
    answer: Callable[[str], tuple[int, object] | None], over_http: dict[str, object]
) -> AsyncIterator[tuple[Pbx, Watched, asyncio.Task[None]]]:
    pbx, watched = Pbx(answer), Watched()
    application = web.Application()
    application.router.add_get("/ws", pbx.serve)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()

    async def read(path: str) -> object:
        watched.read.append(path)
        if path not in over_http:
            raise PbxNotFound
        answer = over_http[path]
        return await answer if isinstance(answer, asyncio.Future) else answer

    def count(kind: str) -> None:
        watched.counts[kind] += 1

    async with aiohttp.ClientSession() as http:
        socket = await http.ws_connect(f"http://127.0.0.1:{runner.addresses[0][1]}/ws")
        feed = Feed(socket, read, plan=lambda: PLAN, clock=utc_now, count=count)
        task = asyncio.create_task(feed.run())
        feed.release(watched.updates.append)
        await eventually(lambda: pbx.socket is not None)
        yield pbx, watched, task
        task.cancel()
        await asyncio.wait([task])
        await socket.close()
    await runner.cleanup()


async def test_updates_come_in_the_order_of_the_frames_however_late_an_answer_is() -> None:
    answers: dict[str, tuple[int, object]] = {}
    async with feeding(answers.get, {"/callcontrol/150/participants/1": participant(1)}) as (
        pbx,
        watched,
        _,
    ):
        answers["/callcontrol/150/participants/2"] = (200, participant(2, "Connected"))
        await pbx.upsert(1)  # is not answered over the socket
        await pbx.upsert(2)
        await pbx.remove(2)
        await eventually(lambda: len(watched.updates) == 3, within=10)
    assert watched.told() == [(1, "Ringing"), (2, "Connected"), (2, "gone")]
    assert watched.read == ["/callcontrol/150/participants/1"]


async def test_a_leg_that_is_gone_when_it_is_read_is_gone() -> None:
    async with feeding(lambda _: (404, None), {}) as (pbx, watched, _):
        await pbx.upsert(1)
        await eventually(lambda: watched.updates)
    assert watched.told() == [(1, "gone")]


async def test_a_participant_in_the_frame_is_not_read_again() -> None:
    async with feeding(lambda _: None, {}) as (pbx, watched, _):
        await pbx.upsert(1, participant(1))
        await eventually(lambda: watched.updates)
        assert pbx.asked == []
    assert watched.told() == [(1, "Ringing")]


async def test_a_pbx_that_never_answers_over_the_socket_is_read_over_http_at_once() -> None:
    path = "/callcontrol/150/participants/"
    async with feeding(lambda _: None, {f"{path}1": participant(1), f"{path}2": participant(2)}) as (pbx, watched, _):
        await pbx.upsert(1)
        await eventually(lambda: len(watched.updates) == 1, within=10)
        await pbx.upsert(2)
        await eventually(lambda: len(watched.updates) == 2)
        assert pbx.asked == [f"{path}1"]
    assert watched.counts["read_over_http"] == 2


@pytest.mark.parametrize("noise", ["not json", "[]", '{"event": {"event_type": 99, "entity": "/elsewhere"}}'])
async def test_noise_is_counted_and_not_fatal(noise: str) -> None:
    async with feeding(lambda _: (200, participant(1)), {}) as (pbx, watched, _):
        assert pbx.socket is not None
        await pbx.socket.send_str(noise)
        await pbx.upsert(1)
        await eventually(lambda: watched.updates)
    assert watched.counts["unreadable"] + watched.counts["other"] == 1


async def test_a_participant_that_cannot_be_read_does_not_hold_up_the_others() -> None:
    async with feeding(lambda _: (200, {"id": "x"}), {}) as (pbx, watched, _):
        await pbx.upsert(1)
        await pbx.remove(2)
        await eventually(lambda: watched.updates)
    assert watched.told() == [(2, "gone")]


async def test_the_end_of_the_socket_ends_the_feed() -> None:
    async with feeding(lambda _: None, {}) as (pbx, _, task):
        assert pbx.socket is not None
        await pbx.socket.close()
        with pytest.raises(PbxUnreachable, match="closed"):
            await task


async def test_answers_that_came_while_this_machine_stood_still_are_not_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By now the leg may be gone: who asks again learns nothing of what it was."""
    monkeypatch.setattr(feed_module, "_CHECK_EVERY", 0.05)
    async with feeding(lambda _: None, {}) as (pbx, watched, _):
        await pbx.upsert(1)
        await eventually(lambda: pbx.asked)
        for _ in range(500):
            await pbx.send(3, "/callcontrol/150")
        await pbx.send(4, "", {"RequestID": "1", "StatusCode": 200, "Response": participant(1, "Connected")})
        time.sleep(0.5)  # noqa: ASYNC251 - a machine that stands still
        await eventually(lambda: watched.updates)
    assert (watched.told(), watched.read) == ([(1, "Connected")], [])


async def test_the_first_answer_counts_wherever_it_comes_from() -> None:
    path = "/callcontrol/150/participants/1"
    over_http: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    async with feeding(lambda _: None, {path: over_http}) as (pbx, watched, _):
        await pbx.upsert(1)
        await eventually(lambda: watched.read, within=10)
        await pbx.send(4, "", {"RequestID": "1", "StatusCode": 200, "Response": participant(1, "Connected")})
        await eventually(lambda: watched.updates)
        over_http.set_exception(PbxNotFound())
        await pbx.remove(2)
        await eventually(lambda: len(watched.updates) == 2)
    assert watched.told() == [(1, "Connected"), (2, "gone")]


async def test_the_end_of_the_socket_is_not_kept_secret_until_the_pbx_answers_over_http() -> None:
    path = "/callcontrol/150/participants/1"
    never: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    async with feeding(lambda _: None, {path: never}) as (pbx, watched, task):
        await pbx.upsert(1)
        await eventually(lambda: watched.read, within=10)
        assert pbx.socket is not None
        await pbx.socket.close()
        with pytest.raises(PbxUnreachable, match="closed"):
            await asyncio.wait_for(task, 5)
