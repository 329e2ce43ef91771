"""`switchhook doctor`: prints what an examination found; the exit code is 1 when anything failed."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, NoReturn

import orjson

import switchhook
from services.commands.configuration import FAILED, load
from services.commands.doctor.examination import examine, misconfigured
from services.commands.doctor.findings import is_healthy
from services.commands.doctor.report import document, table
from switchhook.errors import ConfigError, ConfigMissing
from switchhook.runtime.clock import utc_now

if TYPE_CHECKING:
    from pathlib import Path

    import typer

    from services.commands.doctor.findings import Finding

_MARKS = "✓✗→"


def doctor(context: typer.Context, config: Path | None, *, as_json: bool) -> NoReturn:
    """Examine, print, and end the process. Raises `ConfigMissing`."""
    try:
        settings = load(context, config)
    except ConfigMissing:
        raise
    except ConfigError as error:
        findings = misconfigured(error)
    else:
        findings = asyncio.run(examine(settings, clock=utc_now))
    _print(findings, as_json=as_json)
    # Not by way of the interpreter's end: threads of the storage's library may still be letting go of their objects,
    # and one that does so then aborts the process (2 of 100 times on a loaded machine).
    os._exit(0 if is_healthy(findings) else FAILED)


def _print(findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        told = document(findings, version=switchhook.__version__, at=utc_now())
        sys.stdout.write(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        in_colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        for line in table(findings, in_colour=in_colour, in_ascii=not _can_write(_MARKS)):
            sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _can_write(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
