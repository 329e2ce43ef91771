"""All services or none, and an end within the budget."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from switchhook.errors import ServiceEnded, ShutdownOverrun
from switchhook.runtime import Health, ServiceHealth, install_signal_handlers, run_services

Body = Callable[[ServiceHealth], Coroutine[Any, Any, None]]


@dataclass
class Plain:
    """A service with the given body."""

    name: str
    body: Body

    async def run(self, health: ServiceHealth) -> None:
        await self.body(health)


class Serving:
    """Ready until cancelled; remembers that it was."""

    def __init__(self) -> None:
        self.name = "serving"
        self.started = asyncio.Event()
        self.was_cancelled = False

    async def run(self, health: ServiceHealth) -> None:
        health.ready()
        self.started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise


async def fails(_health: ServiceHealth) -> None:
    raise LookupError("broken")


async def returns(_health: ServiceHealth) -> None:
    return


async def test_stop_cancels_all_and_returns() -> None:
    services = [Serving(), Serving()]
    services[1].name = "other"
    health, stop = Health(), asyncio.Event()
    running = asyncio.create_task(run_services(services, health=health, stop=stop))
    for service in services:
        await service.started.wait()
    assert all(report.ready for report in health.report().values())
    stop.set()
    await running
    assert [service.was_cancelled for service in services] == [True, True]


async def test_the_error_of_a_service_ends_the_others_and_surfaces() -> None:
    serving = Serving()
    with pytest.raises(LookupError, match="broken"):
        await run_services([serving, Plain("failing", fails)], health=Health(), stop=asyncio.Event())
    assert serving.was_cancelled


async def test_a_service_that_returns_is_an_error_too() -> None:
    serving = Serving()
    with pytest.raises(ServiceEnded, match="returning: ended although nobody asked"):
        await run_services([serving, Plain("returning", returns)], health=Health(), stop=asyncio.Event())
    assert serving.was_cancelled


async def test_every_service_is_known_as_not_ready_from_the_start() -> None:
    async def slow(_health: ServiceHealth) -> None:
        await asyncio.Event().wait()

    health, stop = Health(), asyncio.Event()
    running = asyncio.create_task(run_services([Plain("slow", slow)], health=health, stop=stop))
    await asyncio.sleep(0)
    assert [report.ready for report in health.report().values()] == [False]
    stop.set()
    await running


async def test_a_service_that_hangs_on_cancellation_is_left_behind_and_named() -> None:
    free = asyncio.Event()

    async def hangs(_health: ServiceHealth) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await free.wait()

    serving, stop = Serving(), asyncio.Event()
    stop.set()
    began = time.monotonic()
    with pytest.raises(ShutdownOverrun, match="hanging: did not stop in time") as caught:
        await run_services(
            [serving, Plain("hanging", hangs)],
            health=Health(),
            stop=stop,
            shutdown_budget=timedelta(milliseconds=100),
        )
    assert caught.value.services == ("hanging",)
    assert time.monotonic() - began < 5
    free.set()


async def test_an_error_while_stopping_surfaces() -> None:
    async def stumbles(_health: ServiceHealth) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise LookupError("stumbled")

    stop = asyncio.Event()
    running = asyncio.create_task(run_services([Plain("stumbling", stumbles)], health=Health(), stop=stop))
    await asyncio.sleep(0.01)
    stop.set()
    with pytest.raises(LookupError, match="stumbled"):
        await running


async def test_a_cancelled_supervisor_stops_its_services() -> None:
    serving = Serving()
    running = asyncio.create_task(run_services([serving], health=Health(), stop=asyncio.Event()))
    await serving.started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert serving.was_cancelled


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_asks_to_stop(number: signal.Signals) -> None:
    stop = asyncio.Event()
    install_signal_handlers(stop)
    os.kill(os.getpid(), number)
    async with asyncio.timeout(5):
        await stop.wait()
