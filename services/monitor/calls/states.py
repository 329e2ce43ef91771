"""How a leg may change, as a table: everything that decides whether a frame is news stands here.

Theory of operation. A leg is absent, then dialing or ringing, then perhaps connected, then absent again. A frame tells
its status of now; what it was before is remembered. The pair decides what happened. The PBX repeats frames (same
status twice), coalesces them (absent to connected, because the ringing was over when it was read) and loses them, so
every pair is in the table, and those that tell nothing are listed as `NOTHING`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from services.monitor.calls.legs import LegStatus

if TYPE_CHECKING:
    from collections.abc import Mapping


class Change(StrEnum):
    """What happened to a leg."""

    RANG = "rang"
    DIALLED = "dialled"
    ANSWERED = "answered"
    #: connected without having been seen ringing or dialing
    APPEARED = "appeared"
    STOPPED = "stopped"
    LEFT = "left"
    NOTHING = "nothing"


ABSENT = None
_DIALING, _RINGING, _CONNECTED, _UNKNOWN = (
    LegStatus.DIALING,
    LegStatus.RINGING,
    LegStatus.CONNECTED,
    LegStatus.UNKNOWN,
)

TRANSITIONS: Mapping[tuple[LegStatus | None, LegStatus | None], Change] = {
    (ABSENT, ABSENT): Change.NOTHING,  # a Remove of a leg that was never read
    (ABSENT, _DIALING): Change.DIALLED,
    (ABSENT, _RINGING): Change.RANG,
    (ABSENT, _CONNECTED): Change.APPEARED,
    (ABSENT, _UNKNOWN): Change.NOTHING,
    (_DIALING, ABSENT): Change.STOPPED,
    (_DIALING, _DIALING): Change.NOTHING,
    (_DIALING, _RINGING): Change.NOTHING,  # MakeCall: the extension's own phone rings
    (_DIALING, _CONNECTED): Change.ANSWERED,
    (_DIALING, _UNKNOWN): Change.NOTHING,
    (_RINGING, ABSENT): Change.STOPPED,
    (_RINGING, _DIALING): Change.DIALLED,  # MakeCall: the own phone was picked up, now the outside number is dialled
    (_RINGING, _RINGING): Change.NOTHING,
    (_RINGING, _CONNECTED): Change.ANSWERED,
    (_RINGING, _UNKNOWN): Change.NOTHING,
    (_CONNECTED, ABSENT): Change.LEFT,
    (_CONNECTED, _DIALING): Change.NOTHING,  # a late frame
    (_CONNECTED, _RINGING): Change.NOTHING,  # a late frame
    (_CONNECTED, _CONNECTED): Change.NOTHING,
    (_CONNECTED, _UNKNOWN): Change.NOTHING,
    (_UNKNOWN, ABSENT): Change.STOPPED,
    (_UNKNOWN, _DIALING): Change.DIALLED,
    (_UNKNOWN, _RINGING): Change.RANG,
    (_UNKNOWN, _CONNECTED): Change.APPEARED,
    (_UNKNOWN, _UNKNOWN): Change.NOTHING,
}

_LATE = {
    (_CONNECTED, _DIALING),
    (_CONNECTED, _RINGING),
    (_DIALING, _UNKNOWN),
    (_RINGING, _UNKNOWN),
    (_CONNECTED, _UNKNOWN),
}


def change_of(before: LegStatus | None, after: LegStatus | None) -> Change:
    """What happened to a leg that was `before` and is `after`; None is absent."""
    return TRANSITIONS[before, after]


def status_after(before: LegStatus | None, after: LegStatus) -> LegStatus:
    """The status to remember: that of the frame, unless the frame tells less than what is known."""
    if before is not None and (before, after) in _LATE:
        return before
    return after
