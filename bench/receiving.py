"""A receiver of a bench (`bench.sink`, another process), and which webhooks it has noted so far."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from bench.processes import running
from tests.deadline import eventually

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

PATIENCE = 120.0  # seconds


class Receiver:
    """`at_by_id`: epoch seconds of the first byte of each webhook, by event id; see `look`."""

    def __init__(self, port: str, report: Path) -> None:
        self.url = f"http://127.0.0.1:{port}/"
        self.at_by_id: dict[str, float] = {}
        self._report = report
        self.noted = 0
        self._read = 0

    def look(self) -> int:
        """Read what was noted since the last look; how many requests there were so far (`noted`)."""
        with self._report.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        whole = new.rfind(b"\n") + 1
        self._read += whole
        lines = new[:whole].splitlines()
        self.noted += len(lines)
        for line in lines:
            at, _, event_id = line.partition(b" ")
            self.at_by_id.setdefault(event_id.decode(), float(at))
        return self.noted

    async def take(self, ids: Iterable[str]) -> dict[str, float]:
        """When each of these came, once all have; then they are forgotten."""
        missing = set(ids)

        def nothing_is_missing() -> bool:
            self.look()
            missing.difference_update([one for one in missing if one in self.at_by_id])
            return not missing

        wanted = set(missing)
        await eventually(nothing_is_missing, within=PATIENCE, message="webhooks are missing")
        return {one: self.at_by_id.pop(one) for one in wanted}


@contextlib.contextmanager
def receiving(folder: Path, name: str, *, is_hanging: bool = False) -> Iterator[Receiver]:
    """A receiver that answers 204, or never."""
    report = folder / f"{name}.sink"
    with running("bench.sink", f"--report={report}", "--ids", *(["--hang"] if is_hanging else [])) as sink:
        yield Receiver(sink.line(), report)
