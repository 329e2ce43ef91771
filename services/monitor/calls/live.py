"""One live call: what is known of it, and the events that were said about it.

Owns the call's sequence and its clock: an event's moment never goes back within a call. It decides nothing: the rules
are in the modules beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from switchhook.events import (
    Call,
    CallId,
    Direction,
    DnKind,
    Event,
    EventType,
    Link,
    Origin,
    Participant,
    Transfer,
    event_id,
)

if TYPE_CHECKING:
    from datetime import datetime, timedelta, tzinfo

    from services.monitor.calls.legs import Leg, LegKey


MOST_PARTICIPANTS = 500
"""Every event carries them. Beyond, the oldest that left without an answer is forgotten, but for the first of all."""


@dataclass(slots=True, kw_only=True)
class Talk:
    """A link in the making; `left_at` is when its extension left, `is_told` once its end event was said."""

    number: int
    user: str
    transfer: Transfer
    started_at: datetime
    left_at: datetime | None = None
    is_told: bool = False

    def leave(self, at: datetime) -> None:
        """Its extension is gone, if it was not before; what is looked up later may say that it was before the start."""
        self.left_at = self.left_at or max(at, self.started_at)


@dataclass(slots=True, kw_only=True)
class LiveCall:
    """`direction` is None until a leg shows the outside party; `place` is the IVR or queue it was last reported at.

    `consults` is the number of the outside call that an extension left waiting to make this one; `consulted` are the
    colleagues who were called so from this call, and whether they answered. `stopped` is the extension that stopped
    ringing as long as the call may be over with that. `vacant_since` is when the last leg went; `ask_at` when the PBX
    is to be asked whether the call still lives. `is_found_late`: it was there when a gap ended, and had arrived before.
    """

    id: CallId
    pbx: str
    numbers: list[int]
    arrived_at: datetime
    last_at: datetime
    direction: Direction | None = None
    outside_number: str = ""
    did: str = ""
    origin: Origin = Origin.PERSON
    legs: dict[LegKey, Leg] = field(default_factory=dict)
    participants: list[Participant] = field(default_factory=list)
    talks: list[Talk] = field(default_factory=list)
    dialler: str = ""
    is_dialled: bool = False
    place: str = ""
    queue: str = ""
    ivr: str = ""
    last_rung: str = ""
    stopped: str = ""
    consults: int | None = None
    consulted: dict[str, bool] = field(default_factory=dict)
    sequence: int = 0
    vacant_since: datetime | None = None
    ask_at: datetime | None = None
    is_found_late: bool = False
    is_vacated_in_gap: bool = False
    is_over: bool = False
    reconciled: bool = False
    said: list[Event] = field(default_factory=list)

    @property
    def link(self) -> int:
        """The current link: 0 until somebody answered."""
        return len(self.talks)

    def open_talk(self, user: str) -> Talk | None:
        """The conversation that an extension has not left."""
        return next((talk for talk in reversed(self.talks) if talk.user == user and talk.left_at is None), None)

    def untold_talk(self, user: str) -> Talk | None:
        """The conversation of an extension whose end was not said; it may have left."""
        return next((talk for talk in reversed(self.talks) if talk.user == user and not talk.is_told), None)

    def is_present(self, dn: str) -> bool:
        """True while a DN takes part."""
        return any(one.dn == dn and one.left_at is None for one in self.participants)

    def joined(self, dn: str, kind: DnKind, at: datetime) -> None:
        """A DN takes part from now on; again, if it had left."""
        if self.is_present(dn):
            return
        self.participants.append(Participant(dn=dn, kind=kind, joined_at=at))
        if len(self.participants) > MOST_PARTICIPANTS:
            gone = (one for one in self.participants[1:] if one.left_at is not None and one.answered_at is None)
            if (oldest := next(gone, None)) is not None:
                self.participants.remove(oldest)

    def answered(self, dn: str, at: datetime) -> None:
        """A DN's part is a conversation from now on."""
        self._amend(dn, answered_at=at)

    def left(self, dn: str, at: datetime) -> None:
        """A DN takes no part any more."""
        self._amend(dn, left_at=at)

    def _amend(self, dn: str, *, answered_at: datetime | None = None, left_at: datetime | None = None) -> None:
        for index in range(len(self.participants) - 1, -1, -1):
            one = self.participants[index]
            if one.dn == dn and one.left_at is None:
                self.participants[index] = replace(one, answered_at=one.answered_at or answered_at, left_at=left_at)
                return

    def so_far(self) -> Call:
        """The call as an event carries it."""
        return Call(
            id=self.id,
            numbers=tuple(self.numbers),
            direction=self.direction or Direction.INTERNAL,
            outside_number=self.outside_number,
            did=self.did,
            arrived_at=self.arrived_at,
            origin=self.origin,
            participants=tuple(self.participants),
            links=tuple(
                Link(
                    number=talk.number,
                    user=talk.user,
                    transfer=talk.transfer,
                    started_at=talk.started_at,
                    ended_at=talk.left_at,
                )
                for talk in self.talks
            ),
        )

    def say(
        self,
        kind: EventType,
        at: datetime,
        *,
        user: str,
        user_kind: DnKind = DnKind.EXTENSION,
        talk: Talk | None = None,
        transfer: Transfer = Transfer.NONE,
        transferred: bool = False,
    ) -> None:
        """Adds the next event of the call; `talk` is the conversation it is about, if any."""
        self.sequence += 1
        self.last_at = max(at, self.last_at)
        talk_time: timedelta | None = None
        if talk is not None and kind is EventType.ENDED:
            talk_time = (talk.left_at or self.last_at) - talk.started_at
        self.said.append(
            Event(
                id=event_id(self.pbx, self.id, self.sequence),
                type=kind,
                pbx=self.pbx,
                call=self.so_far(),
                link=self.link if talk is None else talk.number,
                sequence=self.sequence,
                occurred_at=self.last_at,
                observed_at=at,
                user=user,
                user_kind=user_kind,
                transfer=transfer,
                transferred=transferred,
                answered=talk is not None,
                talk_time=talk_time,
                reconciled=self.reconciled,
                completion_follows=kind is EventType.ENDED and not transferred,
            )
        )


def call_id(arrived_at: datetime, number: int, timezone: tzinfo) -> CallId:
    """`<YYMMDDHHMMSS>_<n>`: the PBX's local time of arrival and its runtime number of the call."""
    return CallId(f"{arrived_at.astimezone(timezone):%y%m%d%H%M%S}_{number}")
