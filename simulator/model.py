"""The nouns of the PBX: participant, leg, segment, call, conversation. No behaviour beyond keeping facts together.

A participant is what the interface shows of a leg, frozen, so that it is serialised once per change. A segment is
one row of the call log. A conversation is what `MainCallHistoryId` groups: one call, or several that were joined.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from simulator.numbering import DnKind

if TYPE_CHECKING:
    from collections.abc import Callable


class LegStatus(StrEnum):
    DIALING = "Dialing"
    RINGING = "Ringing"
    CONNECTED = "Connected"
    UNKNOWN = "Beaming"
    """Not among the vendor's constants: what a later version might say."""


class CallState(StrEnum):
    INITIATING = "Initiating"
    ROUTING = "Routing"
    TALKING = "Talking"
    TRANSFERRING = "Transferring"
    REROUTING = "Rerouting"


class Direction(StrEnum):
    INBOUND = "Inbound"
    OUTBOUND = "Outbound"
    INTERNAL = "Internal"


@dataclass(frozen=True, slots=True)
class DnRef:
    """A DN beside its class, the way the interface pairs them."""

    dn: str = ""
    kind: DnKind = DnKind.NONE


NOBODY = DnRef()


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Somebody on the other side of a leg. For an outside party `dn` is the trunk."""

    dn: str
    kind: DnKind
    number: str
    name: str = ""
    did: str = ""

    @property
    def outside(self) -> bool:
        return self.kind is DnKind.TRUNK


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """One object of /callcontrol/{dn}/participants; the fields and their order are those of the interface."""

    id: int
    status: LegStatus
    dn: str
    party_caller_name: str
    party_dn: str
    party_caller_id: str
    party_did: str
    device_id: str
    party_dn_type: DnKind
    direct_control: bool
    originated_by_dn: str
    originated_by_type: DnKind
    referred_by_dn: str
    referred_by_type: DnKind
    on_behalf_of_dn: str
    on_behalf_of_type: DnKind
    callid: int
    legid: int


@dataclass(slots=True, kw_only=True)
class Segment:
    """One row of the call log, visible once `ended_at` is set. Times are epoch seconds."""

    record: int
    call: Call
    source: Party
    destination: Party
    started_at: float
    answered_at: float | None = None
    ended_at: float | None = None
    reason: str = ""
    recording_ids: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Leg:
    """A live participant, its serialised form and the call it is in."""

    participant: Participant
    body: bytes
    call: Call
    segment: Segment | None

    @property
    def dn(self) -> str:
        return self.participant.dn


@dataclass(slots=True, kw_only=True)
class Conversation:
    """All calls that were joined into one."""

    history_id: str
    calls: list[Call] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    ended: list[Callable[[], None]] = field(default_factory=list)
    """Called once, when the last of the calls is over."""


@dataclass(slots=True, kw_only=True)
class Call:
    """One run-time call. `outside` is None for an internal one. Times are epoch seconds."""

    callid: int
    history_id: str
    direction: Direction
    outside: Party | None
    started_at: float
    conversation: Conversation
    caller: str = ""
    callee: str = ""
    state: CallState = CallState.INITIATING
    established_at: float | None = None
    changed_at: float = 0.0
    legs: dict[int, Leg] = field(default_factory=dict)
    next_leg: int = 2
    """Leg 1 is the one towards the caller, which no client sees."""
    speed: float = 1.0
    over: bool = False
    hidden: bool = False
    """No client is shown its legs, nor that it lives; the call log has it."""
    halt: Callable[[Call], None] | None = None
    """Stops whoever drives the call, so that somebody else can; the argument is the call that is taken over."""
