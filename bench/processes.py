"""The other processes of a bench: how they are talked to, what they use, and where the figures go."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_OF_PROCESS = 2  # Linux's clocks of other processes: to the nanosecond, where `stat` has hundredths of a second
_TICKS = os.sysconf("SC_CLK_TCK")


def say(line: str) -> None:
    """One line of the result."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Companion:
    """A process of the bench: a line comes, a line goes."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def line(self) -> str:
        """The next line that it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def tell(self, line: str) -> None:
        """Writes a line to it."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def stop(self) -> None:
        """Ends it by ending its input."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[Companion]:
    """A companion for as long as it is needed."""
    companion = Companion(*arguments)
    try:
        yield companion
    finally:
        companion.stop()


def processor_seconds(pid: int, *, children: bool = False) -> float:
    """User and system time of a process; or of the children that it has waited for, which are its conversions."""
    if not children:
        return time.clock_gettime((~pid << 3) | _OF_PROCESS)
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(one) for one in fields[13:15]) / _TICKS


def resident_bytes(pid: int | str) -> int:
    """Memory that a process has at this moment (RSS)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measured_core() -> int:
    """The processor of what is measured."""
    return min(os.sched_getaffinity(0))


def leave_core(core: int) -> None:
    """Keep this process, and those that it starts from now on, off a processor, if there are others."""
    os.sched_setaffinity(0, (os.sched_getaffinity(0) - {core}) or {core})
