"""The vocabulary: what can be said about a call, as immutable values.

An `Event` is one fact about one call and carries the call so far. Its id is derived from the call and its place in the
call's sequence, so that a fact that is told twice has the same id both times. Times are aware and in UTC; nothing here
does IO or knows a wire format.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NewType

if TYPE_CHECKING:
    from datetime import datetime, timedelta

EventId = NewType("EventId", str)
CallId = NewType("CallId", str)


class EventType(StrEnum):
    """Dotted names, as the new webhook formats publish them."""

    RINGING = "call.ringing"
    DIALING = "call.dialing"
    STARTED = "call.started"
    RINGING_STOPPED = "call.ringing_stopped"
    ENDED = "call.ended"
    COMPLETED = "call.completed"
    RECORDING_READY = "recording.ready"
    RECORDING_ABSENT = "recording.absent"
    RECORDING_FAILED = "recording.failed"


class Direction(StrEnum):
    """Decided by the first leg that shows the outside party; `INTERNAL` when there is none."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    INTERNAL = "internal"


class DnKind(StrEnum):
    """What stands behind a directory number."""

    EXTENSION = "extension"
    QUEUE = "queue"
    IVR = "ivr"
    RING_GROUP = "ring_group"
    VOICEMAIL = "voicemail"
    ROUTE_POINT = "route_point"
    TRUNK = "trunk"
    UNKNOWN = "unknown"


class Transfer(StrEnum):
    """How a conversation was handed from one extension to another."""

    NONE = "none"
    BLIND = "blind"
    ATTENDED = "attended"


class Origin(StrEnum):
    """Who started the call: a person, or software through the PBX's MakeCall."""

    PERSON = "person"
    MAKECALL = "makecall"


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """A DN's part in the call; `answered_at` is None when it never did, `left_at` while it is there."""

    dn: str
    kind: DnKind
    joined_at: datetime
    answered_at: datetime | None = None
    left_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One conversation of an extension with the outside party, numbered from 1."""

    number: int
    user: str
    transfer: Transfer
    started_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The call as far as it was known at the moment of an event.

    `numbers` are the PBX's runtime numbers of it: the one in its id first, then those of calls that were joined to it.
    """

    id: CallId
    numbers: tuple[int, ...]
    direction: Direction
    outside_number: str
    did: str
    arrived_at: datetime
    origin: Origin = Origin.PERSON
    participants: tuple[Participant, ...] = ()
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFile:
    """One MP3 of a link; `path` is the path of its public address, `size` in bytes, `index` counts from 1."""

    index: int
    path: str
    duration: timedelta
    size: int
    sha256: str
    channels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """The files of one link and the end of their retention; or none of them, and the reason."""

    files: tuple[RecordingFile, ...] = ()
    expires_at: datetime | None = None
    reason: str = ""


class SummarySource(StrEnum):
    """Where the figures of a completed call are from: the PBX's own record, or what was seen of it while it lived."""

    CALL_LOG = "call_log"
    OWN_CLOCK = "own_clock"


class EndedBy(StrEnum):
    """Who hung up."""

    OUTSIDE = "outside"
    EXTENSION = "extension"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """A transfer that was answered: the link that it began, who answered, and how the call was handed on."""

    link: int
    user: str
    transfer: Transfer


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The figures of a whole call.

    `ringing` is how long phones rang before the first answer, `waiting` the time in queues and IVRs, where agents may
    ring, `talking` the sum over all links. `ended_by_user` is the extension that hung up, `queue` the last one that the
    call was in. `unanswered` are the extensions that rang and never talked, `recording_ids` the PBX's own.
    """

    source: SummarySource
    ringing: timedelta
    waiting: timedelta
    talking: timedelta
    ended_by: EndedBy = EndedBy.UNKNOWN
    ended_by_user: str = ""
    transfers: tuple[Handover, ...] = ()
    did: str = ""
    queue: str = ""
    unanswered: tuple[str, ...] = ()
    recording_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One fact about a call.

    `transfer` of a started event says how the user received the call, of an ended one how the user handed it on;
    `transferred` says that the call went on elsewhere. `talk_time` is None where nobody talked. `occurred_at` is the
    moment of the fact and never goes back within a call; `observed_at` is when the PBX's word of it arrived.
    A recording event repeats `user`, `answered`, `transferred` and `talk_time` of the end of its link, a completed one
    those of the final end. `completion_follows` of a final end keeps the next place in the sequence for the completed
    event; after ends that an older version told there is none.
    """

    id: EventId
    type: EventType
    pbx: str
    call: Call
    link: int
    sequence: int
    occurred_at: datetime
    observed_at: datetime
    user: str = ""
    user_kind: DnKind = DnKind.UNKNOWN
    transfer: Transfer = Transfer.NONE
    transferred: bool = False
    answered: bool = False
    talk_time: timedelta | None = None
    callback_requested: bool = False
    reconciled: bool = False
    recording: Recording | None = None
    summary: Summary | None = None
    completion_follows: bool = False
    traceparent: str = ""


def event_id(pbx: str, call_id: CallId, sequence: int) -> EventId:
    """The id of a call's `sequence`-th event; free of full stops, which separate the parts of a signed content."""
    return EventId(f"{pbx}-{call_id}-{sequence}".replace(".", "_"))


def public_id(event: Event) -> str:
    """`<call id>-<link>`: the id that webhooks and recording links carry."""
    return f"{event.call.id}-{event.link}"


def is_final(event: Event) -> bool:
    """True for the one end event after which the call is over."""
    return event.type is EventType.ENDED and not event.transferred
