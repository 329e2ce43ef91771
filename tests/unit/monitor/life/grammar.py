"""When the events of a call form a sentence, and when two sentences say the same."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from switchhook.events import DnKind, EventType, event_id, is_final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from switchhook.events import Event


def by_call(events: Sequence[Event]) -> list[list[Event]]:
    """The events of each call by its id: what a PBX takes for one call may have been told as two."""
    calls: dict[str, list[Event]] = {}
    for event in events:
        calls.setdefault(event.call.id, []).append(event)
    return list(calls.values())


def faults(events: Sequence[Event]) -> list[str]:
    """What is wrong with the events of one call that is over; empty for a well-formed sentence."""
    found = [] if [one.sequence for one in events] == list(range(1, len(events) + 1)) else ["a gap in the sequence"]
    found += ["an id of another place" for one in events if one.id != event_id(one.pbx, one.call.id, one.sequence)]
    if any(later.occurred_at < one.occurred_at for one, later in itertools.pairwise(events)):
        found.append("a time that goes back")
    if [is_final(one) for one in events] != [False] * (len(events) - 1) + [True]:
        found.append("not exactly one final end, at the end")
    return found + _unpaired_rings(events) + _unpaired_talks(events)


def _unpaired_rings(events: Sequence[Event]) -> list[str]:
    ringing: Counter[str] = Counter()
    found = []
    for event in events:
        if event.type is EventType.RINGING:
            ringing[event.user] += 1
        elif event.type is EventType.RINGING_STOPPED:
            if not ringing[event.user]:
                found.append(f"{event.user} stops ringing and did not ring")
            ringing[event.user] = 0
    return found


def _unpaired_talks(events: Sequence[Event]) -> list[str]:
    found = []
    started: dict[int, Event] = {}
    ended: set[int] = set()
    for event in events:
        if event.type is EventType.STARTED:
            if event.link != len(started) + 1:
                found.append(f"link {event.link} after {len(started)}")
            started[event.link] = event
        elif event.type is EventType.ENDED and event.answered:
            begin = started.get(event.link)
            if begin is None or event.link in ended or begin.user != event.user:
                found.append(f"an end without its start: {event.user} link {event.link}")
            elif event.talk_time is None or event.talk_time.total_seconds() < 0:
                found.append(f"a talk of {event.talk_time}")
            ended.add(event.link)
        elif event.link != len(started):
            found.append(f"{event.type} of link {event.link} in link {len(started)}")
    return found + [f"link {link} never ends" for link in started if link not in ended]


def say_the_same(events: Sequence[Event], truth: Sequence[Event]) -> bool:
    """True when they say the same but for times and `reconciled`.

    When an extension stopped ringing is a matter of times; whether it did before the end, when nothing came after it,
    is one of which leg the PBX took away first, and of when it was asked. So is which of several phones began to ring
    before the others, and whose miss it is.
    """
    others = [place for place, one in enumerate(truth[:-1]) if one.type is not EventType.RINGING_STOPPED]
    at_the_end = _stops(truth[others[-1] :] if others else truth)
    needed = Counter(one.user for one in _stops(truth)) - Counter(one.user for one in at_the_end)
    possible = needed + Counter({one.user for one in truth if one.type is EventType.RINGING})
    stops = Counter(one.user for one in _stops(events))
    return _sentence(_told_as(events, truth)) == _sentence(truth) and needed <= stops <= possible


def _told_as(events: Sequence[Event], truth: Sequence[Event]) -> Sequence[Event]:
    """The call log may know the number of a call of software that nobody was shown."""
    if any(one.call.outside_number for one in truth):
        return events
    return [replace(one, call=replace(one.call, outside_number="")) for one in events]


def _stops(events: Sequence[Event]) -> list[Event]:
    return [one for one in events if one.type is EventType.RINGING_STOPPED]


def _sentence(events: Sequence[Event]) -> list[str]:
    sentence: list[str] = []
    rung: list[Event] = []
    for rings, group in itertools.groupby(
        (one for one in events if one.type is not EventType.RINGING_STOPPED), _is_ring
    ):
        ones = list(group)
        if rings:
            rung = ones
            sentence += sorted(line(one) for one in ones)
        else:
            sentence += [line(_by_all(one, rung)) for one in ones]
    return sentence


def _is_ring(event: Event) -> bool:
    return event.type is EventType.RINGING and event.user_kind is DnKind.EXTENSION


def _by_all(event: Event, rung: Sequence[Event]) -> Event:
    """A miss of one of the extensions that rang together is that of all of them."""
    users = sorted(one.user for one in rung)
    return replace(event, user="+".join(users)) if not event.answered and event.user in users else event


def talks(events: Sequence[Event]) -> list[str]:
    """Who talked, one after the other; how they had it from each other the log does not tell."""
    return [f"{one.user} {one.link}" for one in events if one.type is EventType.STARTED]


def line(event: Event) -> str:
    """One event in a few words, without its time."""
    words = [event.type.removeprefix("call."), event.user, event.user_kind, str(event.link), event.transfer]
    words += [event.call.outside_number, event.call.direction]
    words += ["answered"] * event.answered + ["transferred"] * event.transferred
    return " ".join(words)
