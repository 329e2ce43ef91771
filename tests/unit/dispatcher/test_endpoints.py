"""Which events make a delivery for an endpoint."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.dispatcher.endpoints import Endpoint, EventClass, Format, deadline_of, wants, wire_url
from switchhook.events import Direction, EventType, Transfer
from switchhook.settings import DispatcherSettings, EndpointSettings
from tests.unit.dispatcher.events import a_call, an_event

RENDERED = {
    EventType.RINGING: EventClass.RINGING,
    EventType.DIALING: EventClass.DIALING,
    EventType.STARTED: EventClass.STARTED,
    EventType.ENDED: EventClass.ENDED,
    EventType.RECORDING_READY: EventClass.RECORDING,
}


def endpoint(**changes: Any) -> Endpoint:
    return Endpoint(name="crm", url="http://crm.test/", format=Format.POST, **changes)


@pytest.mark.parametrize("type", list(EventType))
def test_only_types_that_the_formats_know_make_a_delivery(type: EventType) -> None:
    assert wants(endpoint(), an_event(type)) is (type in RENDERED)


@pytest.mark.parametrize("type", list(RENDERED))
def test_an_endpoint_gets_only_the_classes_it_asked_for(type: EventType) -> None:
    chosen = RENDERED[type]

    assert wants(endpoint(events=frozenset({chosen})), an_event(type))
    assert not wants(endpoint(events=frozenset(EventClass) - {chosen}), an_event(type))


@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        ({"pbx": frozenset({"main", "other"})}, True),
        ({"pbx": frozenset({"other"})}, False),
        ({"users": frozenset({"202"})}, True),
        ({"users": frozenset({"203"})}, False),
        ({"dids": frozenset({"sales"})}, True),
        ({"dids": frozenset({"support"})}, False),
        ({"directions": frozenset({"inbound"})}, True),
        ({"directions": frozenset({"outbound", "internal"})}, False),
        ({"users": frozenset({"202"}), "dids": frozenset({"support"})}, False),
    ],
)
def test_every_filter_must_let_the_event_through(filters: dict[str, frozenset[str]], passes: bool) -> None:
    assert wants(endpoint(**filters), an_event(call=a_call(did="sales"))) is passes


def test_the_transferors_end_of_a_blind_transfer_is_left_out_unless_asked_for() -> None:
    event = an_event(EventType.ENDED, transferred=True, transfer=Transfer.BLIND)

    assert not wants(endpoint(), event)
    assert wants(endpoint(blind_transfer_end=True), event)


@pytest.mark.parametrize(
    ("transferred", "transfer"), [(True, Transfer.ATTENDED), (False, Transfer.BLIND), (False, Transfer.NONE)]
)
def test_every_other_end_is_sent(transferred: bool, transfer: Transfer) -> None:
    assert wants(endpoint(), an_event(EventType.ENDED, transferred=transferred, transfer=transfer))


def test_an_endpoint_takes_from_the_dispatcher_what_it_leaves_out() -> None:
    defaults = DispatcherSettings()
    made = Endpoint.from_settings(EndpointSettings(name="crm", url="http://crm.test/h", format="get"), defaults)

    assert (made.schedule, made.timeout) == (defaults.retry_schedule, defaults.timeout)
    assert made.events == frozenset(EventClass)


def test_an_endpoint_overrides_the_dispatcher() -> None:
    settings = EndpointSettings.model_validate(
        {
            "name": "crm",
            "url": "http://crm.test/a%20b?x=ü#part",
            "recording_url": "http://crm.test/files",
            "format": "post",
            "events": ["ended"],
            "directions": ["outbound"],
            "headers": {"Authorization": "Bearer secret"},
            "retry_schedule": [],
            "timeout": "3s",
        }
    )

    made = Endpoint.from_settings(settings, DispatcherSettings())

    assert made.url == "http://crm.test/a%20b?x=%C3%BC"
    assert made.recording_url == "http://crm.test/files"
    assert made.events == {EventClass.ENDED}
    assert made.directions == {Direction.OUTBOUND}
    assert made.headers == {"Authorization": "Bearer secret"}
    assert (made.schedule, made.timeout) == ((), timedelta(seconds=3))
    assert "secret" not in repr(made)


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("http://crm.test", "http://crm.test/"),
        ("http://crm.test:8080/a?sig=a%2Fb+c%2B#top", "http://crm.test:8080/a?sig=a%2Fb+c%2B"),
        ("http://bücher.test/ä?ö=ü", "http://xn--bcher-kva.test/%C3%A4?%C3%B6=%C3%BC"),
        ("http://[::1]:80/?a=b?c", "http://[::1]:80/?a=b?c"),
    ],
)
def test_an_address_is_encoded_only_where_it_must_be(written: str, sent: str) -> None:
    assert wire_url(written) == sent


def test_a_time_near_the_end_of_all_time_has_no_deadline() -> None:
    """A PBX may tell 9999-12-31: the event must not end the intake."""
    minute = endpoint(deadlines={EventClass.RINGING: timedelta(minutes=1)})
    known = an_event(EventType.RINGING)
    assert deadline_of(minute, known) == known.occurred_at + timedelta(minutes=1)
    assert deadline_of(minute, replace(known, occurred_at=datetime.max.replace(tzinfo=UTC))) is None
