"""`switchhook receive`: a receiver to develop against; prints each webhook as a line and tries the recording links."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from services.commands.process import exit_code_of
from switchhook.errors import AddressUnavailable, ConfigError
from switchhook.runtime.clock import utc_now
from switchhook.runtime.supervisor import install_signal_handlers
from switchhook.settings import parse_tcp
from switchhook.settings.addresses import parse_web_address


def receive(
    listen: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1:8080",
    links_at: Annotated[
        str | None, typer.Option(help="Try links at this address.", show_default="the one that they name")
    ] = None,
) -> None:
    """Receive webhooks at /post and /get, and print them."""
    raise typer.Exit(exit_code_of(_receive(listen, links_at or "")))


async def _receive(listen: str, links_at: str) -> None:
    from services.commands.demo_receiver import DemoReceiver  # noqa: PLC0415 - a process that serves does not load it

    try:
        address = parse_tcp(listen)
        if links_at:
            parse_web_address(links_at)
    except ValueError as error:
        raise ConfigError((str(error),)) from error
    stop = asyncio.Event()
    install_signal_handlers(stop)
    receiver = DemoReceiver(
        clock=utc_now, in_colour=sys.stdout.isatty(), host=address.host, port=address.port, links_at=links_at
    )
    try:
        async with receiver:
            sys.stdout.write(f"receiving at {receiver.url}/post and {receiver.url}/get\n")
            sys.stdout.flush()
            await stop.wait()  # until a signal
    except OSError as error:
        raise AddressUnavailable(f"--listen {listen}: cannot listen there ({error.strerror})") from error
