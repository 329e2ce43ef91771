"""What the admin API shows of a delivery, and what it hides."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest

from services.dispatcher.arrivals import call_key
from services.dispatcher.deliveries import Status
from services.dispatcher.log_documents import delivery_document
from services.dispatcher.logged import LoggedAttempt, LoggedDelivery
from services.dispatcher.selection import DeliveryId
from switchhook.events import EventType
from tests.unit.dispatcher.events import NOON, a_call, a_recording, an_event

NUMBERS = ("05552221133", "420222000320")


def logged(own: dict[str, object] | None = None) -> LoggedDelivery:
    """A dead delivery of a recording."""
    call = a_call(did="420222000320")
    event = an_event(EventType.RECORDING_READY, call=call, recording=a_recording(), talk_time=timedelta(seconds=6))
    return LoggedDelivery(
        number=1,
        id=DeliveryId(event.id, "crm"),
        call=call_key(event),
        sequence=1,
        event=None if own else event,
        own=own,
        state=Status.DEAD,
        attempts=1,
        replays=0,
        reason="server_error",
        accepted_at=NOON,
        due_at=None,
        settled_at=NOON,
        deadline_at=None,
    )


ATTEMPT = LoggedAttempt(
    number=1,
    started_at=NOON,
    duration=timedelta(milliseconds=12.5),
    status=500,
    outcome="retry",
    reason="server_error",
    answer="no customer 05552221133 at 420222000320",
    answer_bytes=39,
    address="127.0.0.1:80",
)


@pytest.mark.parametrize("numbers", [False, True])
def test_numbers_are_masked_unless_they_are_asked_for(numbers: bool) -> None:
    text = orjson.dumps(delivery_document(logged(), [ATTEMPT], numbers=numbers)).decode()
    assert [number in text for number in NUMBERS] == [numbers, numbers]
    assert "133" in text


def test_times_and_durations_are_plain() -> None:
    document = delivery_document(logged(), [ATTEMPT], numbers=False)
    assert document["accepted_at"] == "2023-03-07T12:00:00Z"
    assert document["event"]["talk_time"] == 6.0
    assert document["event"]["recording"]["files"][0]["size"] == 24_000
    assert document["attempt_log"][0]["duration_ms"] == 12.5


def test_an_event_of_switchhooks_own_is_shown_as_it_is() -> None:
    body: dict[str, object] = {"type": "delivery.dead", "data": {"endpoint": "crm"}}
    document = delivery_document(logged(body), [], numbers=False)
    assert (document["type"], document["event"]) == ("delivery.dead", body)
