"""PBXs that hang, flood, talk nonsense or break the watch from inside cost the others nothing."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from services.monitor import turns
from services.monitor.calls.register import CallRegister
from simulator import Simulator, SimulatorOptions
from tests.deadline import eventually
from tests.integration.monitor.monitoring import monitoring, pbx, sink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from datetime import datetime
    from pathlib import Path

    import pytest

    from services.monitor.calls.legs import Leg
    from services.monitor.calls.live import LiveCall

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SECONDS = 3.0  # in which the good PBX must have its call told, whatever the others do


@asynccontextmanager
async def serving(answer: Handler, socket: Handler | None = None) -> AsyncIterator[str]:
    """A PBX that grants tokens, and answers everything else as it is told to."""

    async def grant(_: web.Request) -> web.Response:
        return web.json_response({"token_type": "Bearer", "expires_in": 3600, "access_token": "token"})

    application = web.Application()
    application.router.add_post("/connect/token", grant)
    application.router.add_get("/callcontrol/ws", socket or answer)
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def hanging(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(3600)
    raise AssertionError("nobody waits so long")


async def garbage(request: web.Request) -> web.StreamResponse:
    if "Peers" in request.path:  # full pages without end
        return web.json_response({"value": [{"Number": "1"}] * 100})
    return web.Response(
        body=b'[{"dn": 1, "participants": [[], {"dn": [], "id": {}}, 7]}, null, {"participants": [{}]}]'
    )


async def empty(_: web.Request) -> web.StreamResponse:
    return web.json_response([])


async def refused(_: web.Request) -> web.StreamResponse:
    return web.Response(status=401)


async def flood(request: web.Request) -> web.StreamResponse:
    """Frames without end: of legs that it then does not show, and of nothing at all."""
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    event = {"event_type": 0, "entity": "/callcontrol/150/participants/1", "attached_data": None}
    messages = [orjson.dumps({"sequence": 1, "event": event}).decode(), "{", "[]", '{"event":{"event_type":99}}']
    while request.transport is not None and not request.transport.is_closing():
        with suppress(ConnectionError):
            for message in messages * 50:
                await socket.send_str(message)
        await asyncio.sleep(0)
    return socket


async def test_a_good_pbx_among_bad_ones_is_told_of_at_once(data_dir: Path) -> None:
    async with AsyncExitStack() as stack:
        good = await stack.enter_async_context(Simulator(SimulatorOptions(speed=4)))
        to = await stack.enter_async_context(sink())
        urls = {"good": good.url, "nobody": "http://127.0.0.1:1"}
        for name, answer, socket in (
            ("hanging", hanging, None),
            ("garbage", garbage, None),
            ("refused", refused, None),
            ("flood", empty, flood),
        ):
            urls[name] = await stack.enter_async_context(serving(answer, socket))
        began_at = time.monotonic()
        running = await stack.enter_async_context(
            monitoring(data_dir, [pbx(name, url) for name, url in reversed(urls.items())], to)
        )
        await eventually(lambda: running.connected("good"), SECONDS, "the good PBX waits for the bad ones")
        for _ in range(3):
            play = good.play("incoming-direct", talk=1.0)
            await play
        await eventually(lambda: to.ends("good") == 3, SECONDS, "the good PBX's calls were not told")
        assert time.monotonic() - began_at < 4 * SECONDS
        problems = running.report.problems
        assert {name for name in urls if f"pbx {name}" in problems} >= {"hanging", "refused", "nobody"}
        assert "pbx good" not in problems
        assert running.metric("switchhook_monitor_frames_total", pbx="flood", kind="unreadable") > 1000
        assert running.metric("switchhook_monitor_watch_failures_total", pbx="garbage") == 0
    to.demand_sentences("good")


async def test_a_watch_that_breaks_inside_is_begun_again_and_the_others_go_on(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours: a leg of one extension raises, twice."""
    seen = CallRegister.seen
    faults = [RuntimeError("a bug"), KeyError("another")]

    def breaks(self: CallRegister, leg: Leg, call: LiveCall, at: datetime) -> None:
        if leg.dn == "117" and faults:
            raise faults.pop()
        seen(self, leg, call, at)

    monkeypatch.setattr(CallRegister, "seen", breaks)
    async with sink() as to, Simulator() as broken, Simulator() as good:
        pbxs = [pbx("broken", broken.url), pbx("good", good.url)]
        async with monitoring(data_dir, pbxs, to) as running:
            await eventually(lambda: running.connected("broken", "good"), 10)
            plays = [
                broken.play("incoming-direct", extension="117", talk=4.0),
                broken.play("incoming-direct", extension="118", number="0603111222", talk=4.0),
                good.play("incoming-direct", talk=1.0),
            ]
            await eventually(lambda: "pbx broken watch" in running.report.problems, 10)
            await eventually(lambda: to.ends("good") == 1, 10)
            for play in plays:
                await play
            await eventually(lambda: to.ends("broken") == 2, 10, "the broken PBX's calls were not told")
            await eventually(lambda: running.connected("broken") and not running.report.problems, 10)
            assert running.metric("switchhook_monitor_watch_failures_total", pbx="broken") == 2
            assert running.metric("switchhook_monitor_watch_failures_total", pbx="good") == 0
            assert running.metric("switchhook_concurrent_calls", pbx="broken", direction="inbound") == 0
    for name in ("broken", "good"):
        to.demand_sentences(name)


async def test_many_pbxs_are_connected_to_a_few_at_a_time(data_dir: Path) -> None:
    """A hundred that hang are in the way of one that does not, for a moment only."""
    asked_at: list[float] = []

    async def slow(request: web.Request) -> web.StreamResponse:
        asked_at.append(time.monotonic())
        return await hanging(request)

    async with sink() as to, Simulator() as good, serving(slow) as url:
        pbxs = [pbx(f"slow{number}", url) for number in range(100)] + [pbx("good", good.url)]
        async with monitoring(data_dir, pbxs, to) as running:
            await eventually(lambda: running.connected("good"), 30, "the last one never has its turn")
            await eventually(lambda: len(asked_at) == 100, 30, "not all have their turn")
    assert max(asked_at) - min(asked_at) > 2 * turns.LONGEST
