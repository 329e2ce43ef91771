"""`switchhook demo`: a simulated PBX with traffic, all four services, and a receiver that prints each webhook."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from services.commands.demo_lines import Colour, painted
from services.commands.process import demand_data_dir, exit_code_of, serve
from services.registry import ServiceName
from switchhook.runtime.clock import utc_now
from switchhook.runtime.supervisor import install_signal_handlers
from switchhook.settings import load_settings
from switchhook.telemetry.logs import configure_logging

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator import SimulatorOptions
    from switchhook.settings import Settings

FILESERVER_PORT, ADMIN_PORT = 5001, 9464
CALLS_AT_ONCE = 6
_LOG_FILE = "switchhook.log"
_CONFIG_FILE = "demo.toml"
_HOST = "127.0.0.1"


class DemoFormat(StrEnum):
    """Which endpoints the demonstration has."""

    POST = "post"
    GET = "get"
    BOTH = "both"

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The names of the endpoints, which are also their formats."""
        return ("post", "get") if self is DemoFormat.BOTH else (self.value,)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What the user chose; `duration` None: until Ctrl-C."""

    calls_per_second: float
    duration: timedelta | None
    endpoints: tuple[str, ...]


def demo(
    calls_per_second: Annotated[float, typer.Option(min=0.01, max=50, help="How many calls begin.")] = 0.3,
    seconds: Annotated[float | None, typer.Option(min=1, help="Stop after this time.", show_default="never")] = None,
    kind: Annotated[DemoFormat, typer.Option("--format", help="Format of the webhooks.")] = DemoFormat.BOTH,
    data_dir: Annotated[Path | None, typer.Option(help="Keep everything here.", show_default="a temporary one")] = None,
) -> None:
    """Show invented calls as the webhooks they make."""
    options = DemoOptions(
        calls_per_second=calls_per_second,
        duration=timedelta(seconds=seconds) if seconds else None,
        endpoints=kind.endpoints,
    )
    with _folder(data_dir) as folder, (folder / _LOG_FILE).open("a", encoding="utf-8") as file:
        configure_logging("json", "info", False, file)
        logging.getLogger().addHandler(_TerminalWarnings(logging.WARNING))
        raise typer.Exit(exit_code_of(_demo(options, folder)))


async def _demo(options: DemoOptions, folder: Path) -> None:
    from services.commands.demo_receiver import DemoReceiver  # noqa: PLC0415 - a process that serves does not load it
    from simulator import Simulator, SimulatorOptions  # noqa: PLC0415 - a process that serves does not load it

    stop = asyncio.Event()
    install_signal_handlers(stop)
    in_colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    pbx = SimulatorOptions(calls_per_second=options.calls_per_second, concurrent=CALLS_AT_ONCE)
    async with Simulator(pbx) as simulator, DemoReceiver(clock=utc_now, in_colour=in_colour) as receiver:
        config = _configured(options, folder, pbx_url=simulator.url, pbx=pbx, receiver_url=receiver.url)
        settings = load_settings(config, {})
        for line in _opening(settings, receiver.url, is_kept=options.duration is None):
            _say(line, in_colour=in_colour)
        if options.duration is not None:
            asyncio.get_running_loop().call_later(options.duration.total_seconds(), stop.set)
        await serve(settings, list(ServiceName), stop=stop)
    _say(
        f"{receiver.webhooks} webhooks, {receiver.links_that_play} of {receiver.links} recording links played",
        in_colour=in_colour,
    )


def _configured(options: DemoOptions, folder: Path, *, pbx_url: str, pbx: SimulatorOptions, receiver_url: str) -> Path:
    """The configuration of the demonstration, as a file that other commands can use, too."""
    port = _free_port(FILESERVER_PORT)
    lines = [
        f"data_dir = {_quoted(folder)}",
        f"admin.listen = {_quoted(f'{_HOST}:{_free_port(ADMIN_PORT)}')}",
        f"fileserver.listen = {_quoted(f'{_HOST}:{port}')}",
        f"fileserver.public_url = {_quoted(f'http://{_HOST}:{port}')}",
        "[[pbx]]",
        'name = "demo"',
        f"url = {_quoted(pbx_url)}",
        f"client_id = {_quoted(pbx.client_id)}",
        f"client_secret = {_quoted(pbx.client_secret)}",
        f"timezone = {_quoted(pbx.timezone)}",
    ]
    for name in options.endpoints:
        lines += ["[[endpoint]]", f"name = {_quoted(name)}", f"url = {_quoted(f'{receiver_url}/{name}')}"]
        lines += [f"format = {_quoted(name)}", f'allow_private = ["{_HOST}/32"]']
    path = folder / _CONFIG_FILE
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return path


def _quoted(value: object) -> str:
    """A text as TOML writes it, which is also how JSON does."""
    return orjson.dumps(str(value)).decode()


def _opening(settings: Settings, receiver_url: str, *, is_kept: bool) -> Iterator[str]:
    names = " and ".join(endpoint.format.upper() for endpoint in settings.endpoint)
    yield "Switchhook demonstration: invented calls through all four services"
    yield f"  PBX (simulated)   {settings.pbx[0].url}"
    yield f"  receiver          {receiver_url}  ({names}; every webhook is a line below)"
    yield f"  recording links   {settings.fileserver.public_url}/webapi/recording/"
    yield f"  health, metrics   http://{settings.admin.listen}/readyz  /metrics"
    yield f"  data, log         {settings.data_dir / _LOG_FILE}"
    yield f"  is all well?      switchhook doctor --config {settings.data_dir / _CONFIG_FILE}"
    yield "Ctrl-C stops." if is_kept else "Stops by itself; Ctrl-C stops it earlier."
    yield ""
    yield f"{'time':<8}  {'to':<4}  {'event':<20}  {'call':<20}  {'number':<12}  {'user':<5}  what happened"


@contextmanager
def _folder(chosen: Path | None) -> Iterator[Path]:
    if chosen is not None:
        demand_data_dir(chosen)
        yield chosen.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="switchhook-demo-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _free_port(wanted: int) -> int:
    """The wanted port when nobody listens there, else any free one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, port))
            except OSError:
                continue
            number: int = probe.getsockname()[1]
            return number
    return wanted


def _say(line: str, *, in_colour: bool) -> None:
    sys.stdout.write(painted(line, Colour.DIM, in_colour=in_colour) + "\n")
    sys.stdout.flush()


class _TerminalWarnings(logging.Handler):
    """Warnings and errors as one line each between the webhooks; the log file has them in full."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the event's name and the error, if there is one."""
        cause = f": {record.exc_info[1]}" if record.exc_info and record.exc_info[1] else ""
        sys.stderr.write(f"{record.levelname.lower()}: {record.getMessage()}{cause}".replace("\n", " ") + "\n")
        sys.stderr.flush()
