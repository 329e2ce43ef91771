"""A capture loses nothing that the tracker is told; a new way of telling it something must not be forgotten."""

from __future__ import annotations

from services.monitor.calls.tracker import CallTracker
from services.monitor.capture_tracker import CapturingTracker

TOLD = {"plan", "leg_seen", "leg_gone", "resync", "replaying", "active_calls", "answer"}
ASKED = {"calls", "live", "register", "blank", "known_leg", "questions", "next_question_at", "unshown", "is_told_all"}
ASKED |= {"has_said", "has_changes", "take", "unlisted"}
BY_ANOTHER_NAME = {"replay"}
AT_THE_START = {"restore"}
"""A capture begins with nothing kept."""


def test_whatever_the_tracker_can_be_told_is_written() -> None:
    public = {name for name in vars(CallTracker) if not name.startswith("_")}
    assert public == TOLD | ASKED | AT_THE_START | BY_ANOTHER_NAME, (
        "is the new one written by a capture, and played by a replay?"
    )
    assert vars(CapturingTracker).keys() >= TOLD
