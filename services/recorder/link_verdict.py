"""What came of fetching a recording through its public link."""

from __future__ import annotations

from enum import StrEnum


class LinkVerdict(StrEnum):
    """`WRONG`: something answers, and not with the recording. `UNREACHABLE`: nothing answers, as far as we can see."""

    WORKS = "works"
    WRONG = "wrong"
    UNREACHABLE = "unreachable"
