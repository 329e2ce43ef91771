"""The formats `standard` and `cloudevents`: all that is known, under names that stay."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from services.dispatcher.endpoints import ContentMode, Endpoint, Format, gets, wants
from services.dispatcher.formats import HttpRequest, render
from services.dispatcher.samples import AT, awkward_events, sample_events
from switchhook.events import (
    Direction,
    EndedBy,
    Event,
    EventType,
    Handover,
    Link,
    Summary,
    SummarySource,
    Transfer,
)
from tests.unit.dispatcher.events import NOON, a_call, a_recording, an_event

URL = "https://crm.test/hooks"
DATA = {
    "id", "pbx", "call", "sequence", "occurred_at", "user", "user_kind", "transfer", "transferred", "answered",
    "talk_seconds", "callback_requested", "reconciled", "recording", "summary",
}  # fmt: skip
CALL = {
    "id", "link", "public_id", "numbers", "direction", "outside_number", "did", "origin", "arrived_at", "participants",
    "links",
}  # fmt: skip


def endpoint(format: Format = Format.STANDARD, **changes: Any) -> Endpoint:
    return Endpoint(name="crm", url=URL, format=format, **changes)


def link(path: str, *, pbx: str, recipient: str, expires_at: object) -> str:
    return f"https://files.test{path}?pbx={pbx}&to={recipient}"


def rendered(event: Event, **changes: Any) -> HttpRequest:
    return render(event, endpoint(**changes), link)


def body(event: Event, **changes: Any) -> dict[str, Any]:
    request = rendered(event, **changes)
    assert request.body is not None
    parsed: dict[str, Any] = orjson.loads(request.body)
    return parsed


@pytest.mark.parametrize("event", [*sample_events(), *awkward_events()], ids=lambda event: str(event.type))
def test_every_event_has_every_name_whatever_is_unknown(event: Event) -> None:
    said = body(event)

    assert list(said) == ["type", "timestamp", "data"]
    assert (said["type"], said["timestamp"]) == (event.type.value, said["data"]["occurred_at"])
    assert set(said["data"]) == DATA
    assert set(said["data"]["call"]) == CALL


def test_every_type_has_a_sample() -> None:
    assert [event.type for event in sample_events()] == list(dict.fromkeys(event.type for event in sample_events()))
    assert {event.type for event in sample_events()} == set(EventType)


def test_the_samples_of_another_pbx_and_time_have_ids_of_their_own() -> None:
    first, second = sample_events(), sample_events(pbx="other", at=AT + timedelta(days=1))

    assert not {event.id for event in first} & {event.id for event in second}
    assert {event.pbx for event in second} == {"other"}


def test_the_request_is_a_post_of_json() -> None:
    request = rendered(an_event())

    assert (request.method, request.url, request.headers) == ("POST", URL, {"content-type": "application/json"})


def test_an_end_says_all_that_is_known() -> None:
    call = a_call(
        did="Sales",
        numbers=(10, 12),
        links=(Link(number=1, user="202", transfer=Transfer.BLIND, started_at=NOON, ended_at=NOON),),
    )
    event = an_event(
        EventType.ENDED,
        sequence=4,
        call=call,
        link=1,
        answered=True,
        transferred=True,
        transfer=Transfer.ATTENDED,
        talk_time=timedelta(seconds=6, milliseconds=125),
        reconciled=True,
    )

    assert body(event)["data"] == {
        "id": "main-230307114903_10-4",
        "pbx": "main",
        "call": {
            "id": "230307114903_10",
            "link": 1,
            "public_id": "230307114903_10-1",
            "numbers": [10, 12],
            "direction": "inbound",
            "outside_number": "05552221133",
            "did": "Sales",
            "origin": "person",
            "arrived_at": "2023-03-07T12:00:00.000Z",
            "participants": [],
            "links": [
                {
                    "number": 1,
                    "user": "202",
                    "transfer": "blind",
                    "started_at": "2023-03-07T12:00:00.000Z",
                    "ended_at": "2023-03-07T12:00:00.000Z",
                }
            ],
        },
        "sequence": 4,
        "occurred_at": "2023-03-07T12:00:00.000Z",
        "user": "202",
        "user_kind": "extension",
        "transfer": "attended",
        "transferred": True,
        "answered": True,
        "talk_seconds": 6.125,
        "callback_requested": False,
        "reconciled": True,
        "recording": None,
        "summary": None,
    }


def test_what_is_unknown_is_null() -> None:
    data = body(an_event(user="", call=a_call(did="", outside_number="")))["data"]

    assert (data["user"], data["user_kind"], data["transfer"], data["talk_seconds"]) == (None, None, None, None)
    assert (data["call"]["did"], data["call"]["outside_number"]) == (None, None)


def test_a_recording_has_links_made_for_this_endpoint_and_may_go_elsewhere() -> None:
    event = an_event(EventType.RECORDING_READY, link=1, recording=a_recording(files=2))
    elsewhere = "https://crm.test/files"

    recording = body(event)["data"]["recording"]

    assert [file["url"] for file in recording["files"]] == [
        f"https://files.test/webapi/recording/230307114903_10-1-{index}.mp3?pbx=main&to=crm" for index in (1, 2)
    ]
    assert recording["files"][0] | {"url": ""} == {
        "index": 1, "url": "", "seconds": 6.0, "bytes": 24_000, "sha256": "0" * 64, "channels": 1,
    }  # fmt: skip
    assert (recording["expires_at"], recording["reason"]) == ("2023-06-05T12:00:00.000Z", None)
    assert rendered(event, recording_url=elsewhere).url == elsewhere
    assert rendered(an_event(), recording_url=elsewhere).url == URL


@pytest.mark.parametrize("kind", [EventType.RECORDING_ABSENT, EventType.RECORDING_FAILED])
def test_a_recording_that_does_not_come_says_why(kind: EventType) -> None:
    event = an_event(kind, link=1, recording=replace(a_recording(files=0), expires_at=None, reason="no file"))

    assert body(event)["data"]["recording"] == {"files": [], "expires_at": None, "reason": "no file"}


def test_a_completed_call_has_its_figures() -> None:
    summary = Summary(
        source=SummarySource.CALL_LOG,
        ringing=timedelta(seconds=7.25),
        waiting=timedelta(seconds=9.5),
        talking=timedelta(minutes=2),
        ended_by=EndedBy.EXTENSION,
        ended_by_user="204",
        transfers=(Handover(link=2, user="204", transfer=Transfer.BLIND),),
        did="Sales",
        queue="820",
        unanswered=("117",),
        recording_ids=(4711, 4712),
    )

    assert body(an_event(EventType.COMPLETED, summary=summary))["data"]["summary"] == {
        "source": "call_log",
        "ringing_seconds": 7.25,
        "waiting_seconds": 9.5,
        "talking_seconds": 120.0,
        "ended_by": "extension",
        "ended_by_user": "204",
        "transfers": [{"link": 2, "user": "204", "transfer": "blind"}],
        "did": "Sales",
        "queue": "820",
        "unanswered": ["117"],
        "recording_ids": [4711, 4712],
    }


@pytest.mark.parametrize("format", [Format.STANDARD, Format.CLOUDEVENTS, Format.TEMPLATE])
def test_the_new_formats_get_every_type_and_every_end(format: Format) -> None:
    assert all(gets(endpoint(format), kind) for kind in EventType)
    assert wants(endpoint(format), an_event(EventType.ENDED, transferred=True, transfer=Transfer.BLIND))


@pytest.mark.parametrize("format", [Format.GET, Format.POST])
def test_the_old_formats_have_no_word_for_the_new_types(format: Format) -> None:
    event = an_event(EventType.COMPLETED, call=a_call(direction=Direction.INBOUND))

    assert not wants(endpoint(format), event)
    with pytest.raises(ValueError, match="no word for"):
        render(event, endpoint(format), link)


class TestCloudEvents:
    """Both content modes say the same."""

    EVENT = an_event(EventType.STARTED, link=1, traceparent="00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
    ATTRIBUTES = {  # noqa: RUF012 - never changed
        "specversion": "1.0",
        "id": EVENT.id,
        "source": "/switchhook/pbx/main",
        "type": "io.switchhook.call.started",
        "subject": "230307114903_10",
        "time": "2023-03-07T12:00:00.000Z",
        "traceparent": EVENT.traceparent,
    }

    def test_structured(self) -> None:
        request = rendered(self.EVENT, format=Format.CLOUDEVENTS)

        assert request.headers == {"content-type": "application/cloudevents+json"}
        assert body(self.EVENT, format=Format.CLOUDEVENTS) == self.ATTRIBUTES | {
            "datacontenttype": "application/json",
            "data": body(self.EVENT)["data"],
        }

    def test_binary(self) -> None:
        binary = {"format": Format.CLOUDEVENTS, "content_mode": ContentMode.BINARY}

        assert rendered(self.EVENT, **binary).headers == {"content-type": "application/json"} | {
            f"ce-{name}": value for name, value in self.ATTRIBUTES.items()
        }
        assert body(self.EVENT, **binary) == body(self.EVENT)["data"]

    def test_without_a_trace_there_is_no_traceparent(self) -> None:
        assert "traceparent" not in body(an_event(), format=Format.CLOUDEVENTS)
