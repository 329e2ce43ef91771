"""Rows of a PBX's list that belong to no call that is known: the call may still come, or never was seen at all.

Pure; times are arguments. What changes is collected, so that whoever reads the list can keep it durably.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services.recorder.matching import marks, marks_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence
    from datetime import datetime

    from services.recorder.matching import AwaitedLink
    from services.recorder.rows import RecordingRow

_REMEMBERED = 10_000


@dataclass(slots=True)
class Strays:
    """One PBX's; the oldest are given up first."""

    _seen_at: OrderedDict[int, tuple[RecordingRow, datetime]] = field(default_factory=OrderedDict)
    _ids_by_mark: dict[Hashable, set[int]] = field(default_factory=dict)
    _remembered: list[RecordingRow] = field(default_factory=list)
    _claimed: list[RecordingRow] = field(default_factory=list)

    def restore(self, rows: Iterable[tuple[RecordingRow, datetime]]) -> None:
        """Those that a former run remembered, in the order in which they were seen."""
        for row, seen_at in rows:
            self._add(row, seen_at)

    def remember(self, row: RecordingRow, *, at: datetime) -> None:
        """It belongs to nobody yet; known ones stay as they are."""
        if row.id not in self._seen_at:
            self._add(row, at)
            self._remembered.append(row)

    def claim(self, row: RecordingRow) -> None:
        """It belongs to somebody."""
        if not self._drop(row.id):
            return
        if row in self._remembered:
            self._remembered.remove(row)
        else:
            self._claimed.append(row)

    def near(self, link: AwaitedLink) -> list[RecordingRow]:
        """Those that may be the link's."""
        ids = {identity for mark in marks(link) for identity in self._ids_by_mark.get(mark, ())}
        return [self._seen_at[identity][0] for identity in sorted(ids)]

    def unmatched(self, *, seen_before: datetime) -> list[RecordingRow]:
        """Those that nobody claimed for so long, and those that are too many."""
        excess = len(self._seen_at) - _REMEMBERED
        return [
            row
            for place, (row, seen_at) in enumerate(self._seen_at.values())
            if place < excess or seen_at <= seen_before
        ]

    @property
    def rows(self) -> list[RecordingRow]:
        """All of them."""
        return [row for row, _ in self._seen_at.values()]

    @property
    def unkept(self) -> list[RecordingRow]:
        """What was remembered since the last call of `changes`."""
        return self._remembered

    def changes(self) -> tuple[list[RecordingRow], list[RecordingRow]]:
        """What was remembered and what was claimed since the last call of this."""
        changes = self._remembered, self._claimed
        self._remembered, self._claimed = [], []
        return changes

    def unchanged(self, remembered: Sequence[RecordingRow], claimed: Sequence[RecordingRow]) -> None:
        """These changes could not be kept: they are still to be."""
        self._remembered = [row for row in remembered if row.id in self._seen_at] + self._remembered
        self._claimed = [*claimed, *self._claimed]

    def __len__(self) -> int:
        return len(self._seen_at)

    def _add(self, row: RecordingRow, seen_at: datetime) -> None:
        self._seen_at[row.id] = row, seen_at
        for mark in marks_of(row):
            self._ids_by_mark.setdefault(mark, set()).add(row.id)

    def _drop(self, identity: int) -> bool:
        found = self._seen_at.pop(identity, None)
        if found is None:
            return False
        for mark in marks_of(found[0]):
            ids = self._ids_by_mark[mark]
            ids.discard(identity)
            if not ids:
                del self._ids_by_mark[mark]
        return True
