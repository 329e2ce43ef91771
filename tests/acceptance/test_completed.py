"""Completed calls and the proof, through the whole product, with kills: each once, in its place, and nothing missed."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from simulator import Simulator, SimulatorOptions
from tests.acceptance.figures import figure_differences, figures_of
from tests.acceptance.product import EMBEDDED, Product
from tests.acceptance.scene import pbx_and_endpoint, until
from tests.deadline import eventually
from tests.receiver import WebhookReceiver

if TYPE_CHECKING:
    from pathlib import Path

    from simulator import Play
    from tests.receiver import Webhook

WHOLE = ["call.ringing", "call.started", "call.ended", "call.completed", "recording.ready"]
MOMENTS = (0.0, 1.05)  # seconds after the end's webhook: before the log is asked, and while the answer is told


def _tables(pbx: Simulator, receiver: WebhookReceiver) -> str:
    tables = pbx_and_endpoint("main", pbx=pbx.url, endpoint=receiver.url)
    return tables.replace('format = "post"', 'format = "standard"')


def _said(webhook: Webhook) -> dict[str, Any]:
    body: dict[str, Any] = webhook.json
    return body


def _of(receiver: WebhookReceiver, play: Play) -> list[Webhook]:
    """The call's webhooks in the order of arrival, without repeats."""
    own = [one for one in receiver.webhooks if _said(one)["data"]["call"]["numbers"][0] == play.callid]
    return list({one.id: one for one in reversed(own)}.values())[::-1]


def _types(receiver: WebhookReceiver, play: Play) -> list[str]:
    return [_said(one)["type"] for one in _of(receiver, play)]


async def test_a_monitor_that_is_killed_after_the_end_completes_each_call_once(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(WebhookReceiver())
        pbx = await stack.enter_async_context(Simulator(SimulatorOptions(timezone="Europe/Prague")))
        product = await stack.enter_async_context(Product(tmp_path, _tables(pbx, receiver), split=True))
        plays = []
        for moment in MOMENTS:
            play = await pbx.play("incoming-direct", talk=0.3)
            plays.append(play)
            await eventually(lambda play=play: "call.ended" in _types(receiver, play), 20)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            await asyncio.sleep(moment)
            await product.kill("monitor")
            await product.start("monitor")
        await eventually(lambda: all(_types(receiver, play) == WHOLE for play in plays), 30)
        await asyncio.sleep(2.0)  # nothing more may come
        for play in plays:
            webhooks = _of(receiver, play)
            assert _types(receiver, play) == WHOLE
            assert [_said(one)["data"]["sequence"] for one in webhooks] == [1, 2, 3, 4, 5]
            assert figure_differences(webhooks[3], figures_of(play, has_log=True)) == []
        contents = {one.id: one.body for one in receiver.webhooks}
        assert all(contents[one.id] == one.body for one in receiver.webhooks), "repeated with another content"


async def test_a_call_that_only_the_call_log_has_is_told_whole_and_once(tmp_path: Path) -> None:
    """Hidden from the socket, the snapshots and the list of active calls; found again after a kill it is old news."""
    environ = {"SWITCHHOOK_MONITOR__PROOF_INTERVAL": "2s"}
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(WebhookReceiver())
        pbx = await stack.enter_async_context(Simulator(SimulatorOptions(timezone="Europe/Prague")))
        product = await stack.enter_async_context(
            Product(tmp_path, _tables(pbx, receiver), split=False, environ=environ, unreported=1)
        )
        seen = await pbx.play("incoming-direct", talk=0.3)
        pbx.fault("hidden-calls")
        hidden = await pbx.play("incoming-answered", talk=1.0)
        pbx.fault("hidden-calls", on=False)
        whole = ["call.ringing", "call.ringing", *WHOLE]
        await eventually(lambda: _types(receiver, hidden) == whole and _types(receiver, seen) == WHOLE, 30)
        assert all(_said(one)["data"]["reconciled"] for one in _of(receiver, hidden)[:-1])
        assert not any(_said(one)["data"]["reconciled"] for one in _of(receiver, seen))
        assert figure_differences(_of(receiver, hidden)[-2], figures_of(hidden, has_log=True)) == []
        assert await product.unreported() == 1
        await product.kill(EMBEDDED)
        await product.start(EMBEDDED)
        last = await pbx.play("incoming-direct", talk=0.3)
        ended_at = last.ended_at or 0.0

        async def is_proven() -> bool:
            samples = [one for one in (await product.metrics(EMBEDDED)).splitlines() if "proven_until" in one]
            return any(not one.startswith("#") and float(one.rpartition(" ")[2]) > ended_at for one in samples)

        await until(is_proven)
        await eventually(lambda: _types(receiver, last) == WHOLE, 30)
        assert await product.unreported() == 0
        assert _types(receiver, hidden) == whole
        assert len({one.id for one in receiver.webhooks}) == len(whole) + 2 * len(WHOLE)
