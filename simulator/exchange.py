"""The live state of the PBX: calls, their legs, and who is told of a change.

Every change goes through here: it renews the serialised participant, tells the feed, and writes the call log when a
leg ends. It decides nothing: what happens next is the business of scenarios and of actions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Protocol

from simulator.model import (
    NOBODY,
    Call,
    CallState,
    Conversation,
    Direction,
    DnRef,
    Leg,
    LegStatus,
    Participant,
    Party,
    Segment,
)
from simulator.wire import history_id, participant_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.numbering import Directory

_FIRST_PARTICIPANT = 5201


class LegGone(Exception):
    """The leg that a step wanted to change has ended meanwhile."""


class Feed(Protocol):
    """Told of every change, in order."""

    def upsert(self, leg: Leg) -> None: ...

    def remove(self, leg: Leg) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """How a DN comes into a call. With source and destination the leg is a row of the call log."""

    dn: str
    status: LegStatus
    party: Party
    originated_by: DnRef = NOBODY
    referred_by: DnRef = NOBODY
    on_behalf_of: DnRef = NOBODY
    source: Party | None = None
    destination: Party | None = None


class Exchange:
    """Calls and legs that exist now."""

    def __init__(self, directory: Directory, feed: Feed, *, now: Callable[[], float], first_call_number: int) -> None:
        self.directory = directory
        self.calls: dict[int, Call] = {}
        self.legs: dict[str, dict[int, Leg]] = {}
        self.on_segment_end: list[Callable[[Segment], None]] = []
        self.on_conversation_end: list[Callable[[Conversation], None]] = []
        self._feed = feed
        self._now = now
        self._call_numbers = count(first_call_number)
        self._participant_numbers = count(_FIRST_PARTICIPANT)
        self._records = count(1)

    def open_call(self, direction: Direction, *, outside: Party | None, caller: str) -> Call:
        callid, now = next(self._call_numbers), self._now()
        chid = history_id(now, callid)
        call = Call(
            callid=callid,
            history_id=chid,
            direction=direction,
            outside=outside,
            started_at=now,
            conversation=Conversation(history_id=chid),
            caller=caller,
            changed_at=now,
        )
        call.conversation.calls.append(call)
        self.calls[callid] = call
        return call

    def show(self, call: Call, state: CallState, *, callee: str | None = None, caller: str | None = None) -> None:
        """Change what ActiveCalls says of the call."""
        call.state = state
        call.changed_at = self._now()
        if callee is not None:
            call.callee = callee
        if caller is not None:
            call.caller = caller

    def enter(self, call: Call, entry: Entry) -> Leg:
        participant = self._participant(call, entry)
        segment = None
        if entry.source is not None and entry.destination is not None:
            segment = Segment(
                record=next(self._records),
                call=call,
                source=entry.source,
                destination=entry.destination,
                started_at=self._now(),
                answered_at=self._now() if entry.status is LegStatus.CONNECTED else None,
            )
            call.conversation.segments.append(segment)
        leg = Leg(participant, participant_body(participant), call, segment)
        call.legs[participant.id] = leg
        self.legs.setdefault(participant.dn, {})[participant.id] = leg
        self._feed.upsert(leg)
        return leg

    def connect(self, leg: Leg, *, party: Party | None = None) -> None:
        """The leg talks; `party` when the other side is shown differently from now on."""
        changed = replace(leg.participant, status=LegStatus.CONNECTED)
        self._renew(leg, _with_party(changed, party) if party is not None else changed)
        if leg.segment is not None and leg.segment.answered_at is None:
            leg.segment.answered_at = self._now()
        if leg.call.established_at is None:
            leg.call.established_at = self._now()

    def show_party(self, leg: Leg, party: Party, *, status: LegStatus | None = None) -> None:
        changed = _with_party(leg.participant, party)
        self._renew(leg, replace(changed, status=status) if status is not None else changed)

    def repeat(self, leg: Leg) -> None:
        """Tell of the leg again though nothing changed, as the PBX does now and then."""
        self._renew(leg, leg.participant)

    def move(self, leg: Leg, call: Call, *, party: Party, segment: Segment | None) -> None:
        """The same participant goes on in another call."""
        self._check(leg)
        leg.call.legs.pop(leg.participant.id)
        leg.call, leg.segment = call, segment
        call.legs[leg.participant.id] = leg
        moved = replace(leg.participant, callid=call.callid, legid=self._next_leg(call))
        self._renew(leg, _with_party(moved, party))

    def new_segment(self, call: Call, *, source: Party, destination: Party) -> Segment:
        """A row for somebody who talks from now on without having rung in this call."""
        now = self._now()
        record = next(self._records)
        made = Segment(
            record=record, call=call, source=source, destination=destination, started_at=now, answered_at=now
        )
        call.conversation.segments.append(made)
        return made

    def leave(self, leg: Leg, reason: str) -> None:
        """The leg ends; a leg that is gone already is no error."""
        identity = leg.participant.id
        if leg.call.legs.pop(identity, None) is None:
            return
        remaining = self.legs[leg.dn]
        remaining.pop(identity, None)
        if not remaining:
            del self.legs[leg.dn]
        self._feed.remove(leg)
        self.end_segment(leg.segment, reason)

    def end_segment(self, segment: Segment | None, reason: str) -> None:
        if segment is not None and segment.ended_at is None:
            segment.ended_at = self._now()
            segment.reason = reason
            for told in self.on_segment_end:
                told(segment)

    def join(self, kept: Call, absorbed: Call) -> None:
        """From now on both calls are one conversation, the one of `kept`."""
        if kept.conversation is absorbed.conversation:
            return
        into, gone = kept.conversation, absorbed.conversation
        into.calls.extend(gone.calls)
        into.segments.extend(gone.segments)
        into.ended.extend(gone.ended)
        for call in gone.calls:
            call.conversation = into

    def close(self, call: Call, reason: str) -> None:
        """The call is over. Its conversation is over with the last of its calls."""
        if call.over:
            return
        for leg in list(call.legs.values()):
            self.leave(leg, reason)
        call.over = True
        self.calls.pop(call.callid, None)
        conversation = call.conversation
        if all(other.over for other in conversation.calls):
            for told in self.on_conversation_end:
                told(conversation)
            for tell in conversation.ended:
                tell()
            conversation.ended.clear()

    def restart(self) -> None:
        """Everything that was live is gone, and the numbers start again."""
        for call in list(self.calls.values()):
            self.close(call, "Terminated by the system")
        self.legs.clear()
        self._call_numbers = count(1)
        self._participant_numbers = count(_FIRST_PARTICIPANT)

    def leg(self, dn: str, identity: int) -> Leg | None:
        return self.legs.get(dn, {}).get(identity)

    def _participant(self, call: Call, entry: Entry) -> Participant:
        dn = self.directory.by_number[entry.dn]
        party = entry.party
        return Participant(
            id=next(self._participant_numbers),
            status=entry.status,
            dn=entry.dn,
            party_caller_name=party.name,
            party_dn=party.dn,
            party_caller_id=party.number,
            party_did=party.did,
            device_id=dn.device_id,
            party_dn_type=party.kind,
            direct_control=False,
            originated_by_dn=entry.originated_by.dn,
            originated_by_type=entry.originated_by.kind,
            referred_by_dn=entry.referred_by.dn,
            referred_by_type=entry.referred_by.kind,
            on_behalf_of_dn=entry.on_behalf_of.dn,
            on_behalf_of_type=entry.on_behalf_of.kind,
            callid=call.callid,
            legid=self._next_leg(call),
        )

    def _next_leg(self, call: Call) -> int:
        number, call.next_leg = call.next_leg, call.next_leg + 1
        return number

    def _renew(self, leg: Leg, participant: Participant) -> None:
        self._check(leg)
        leg.participant = participant
        leg.body = participant_body(participant)
        self._feed.upsert(leg)

    def _check(self, leg: Leg) -> None:
        if leg.participant.id not in leg.call.legs:
            raise LegGone(leg.dn)


def _with_party(participant: Participant, party: Party) -> Participant:
    return replace(
        participant,
        party_caller_name=party.name,
        party_dn=party.dn,
        party_caller_id=party.number,
        party_did=party.did,
        party_dn_type=party.kind,
    )
