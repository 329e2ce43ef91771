"""What the call log has, in a few words, and what a tracker says of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from services.monitor.calls.history import CallKey, Segment
from tests.unit.monitor.table import NUMBER, START, apply, describe

if TYPE_CHECKING:
    from services.monitor.calls.tracker import CallTracker

SINCE = START - timedelta(seconds=5)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def segment(
    dn: str, started: float, ended: float, *, answered: float | None = None, number: int = 10, arrived: float = 0.0
) -> Segment:
    """An inbound segment."""
    key = CallKey(at(arrived), number)
    return Segment(
        key=key,
        main=key,
        source_dn="10007",
        source_number=NUMBER,
        destination_dn=dn,
        destination_number=dn,
        started_at=at(started),
        answered_at=None if answered is None else at(answered),
        ended_at=at(ended),
    )


def told(tracker: CallTracker) -> list[str]:
    return [describe(event) for event in tracker.take().events]


def hang_up(tracker: CallTracker, at: float) -> None:
    apply(tracker, f"{at} asked alive=")
