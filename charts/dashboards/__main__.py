"""Writes every dashboard into the chart: `make dashboards`."""

from __future__ import annotations

from pathlib import Path

from charts.dashboards.deliveries import deliveries
from charts.dashboards.frame import written
from charts.dashboards.overview import overview
from charts.dashboards.recordings import recordings
from charts.dashboards.services import services

FOLDER = Path(__file__).resolve().parents[1] / "switchhook" / "dashboards"


def dashboard_files() -> dict[str, str]:
    """The content of each file by its name."""
    made = {"overview": overview, "deliveries": deliveries, "recordings": recordings, "services": services}
    return {f"{name}.json": written(make()) for name, make in made.items()}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in dashboard_files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
