"""The register of live calls: by number, by leg, and which of them changed since they were last taken out."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from itertools import islice
from typing import TYPE_CHECKING

from services.monitor.calls.history import CallKey
from services.monitor.calls.live import LiveCall, call_id
from services.monitor.calls.past import PastCall, PastCalls

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from services.monitor.calls.legs import Leg, LegKey

_TOMBSTONE_LIFE = timedelta(minutes=1)


class CallRegister:
    """Finds calls and legs; remembers removed legs for a minute, so that an older snapshot does not revive them.

    `past` are the calls that are over.
    """

    def __init__(self, pbx: str, timezone: tzinfo) -> None:
        self._pbx = pbx
        self._timezone = timezone
        self.past = PastCalls()
        self._by_number: dict[int, LiveCall] = {}
        self._by_leg: dict[LegKey, tuple[LiveCall, datetime]] = {}
        self._removed: dict[LegKey, datetime] = {}
        self._touched: dict[int, LiveCall] = {}
        self._consultations: dict[int, LiveCall] = {}
        self._vacant: dict[int, LiveCall] = {}
        self._by_talker: dict[str, dict[int, LiveCall]] = {}

    def __iter__(self) -> Iterator[LiveCall]:
        return iter({id(call): call for call in self._by_number.values()}.values())

    def __len__(self) -> int:
        """How many numbers live; a call that was joined has several."""
        return len(self._by_number)

    def begin(self, number: int, at: datetime) -> LiveCall:
        """A call that was not known."""
        call = LiveCall(
            id=call_id(at, number, self._timezone), pbx=self._pbx, numbers=[number], arrived_at=at, last_at=at
        )
        self._by_number[number] = call
        return self.touch(call)

    def restore(self, call: LiveCall, at: datetime) -> None:
        """A call that was kept; its legs count as last seen at `at`."""
        for number in call.numbers:
            self._by_number[number] = call
        for key in call.legs:
            self._by_leg[key] = (call, at)
        for talk in call.talks:
            self.talks(call, talk.user)
        if call.consults is not None:
            self._consultations[id(call)] = call
        if call.vacant_since is not None:
            self._vacant[id(call)] = call

    def by_number(self, number: int | None) -> LiveCall | None:
        """The call that has a runtime number, also one that it got by a join."""
        return None if number is None else self._by_number.get(number)

    def also_known_as(self, call: LiveCall, numbers: Iterable[int]) -> None:
        """Numbers that belong to this call from now on."""
        for number in numbers:
            self._by_number[number] = call
            if number not in call.numbers:
                call.numbers.append(number)

    def call_of(self, key: LegKey) -> LiveCall | None:
        """The call that a leg was last seen in."""
        known = self._by_leg.get(key)
        return known[0] if known else None

    def seen(self, leg: Leg, call: LiveCall, at: datetime) -> None:
        """A leg is in a call at this moment."""
        self._by_leg[leg.key] = (call, at)
        self._removed.pop(leg.key, None)

    def removed(self, key: LegKey, at: datetime) -> LiveCall | None:
        """A leg is gone; answers the call it was in."""
        self._removed[key] = at
        oldest = next(iter(self._removed.items()))
        while oldest[1] < at - _TOMBSTONE_LIFE:
            del self._removed[oldest[0]]
            oldest = next(iter(self._removed.items()))
        known = self._by_leg.pop(key, None)
        return known[0] if known else None

    def is_settled_since(self, key: LegKey, since: datetime) -> bool:
        """True when something was heard of the leg after `since`: a snapshot asked for then is older news."""
        known = self._by_leg.get(key)
        gone_at = self._removed.get(key)
        return (known is not None and known[1] >= since) or (gone_at is not None and gone_at >= since)

    def unsettled(self, since: datetime) -> Iterator[LiveCall]:
        """The calls with legs of none of which anything was heard after `since`."""
        for call in self:
            if call.legs and not any(self.is_settled_since(key, since) for key in call.legs):
                yield call

    def legs(self) -> list[LegKey]:
        """All legs that are known to live."""
        return list(self._by_leg)

    def leg(self, key: LegKey) -> Leg | None:
        """A leg as it was seen last; None when it is not known to live."""
        known = self._by_leg.get(key)
        return known[0].legs.get(key) if known else None

    def talks(self, call: LiveCall, user: str) -> None:
        """An extension talks in a call."""
        self._by_talker.setdefault(user, {})[id(call)] = call

    def calls_of(self, users: Iterable[str]) -> list[LiveCall]:
        """The live calls in which one of these extensions talks, or has talked."""
        found: dict[int, LiveCall] = {}
        for user in users:
            found |= self._by_talker.get(user, {})
        return list(found.values())

    def consults(self, consultation: LiveCall, outside: LiveCall | None) -> None:
        """The call is a consultation of another one, or is none any more."""
        consultation.consults = outside.numbers[0] if outside else None
        if outside is None:
            self._consultations.pop(id(consultation), None)
        else:
            self._consultations[id(consultation)] = consultation

    def consultations_of(self, call: LiveCall) -> list[LiveCall]:
        """The live consultations that were begun from a call."""
        return [one for one in self._consultations.values() if one.consults in call.numbers]

    def vacate(self, call: LiveCall, at: datetime) -> None:
        """The call has no legs; the PBX is to be asked whether it lives."""
        call.vacant_since = call.ask_at = at
        self._vacant[id(call)] = call

    def occupy(self, call: LiveCall) -> None:
        """The call has a leg."""
        call.vacant_since = call.ask_at = None
        call.is_vacated_in_gap = False
        self._vacant.pop(id(call), None)

    def vacant(self) -> list[LiveCall]:
        """The calls without legs."""
        return list(self._vacant.values())

    def forget(self, call: LiveCall, at: datetime) -> None:
        """The call is over since `at`."""
        for number in call.numbers:
            if self._by_number.get(number) is call:
                del self._by_number[number]
        self.over(call, at)
        for key in call.legs:
            self._by_leg.pop(key, None)
        for talk in call.talks:
            self._talks_no_more(call, talk.user)
        self._consultations.pop(id(call), None)
        self._vacant.pop(id(call), None)
        call.is_over = True
        self.touch(call)

    def over(self, call: LiveCall, at: datetime) -> None:
        """Remembers, under all its numbers, that the call is over since `at`."""
        for number in call.numbers:
            self.past.remember(PastCall(CallKey(call.arrived_at, number), max(call.last_at, at)))

    def touch(self, call: LiveCall) -> LiveCall:
        """The call's state is to be kept."""
        self._touched[id(call)] = call
        return call

    def touched(self) -> Collection[LiveCall]:
        """The calls that `take` would give."""
        return self._touched.values()

    def take(self, most: int | None = None) -> list[LiveCall]:
        """The calls that changed since the last time, or the first `most` of them."""
        taken = list(islice(self._touched.values(), most))
        for call in taken:
            del self._touched[id(call)]
        return taken

    def _talks_no_more(self, call: LiveCall, user: str) -> None:
        calls = self._by_talker.get(user)
        if calls is not None:
            calls.pop(id(call), None)
            if not calls:
                del self._by_talker[user]
