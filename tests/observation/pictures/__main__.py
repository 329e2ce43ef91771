"""Runs the demonstration with faults for two minutes, and draws what Prometheus saw into a folder."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.observation.course import Pace, course
from tests.observation.panels import dashboard_paths
from tests.observation.pictures.answers import Sight, sight_of
from tests.observation.pictures.page import drawn

PACE = Pace(calm=40, trouble=80, mended=0)
POINTS = 96


async def sights() -> dict[str, Sight]:
    """Every dashboard at the end of the trouble, by the name of its file."""
    with tempfile.TemporaryDirectory(prefix="switchhook-pictures-") as folder:
        async with course(Path(folder)) as running:
            seen: dict[str, Sight] = {}

            async def look() -> None:
                span = running.span(points=POINTS)
                seen.update({path.stem: await sight_of(path, running.prometheus, span) for path in dashboard_paths()})

            await running.run(PACE, at_worst=look)
            return seen


def main(folder: Path) -> None:
    """Write the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, sight in asyncio.run(sights()).items():
        (folder / f"{name}.svg").write_text(drawn(sight), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
