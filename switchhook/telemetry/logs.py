"""Logs on the standard library: one JSON object a line, or the same facts for a person's eyes.

The message is the event's name; the facts are the record's `extra`. Secrets never come out, whoever logs them.
Telephone numbers (keys `number`, `outside_number`, `caller`, `callee`, `did`) show only their last three digits.
"""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import orjson

from switchhook.telemetry.line_writer import LineWriter
from switchhook.telemetry.redaction import is_harmless, mask, redacted, redacted_value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

__all__ = ["ConsoleFormatter", "JsonFormatter", "configure_logging", "mask"]

_RECORD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_QUIET = ("watchfiles", "aiohttp.access", "asyncio", "grpc")  # they speak of what we log ourselves


class JsonFormatter(logging.Formatter):
    """`{"time", "level", "event", "logger", …extra, "traceback"}`; the time is in UTC, to the millisecond."""

    def __init__(self, *, numbers: bool = False) -> None:
        """`numbers` true leaves telephone numbers whole."""
        super().__init__()
        self._numbers = numbers

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the values are."""
        facts = _facts(record)
        if not record.exc_info:
            # Most lines hold nothing that could be a secret: those are found by one look at the whole.
            plain = _plain_json(_line(record, record.getMessage(), facts))
            if plain is not None and is_harmless(plain):
                return plain
        facts = {key: redacted_value(key, value, numbers=self._numbers) for key, value in facts.items()}
        line = _line(record, redacted(record.getMessage()), facts)
        if record.exc_info:
            line["traceback"] = redacted(self.formatException(record.exc_info))
        return _json(line)


class ConsoleFormatter(logging.Formatter):
    """`12:00:00.000 INFO event key=value …`."""

    def __init__(self, *, numbers: bool = False) -> None:
        """`numbers` true leaves telephone numbers whole."""
        super().__init__()
        self._numbers = numbers

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the traceback below it if there is one."""
        facts = "".join(
            f" {key}={redacted_value(key, value, numbers=self._numbers)}" for key, value in _facts(record).items()
        )
        line = f"{_time(record)[11:23]} {record.levelname:<7} {redacted(record.getMessage())}{facts}"
        if record.exc_info:
            line += "\n" + redacted(self.formatException(record.exc_info))
        return line


def configure_logging(
    format: Literal["json", "console"],
    level: str,
    numbers: bool,
    stream: TextIO,
) -> None:
    """Send all logs of the process to the stream, replacing what was configured before. `level` such as `info`."""
    formatter = JsonFormatter(numbers=numbers) if format == "json" else ConsoleFormatter(numbers=numbers)
    lines = LineWriter(stream)
    lines.setFormatter(formatter)
    root = logging.getLogger()
    for previous in root.handlers[:]:
        root.removeHandler(previous)
        if isinstance(previous, LineWriter):
            with suppress(OSError, ValueError):  # its stream may be gone
                previous.close()
    root.addHandler(lines)
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    # Nobody is told of the source line, the thread or the process, so none of them is looked for at each record.
    logging._srcfile = None  # noqa: SLF001 - what the manual of `logging` advises
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def _line(record: logging.LogRecord, event: str, facts: Mapping[str, object]) -> dict[str, object]:
    line: dict[str, object] = {
        "time": _time(record),
        "level": record.levelname.lower(),
        "event": event,
        "logger": record.name,
    }
    for key, value in facts.items():
        line[f"{key}_" if key in line else key] = value
    return line


def _plain_json(line: dict[str, object]) -> str | None:
    """None for what is not made of JSON's own types."""
    try:
        return orjson.dumps(line, option=orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS).decode()
    except (TypeError, ValueError):
        return None


def _json(line: dict[str, object]) -> str:
    try:
        return orjson.dumps(line).decode()
    except (TypeError, ValueError):
        return json.dumps(line, default=str)  # slower, but takes integers of any size and broken strings


def _time(record: logging.LogRecord) -> str:
    return f"{_second(int(record.created))}.{int(record.msecs):03}Z"


@lru_cache(maxsize=2)
def _second(since_epoch: int) -> str:
    return datetime.fromtimestamp(since_epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _facts(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in vars(record).items() if key not in _RECORD_FIELDS}
