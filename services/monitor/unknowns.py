"""The folder of unknowns: names in a PBX's answers that nobody here knows, kept and counted, never fatal.

A later version of the PBX has DN kinds, statuses, fields and event types that this one does not know. Each name is
counted; the first `LIMIT` names of a PBX stand for themselves, whatever comes later is `other`, so that no PBX can make
the monitor's memory or its metrics grow. Values are never kept, and a name that is too odd to be one is only its form.
Pure; it looks at what was parsed and changes nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from services.monitor.calls.legs import LegStatus
from services.monitor.payloads import rows
from services.monitor.vocabulary import (
    ACTIVE_CALL_FIELDS,
    CALL_STATES,
    DN_CLASSES,
    DN_FIELDS,
    PARTICIPANT_FIELDS,
    PEER_TYPES,
    SEGMENT_FIELDS,
    TYPE_FIELDS,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from services.monitor.calls.legs import Leg

LIMIT = 50
"""Names that are kept for each PBX."""
OTHER = "other"

_STATUSES = frozenset(status.value for status in LegStatus if status is not LegStatus.UNKNOWN)
_EVENT_TYPES = frozenset((0, 1, 2, 3, 4))
_WORDS = ("status", *TYPE_FIELDS)
_MOST_KNOWN = 1000  # combinations of known words that need no second look
_NAME_LENGTH = 40
_LONG_NUMBER = 1000  # from here on it may be a telephone number
_ODD = re.compile(r"[^A-Za-z0-9_.:@-]")
_DIGITS = re.compile(r"\d{3,}")  # a name with a telephone number in it is not to be shown


class Unknown(StrEnum):
    """What is unknown about a name."""

    DN_KIND = "dn_kind"
    STATUS = "status"
    FIELD = "field"
    EVENT_TYPE = "event_type"


class Unknowns:
    """The unknowns of one PBX. `count` is told of each: what, by which name, and whether the name is new."""

    def __init__(self, count: Callable[[Unknown, str, bool], None] | None = None) -> None:
        self.counts: Counter[tuple[Unknown, str]] = Counter()
        self._known_words: set[tuple[object, ...]] = set()
        self._count = count

    def participant(self, shown: object) -> None:
        """A participant as the PBX shows it, of whatever form."""
        if not isinstance(shown, dict):
            return
        self._fields("participant", shown, PARTICIPANT_FIELDS)
        words = tuple(map(shown.get, _WORDS))
        try:
            key = hash(words)
        except TypeError:  # a list or an object among them
            key = None
        if key is not None and words in self._known_words:
            return
        if self._are_known(words) and key is not None and len(self._known_words) < _MOST_KNOWN:
            self._known_words.add(words)

    def leg(self, shown: object, leg: Leg | None) -> None:
        """A participant, and what was read from it."""
        self.participant(shown)

    def frame(self, event_type: int, entity: str, attached: object) -> None:
        """A frame that is neither a change of a leg nor an answer."""
        if event_type not in _EVENT_TYPES:
            self._add(Unknown.EVENT_TYPE, event_type)

    def unreadable(self) -> None:
        """A message that is no frame has no name."""

    def answer(self, path: str, body: object) -> None:
        """What the PBX answered to `GET path`."""
        if path == "/callcontrol":
            for dn in body if isinstance(body, list) else ():
                self._dn(dn)
        elif path == "/xapi/v1/ActiveCalls":
            for row in rows(body):
                self._fields("row", row, ACTIVE_CALL_FIELDS)
                if row.get("Status") is not None and str(row["Status"]) not in CALL_STATES:
                    self._add(Unknown.STATUS, row["Status"])
        elif path == "/xapi/v1/Peers":
            for row in rows(body):
                self._kind(row.get("Type"), PEER_TYPES)
        elif path.startswith("/xapi/v1/ReportCallLogData/"):
            for row in rows(body):
                self._fields("segment", row, SEGMENT_FIELDS)

    def names(self, where: str, fields: Iterable[str]) -> None:
        """Fields that are known to be unknown."""
        for name in fields:
            self._add(Unknown.FIELD, f"{where}.{name}")

    def _are_known(self, words: Sequence[object]) -> bool:
        """False when one of a participant's words was counted: its status, or a kind."""
        before = self.counts.total()
        status, *kinds = words
        if not isinstance(status, str) or status not in _STATUSES:
            self._add(Unknown.STATUS, status)
        for name in kinds:
            self._kind(name, DN_CLASSES)
        return self.counts.total() == before

    def noted(self, what: str, name: str) -> None:
        """One that somebody else came across; it counts where nothing here has shown it."""
        if what in set(Unknown):
            self.counts.setdefault((Unknown(what), name), 1)

    def _dn(self, dn: object) -> None:
        if not isinstance(dn, dict):
            return
        self._fields("dn", dn, DN_FIELDS)
        self._kind(dn.get("type"), DN_CLASSES)
        shown = dn.get("participants")
        for participant in shown if isinstance(shown, list) else ():
            self.participant(participant)

    def _fields(self, where: str, shown: Mapping[str, Any], known: frozenset[str]) -> None:
        if not shown.keys() <= known:
            self.names(where, sorted(name for name in shown.keys() - known if not name.startswith("@odata.")))

    def _kind(self, name: object, known: frozenset[str]) -> None:
        if name and str(name).lower() not in known:
            self._add(Unknown.DN_KIND, name)

    def _add(self, what: Unknown, shown: object) -> None:
        name = presentable(shown)
        is_new = (what, name) not in self.counts
        if is_new and len(self.counts) >= LIMIT:
            name = OTHER
            is_new = (what, name) not in self.counts
        self.counts[what, name] += 1
        if self._count is not None:
            self._count(what, name, is_new)


def presentable(shown: object) -> str:
    """The name as it may stand in a log and a metric: short, of plain characters, without long numbers."""
    if not isinstance(shown, str):
        is_short = isinstance(shown, int) and abs(shown) < _LONG_NUMBER
        return str(shown) if is_short else f"({type(shown).__name__})"
    return _DIGITS.sub("#", _ODD.sub("?", shown[:_NAME_LENGTH])) or "(empty)"
