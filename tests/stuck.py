"""Shows where tasks wait when a test takes too long: all that the stack of its thread tells is that a loop runs."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest_timeout

if TYPE_CHECKING:
    from collections.abc import Iterator


def show_waiting_tasks() -> None:
    """From now on, beside what pytest-timeout shows anyway."""
    dump_stacks = pytest_timeout.dump_stacks

    def dump_tasks(terminal: Any) -> None:
        dump_stacks(terminal)
        sys.stderr.write("".join(waiting()))

    pytest_timeout.dump_stacks = dump_tasks


def waiting() -> Iterator[str]:
    """A paragraph for each task of the loop that runs in this thread: its name, and the lines that it waits in."""
    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:  # no loop runs
        return
    for task in tasks:
        yield f"{task.get_name()}\n" + "".join(f"  {line}\n" for line in _lines(task.get_coro()))


def _lines(awaited: Any) -> Iterator[str]:
    """From the outermost coroutine to what it waits for in the end."""
    while (frame := getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)) is not None:
        yield f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname}"
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
    yield repr(awaited)
