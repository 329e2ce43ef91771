"""What a PBX shows of its calls, as values: legs on DNs, and rows of its list of active calls."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from switchhook.events import DnKind

if TYPE_CHECKING:
    from datetime import datetime

MAKECALL = "MAKECALL"
"""What the PBX shows for the outside party while the phone of a call that software started is being connected."""

LegKey = tuple[str, int]
"""DN and participant id: unique among live legs."""


class LegStatus(StrEnum):
    """The three statuses that the vendor documents, and any other."""

    DIALING = "Dialing"
    RINGING = "Ringing"
    CONNECTED = "Connected"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One DN's part in a call; `number` is the PBX's runtime number of the call it belongs to at this moment.

    `party_*` describe the other side, `did` the outside number that was dialled where the PBX shows it, `referred_by`
    the DN that transferred the leg, `on_behalf_of` the queue or group for which it rings.
    """

    dn: str
    id: int
    kind: DnKind
    status: LegStatus
    number: int
    party_dn: str = ""
    party_kind: DnKind | None = None
    party_number: str = ""
    did: str = ""
    referred_by: str = ""
    on_behalf_of: str = ""
    originated_by: str = ""

    @property
    def key(self) -> LegKey:
        """What identifies the leg for as long as it lives."""
        return self.dn, self.id

    @property
    def is_makecall(self) -> bool:
        """True while the PBX connects the extension's own phone first."""
        return self.party_number == MAKECALL

    @property
    def shows_outside(self) -> bool:
        """True when the other side is the outside party."""
        return self.party_kind is DnKind.TRUNK or self.is_makecall

    @property
    def is_talking_extension(self) -> bool:
        """True for an extension that is connected."""
        return self.kind is DnKind.EXTENSION and self.status is LegStatus.CONNECTED

    @property
    def is_ringing_extension(self) -> bool:
        """True for an extension that rings."""
        return self.kind is DnKind.EXTENSION and self.status is LegStatus.RINGING


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveCall:
    """A row of the PBX's list of active calls: the first words of its caller and callee, and the number in brackets.

    `changed_at` is when its status last changed, `established_at` since when somebody talks, by our clock; None where
    the PBX does not tell.
    """

    number: int
    caller_dn: str
    caller_number: str
    callee_dn: str
    callee_number: str
    changed_at: datetime | None = None
    established_at: datetime | None = None
