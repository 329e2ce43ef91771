"""A process of services, from settings to exit code: `switchhook run`, and the heart of `switchhook demo`."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import uvloop

import switchhook
from services.commands.configuration import FAILED, complain
from services.registry import build_service, wire
from switchhook.errors import ConfigError, ShutdownOverrun, StorageBroken, SwitchhookError, causes_of
from switchhook.runtime.admin import AdminServer
from switchhook.runtime.health import Health
from switchhook.runtime.service import Administered
from switchhook.runtime.supervisor import install_signal_handlers, run_services
from switchhook.runtime.vitals import Vitals, process_registry
from switchhook.telemetry.logs import configure_logging
from switchhook.telemetry.tracing import OFF, configure_tracing

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from pathlib import Path

    from services.registry import ServiceName
    from switchhook.settings import Settings
    from switchhook.telemetry.tracing import Tracing

log = logging.getLogger(__name__)

SHUTDOWN_BUDGET = timedelta(seconds=25)  # within the 30 s that orchestrators give


def run_process(settings: Settings, names: Sequence[ServiceName]) -> int:
    """Serve until a signal; returns the exit code. Raises ConfigError before anything is started."""
    telemetry = settings.telemetry
    configure_logging(telemetry.log_format, telemetry.log_level, telemetry.log_numbers, sys.stderr)
    name = "switchhook" if len(names) > 1 else names[0].value
    tracing = configure_tracing(telemetry.otlp_endpoint, name, share=telemetry.trace_share)
    try:
        return exit_code_of(_serve_until_signal(settings, names, tracing))
    finally:
        tracing.shutdown()


def exit_code_of(work: Coroutine[None, None, None]) -> int:
    """Run it to its end; an error that has a sentence becomes that sentence on stderr, and exit code 1."""
    # ffmpeg is started by exec; without this, gRPC remarks on every start of it.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
    try:
        uvloop.run(work)
    except ConfigError:
        raise
    except (SwitchhookError, BaseExceptionGroup) as error:
        sentences = sentences_of(error)
        if not sentences:
            raise
        complain(sentences)
        return FAILED
    return 0


def sentences_of(error: BaseException) -> list[str]:
    """What is to be said of the error; nothing when it holds something that nobody foresaw."""
    causes = list(causes_of(error))
    if not all(isinstance(cause, SwitchhookError) for cause in causes):
        return []
    return list(dict.fromkeys(line for cause in causes for line in str(cause).splitlines()))


async def serve(
    settings: Settings, names: Sequence[ServiceName], *, stop: asyncio.Event, tracing: Tracing = OFF
) -> None:
    """Run the services and the admin server until `stop` is set.

    Raises ConfigError, and what a service raised.
    """
    demand_data_dir(settings.data_dir)
    registry = process_registry()
    health = Health()
    wired = wire(settings, names).applied(settings)
    services = [build_service(name, wired, registry=registry, tracing=tracing) for name in names]
    vitals = Vitals.from_settings(wired, registry, services=names, health=health)
    administered = [service for service in services if isinstance(service, Administered)]
    token = settings.admin.token
    admin = AdminServer(
        settings.admin.listen,
        health,
        registry,
        routes=[route for service in administered for route in service.admin_routes],
        described=[service.admin_described for service in administered],
        token=None if token is None else token.get_secret_value(),
    )
    async with vitals.watched(), admin:
        log.info(
            "process.started", extra={"services": [str(name) for name in names], "version": switchhook.__version__}
        )
        try:
            await run_services(services, health=health, stop=stop, shutdown_budget=SHUTDOWN_BUDGET)
        except ShutdownOverrun as overrun:
            complain([str(overrun)])
            logging.shutdown()
            # A task still runs, and closing the event loop would wait for it for ever.
            os._exit(FAILED)
    log.info("process.stopped")


def demand_data_dir(data_dir: Path) -> None:
    """Make the folder when it is not there. Raises StorageBroken with the remedy when it cannot be written."""
    try:
        data_dir.mkdir(mode=0o750, parents=True, exist_ok=True)  # it holds numbers, recordings and keys
    except OSError as error:
        raise StorageBroken(f"data_dir: {data_dir} cannot be made ({error.strerror}): choose another") from error
    if not os.access(data_dir, os.W_OK | os.X_OK):
        raise StorageBroken(f"data_dir: {data_dir} cannot be written by this user: change its owner, or choose another")


async def _serve_until_signal(settings: Settings, names: Sequence[ServiceName], tracing: Tracing) -> None:
    stop = asyncio.Event()
    install_signal_handlers(stop)
    await serve(settings, names, stop=stop, tracing=tracing)
