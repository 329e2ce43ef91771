"""`switchhook capture` and `switchhook replay-capture`: a masked record of what a PBX shows, and the events of it."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.commands.configuration import MISUSED, ConfigOption, complain, load
from services.commands.process import demand_data_dir, exit_code_of
from services.commands.replay import replayed
from services.monitor.capture import capture as capture_pbx
from switchhook.errors import ConfigError, StorageBroken
from switchhook.pbx.token_file import token_path
from switchhook.runtime.clock import utc_now
from switchhook.runtime.supervisor import install_signal_handlers
from switchhook.settings.durations import format_duration, parse_duration
from switchhook.settings.problems import unknown
from switchhook.telemetry.logs import configure_logging

if TYPE_CHECKING:
    from services.monitor.capture import Captured
    from switchhook.settings import PbxSettings, Settings

Out = Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Write here; the file must not exist yet.")]
Pbx = Annotated[str | None, typer.Option("--pbx", metavar="NAME", help="Which PBX; may be left out with only one.")]
Duration = Annotated[str | None, typer.Option("--duration", metavar="TIME", help="Stop after so long, such as 10m.")]
Captures = Annotated[Path, typer.Argument(metavar="FILE", help="A capture, or a scenario of the tests.")]
Internal = Annotated[bool, typer.Option("--report-internal", help="Report calls between extensions too.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def capture(
    context: typer.Context, *, out: Out, pbx: Pbx = None, duration: Duration = None, config: ConfigOption = None
) -> None:
    """Write what a PBX shows to a file, numbers and names masked; Ctrl-C ends it."""
    settings = load(context, config)
    chosen = _chosen(settings, pbx)
    length = _length(duration)
    demand_data_dir(settings.data_dir)
    shared = token_path(settings.data_dir, chosen.name)
    warning = demand_shared_token(shared, chosen)
    if warning is not None:
        complain([warning])
    configure_logging("console", "info", settings.telemetry.log_numbers, sys.stderr)
    raise typer.Exit(exit_code_of(_capture(settings, chosen, out, shared, length)))


def replay_capture(file: Captures, *, report_internal: Internal = False, as_json: Json = False) -> None:
    """Print the events that the monitor makes of a capture; nothing is sent."""
    raise typer.Exit(replayed(file, report_internal=report_internal, as_json=as_json))


def demand_shared_token(shared: Path, pbx: PbxSettings) -> str | None:
    """A sentence of warning where no token is shared yet; None where one is.

    Raises `StorageBroken` where there is one that this user may not read: to ask for another would end that one.
    """
    try:
        is_there = shared.exists()
    except OSError:
        is_there = True
    if not is_there:
        return (
            f"warning: pbx {pbx.name}: no service shares its token in {shared}, so the capture asks for one. The PBX"
            f" keeps one live token per API client: a service that uses client_id {pbx.client_id} with another"
            " data_dir loses its own by that, asks again, and ends the capture's: capture with its configuration, on"
            " its machine, or with an API client of its own"
        )
    if not os.access(shared, os.R_OK | os.W_OK):
        raise StorageBroken(
            f"{shared}: this user may not use the token that the services share; run the capture as their user: with a"
            " token of its own it would end theirs"
        )
    return None


async def _capture(settings: Settings, pbx: PbxSettings, out: Path, shared: Path, duration: timedelta | None) -> None:
    stop = asyncio.Event()
    install_signal_handlers(stop)
    until = "until Ctrl-C" if duration is None else f"for {format_duration(duration)}"
    complain([f"capturing pbx {pbx.name} to {out} {until}; nothing is published"])
    captured = await capture_pbx(
        pbx, settings.monitor, out, token_file=shared, duration=duration, stop=stop, clock=utc_now
    )
    complain(_summary(out, captured))


def _summary(out: Path, captured: Captured) -> list[str]:
    lines = ", ".join(f"{count} {verb}" for verb, count in sorted(captured.lines.items())) or "nothing"
    events = ", ".join(f"{count} {kind}" for kind, count in sorted(captured.events.items())) or "none"
    sentences = [f"{out}: {lines}", f"events: {events}"]
    sentences += [f"unknown {what} {name}: {count}" for (what, name), count in sorted(captured.unknowns.items())]
    return [*sentences, f"see what came of it: switchhook replay-capture {out}"]


def _chosen(settings: Settings, name: str | None) -> PbxSettings:
    by_name = {pbx.name: pbx for pbx in settings.pbx}
    if name is None and len(by_name) == 1:
        return settings.pbx[0]
    if name is None:
        raise ConfigError((f"--pbx: name one of the {len(by_name)} configured: {', '.join(by_name) or 'none'}",))
    if name not in by_name:
        raise ConfigError((f'pbx: "{name}" is an {unknown(name, by_name, what="pbx")}',))
    return by_name[name]


def _length(written: str | None) -> timedelta | None:
    if written is None:
        return None
    try:
        length = parse_duration(written)
    except ValueError as error:
        complain([f"--duration: {error}"])
        raise typer.Exit(MISUSED) from error
    if length <= timedelta():
        complain(["--duration: must be longer than 0s"])
        raise typer.Exit(MISUSED)
    return length
