"""Runs services together: all until told to stop, or none.

The first service that raises or returns ends the others, and its error surfaces: whoever started the process starts it
anew. Stopping takes at most the shutdown budget; a service that does not stop by then is left behind and named.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from datetime import timedelta
from typing import TYPE_CHECKING

from switchhook.errors import ServiceEnded, ShutdownOverrun, SwitchhookError, causes_of
from switchhook.runtime.interpreter import tune_interpreter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from switchhook.runtime.health import Health
    from switchhook.runtime.service import Service

log = logging.getLogger(__name__)

SHUTDOWN_BUDGET = timedelta(seconds=20)


async def run_services(
    services: Sequence[Service],
    *,
    health: Health,
    stop: asyncio.Event,
    shutdown_budget: timedelta = SHUTDOWN_BUDGET,
) -> None:
    """Run the services until `stop` is set, then cancel them and return.

    Raises what a service raised, `ServiceEnded` for one that returned, `ShutdownOverrun` for one that would not stop;
    after the last the caller, still inside its coroutine, must leave the process by `os._exit`, because `asyncio.run`
    would wait for the task that does not stop.
    """
    tune_interpreter()
    # Tasks by hand and not a TaskGroup, which would wait for ever for a service that does not stop.
    name_by_task = {
        asyncio.create_task(service.run(health.service(service.name)), name=service.name): service.name
        for service in services
    }
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait([*name_by_task, stopping], return_when=asyncio.FIRST_COMPLETED)
        ended = [task for task in name_by_task if task.done()]
        log.info("services.stopping", extra={"ended": [name_by_task[task] for task in ended]})
    finally:
        stopping.cancel()
        stuck = await _cancel(name_by_task, shutdown_budget)
    first_error = _first_error(name_by_task, ended)
    if stuck:
        raise ShutdownOverrun(stuck) from first_error
    if first_error is not None:
        raise first_error


def install_signal_handlers(stop: asyncio.Event) -> None:
    """SIGINT and SIGTERM set `stop`; a second one ends the process as if nobody had asked."""
    loop = asyncio.get_running_loop()

    def ask() -> None:
        stop.set()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask)


async def _cancel(name_by_task: Mapping[asyncio.Task[None], str], budget: timedelta) -> list[str]:
    """Cancel all at once; give the names of those that still run when the budget is spent."""
    for task in name_by_task:
        task.cancel()
    if not name_by_task:
        return []
    _, pending = await asyncio.wait(name_by_task, timeout=budget.total_seconds())
    names = sorted(name_by_task[task] for task in pending)
    for name in names:
        log.error("service.stuck", extra={"service": name, "budget_seconds": budget.total_seconds()})
    return names


def _first_error(
    name_by_task: Mapping[asyncio.Task[None], str], ended: Sequence[asyncio.Task[None]]
) -> BaseException | None:
    """Of the services that ended by themselves first, else of those that failed while they were stopped."""
    errors: list[BaseException] = []
    others = [task for task in name_by_task if task.done() and task not in ended]
    for task in (*ended, *others):
        error = None if task.cancelled() else task.exception()
        if error is None and task in ended:
            error = ServiceEnded(f"{name_by_task[task]}: ended although nobody asked it to")
        if error is not None:
            foreseen = _is_foreseen(error)
            facts = {"service": name_by_task[task], "reason": str(error)}
            log.error("service.failed", extra=facts, exc_info=None if foreseen else error)
            errors.append(error)
    return errors[0] if errors else None


def _is_foreseen(error: BaseException) -> bool:
    """True for an error that says in its own words what is wrong: its traceback would only hide them."""
    return all(isinstance(cause, SwitchhookError) for cause in causes_of(error))
