"""From changes to frames: who may see them, which faults distort them, and the journal of what was sent.

One frame is made once and handed to every socket; nothing here waits.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from simulator.faults import Fault, Faults
from simulator.numbering import Directory, DnKind
from simulator.wire import EventType, Row, event_body, participant_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.model import Leg

_JOURNAL_LENGTH = 200_000
_ROUTING_KINDS = frozenset({DnKind.IVR, DnKind.QUEUE})


class Socket(Protocol):
    """One connected client."""

    def post(self, event: bytes) -> None: ...


class FrameFeed:
    """Tells every socket of every change that the client may see."""

    def __init__(self, directory: Directory, faults: Faults, *, now: Callable[[], float]) -> None:
        self.monitored = directory.default_monitored()
        self.sockets: set[Socket] = set()
        self.muted = False
        """True while a restart takes the calls away: a dead PBX tells nothing."""
        self._directory = directory
        self._faults = faults
        self._now = now
        self._journal: deque[tuple[int, float, int, str, int, str, int]] = deque(maxlen=_JOURNAL_LENGTH)
        self._sent = 0

    def sees(self, dn: str) -> bool:
        """Whether the API client may see this DN."""
        kind = self._directory.kind(dn)
        if kind is DnKind.ROUTE_POINT:
            return dn == self._directory.client.number
        if kind is DnKind.UNKNOWN:
            return self._faults.on(Fault.UNKNOWN_KIND)
        if kind in _ROUTING_KINDS and self._faults.on(Fault.HIDDEN_ROUTING):
            return False
        return dn in self.monitored

    def upsert(self, leg: Leg) -> None:
        attached = leg.body if self._faults.on(Fault.ATTACHED_PARTICIPANT) else b"null"
        self._tell(EventType.UPSERT, leg, attached)
        if self._faults.strikes(Fault.DUPLICATE_UPSERTS):
            self._tell(EventType.UPSERT, leg, attached)
        if self._faults.on(Fault.UNKNOWN_WORDS):
            self._tell(EventType.UNDOCUMENTED, leg, b'{"mood":"calm"}')

    def remove(self, leg: Leg) -> None:
        last = self._faults.on(Fault.LOST_REMOVE) and not any(self.sees(other.dn) for other in leg.call.legs.values())
        if last and self._faults.strikes(Fault.LOST_REMOVE):
            return
        self._tell(EventType.REMOVE, leg, b"null")

    def journal(self, after: int) -> list[Row]:
        """Frames with a number greater than `after`; numbers count from 1 and never repeat."""
        first = self._sent - len(self._journal) + 1
        rows = islice(self._journal, max(after + 1 - first, 0), None)
        names = ("number", "at", "callid", "dn", "participant", "status", "event_type")
        return [dict(zip(names, row, strict=True)) for row in rows]

    @property
    def sent(self) -> int:
        return self._sent

    def _tell(self, kind: EventType, leg: Leg, attached: bytes) -> None:
        participant = leg.participant
        if self.muted or leg.call.hidden or not self.sees(participant.dn):
            return
        event = event_body(kind, participant_path(participant), attached)
        for socket in self.sockets:
            socket.post(event)
        self._sent += 1
        entry = (
            self._sent,
            self._now(),
            participant.callid,
            participant.dn,
            participant.id,
            participant.status.value,
            int(kind),
        )
        self._journal.append(entry)
