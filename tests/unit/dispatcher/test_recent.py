"""Recent events: remembered within bounds, and decoded again when they are forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.dispatcher.arrivals import call_key
from services.dispatcher.deliveries import Head
from services.dispatcher.recent import RecentEvents
from switchhook.errors import CodecError
from switchhook.rpc.codec import encode
from tests.unit.dispatcher.events import an_event

if TYPE_CHECKING:
    from switchhook.events import Event


def head_of(number: int, event: Event, payload: bytes) -> Head:
    return Head(event=number, call=call_key(event), sequence=1, attempts=0, event_id=event.id, payload=payload)


def test_what_was_kept_is_not_decoded_again() -> None:
    event, recent = an_event(), RecentEvents()
    recent.keep(7, event, size=10)
    assert recent.of(head_of(7, event, b"unreadable")) is event


def test_what_was_not_kept_is_decoded() -> None:
    event = an_event()
    assert RecentEvents().of(head_of(7, event, encode(event))) == event
    with pytest.raises(CodecError):
        RecentEvents().of(head_of(7, event, b"unreadable"))


def test_the_oldest_are_forgotten_when_the_payloads_get_too_large() -> None:
    event, recent = an_event(), RecentEvents(limit=100)
    for number, size in ((1, 60), (2, 30), (3, 30)):
        recent.keep(number, event, size=size)
        recent.keep(number, event, size=size)  # told twice, counted once
    with pytest.raises(CodecError):
        recent.of(head_of(1, event, b"unreadable"))
    for number in (2, 3):
        assert recent.of(head_of(number, event, b"unreadable")) is event
    recent.keep(4, event, size=101)
    for number in (2, 3, 4):
        with pytest.raises(CodecError):
            recent.of(head_of(number, event, b"unreadable"))
