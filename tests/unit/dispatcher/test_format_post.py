"""The format `post`, word for word as documented."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from services.dispatcher.endpoints import Endpoint, Format
from services.dispatcher.formats import HttpRequest, render
from switchhook.events import Direction, DnKind, Event, EventType, Origin
from tests.unit.dispatcher.documented import BASE, Documented, documented_posts
from tests.unit.dispatcher.events import CALL_ID, NOON, a_call, a_recording, an_event


def open_links(path: str, **_: object) -> str:
    return BASE + path


def rendered(event: Event, **changes: Any) -> HttpRequest:
    endpoint = Endpoint(name="crm", url="http://crm.test/hooks", format=Format.POST, **changes)
    return render(event, endpoint, open_links)


def body(event: Event, **changes: Any) -> dict[str, Any]:
    parsed = orjson.loads(rendered(event, **changes).body or b"")
    assert isinstance(parsed, dict)
    return parsed


@pytest.mark.parametrize("documented", documented_posts(), ids=lambda each: each.where)
def test_every_documented_body_comes_out_key_by_key(documented: Documented) -> None:
    request = rendered(documented.event)

    assert request.body == orjson.dumps(documented.text)
    assert (request.method, request.url) == ("POST", "http://crm.test/hooks")
    assert request.headers == {"content-type": "application/json"}


def test_the_contract_has_all_its_scenarios() -> None:
    assert len(documented_posts()) == 59


@pytest.mark.parametrize(
    ("talk_time", "duration"),
    [
        (timedelta(0), "00:00"),
        (timedelta(seconds=5.49), "00:05"),
        (timedelta(seconds=5.5), "00:06"),
        (timedelta(seconds=5.98), "00:06"),
        (timedelta(seconds=6.4), "00:06"),
        (timedelta(minutes=59, seconds=59.4), "59:59"),
        (timedelta(minutes=59, seconds=59.5), "01:00:00"),
        (timedelta(hours=27, minutes=1, seconds=2), "27:01:02"),
        (timedelta(seconds=-1), "00:00"),
    ],
)
def test_duration_is_rounded_to_the_nearest_second_and_grows_hours(talk_time: timedelta, duration: str) -> None:
    assert body(an_event(EventType.ENDED, answered=True, talk_time=talk_time))["Duration"] == duration


def test_a_missed_call_has_an_empty_duration_even_if_a_time_is_known() -> None:
    ended = an_event(EventType.ENDED, answered=False, talk_time=timedelta(seconds=9))

    assert body(ended)["Duration"] == ""


@pytest.mark.parametrize(
    ("kind", "user_type"),
    [
        (DnKind.EXTENSION, "ext"),
        (DnKind.QUEUE, "queue"),
        (DnKind.IVR, "other"),
        (DnKind.ROUTE_POINT, "other"),
        (DnKind.UNKNOWN, "other"),
    ],
)
def test_user_type(kind: DnKind, user_type: str) -> None:
    assert body(an_event(user_kind=kind))["Usertype"] == user_type


def test_only_the_started_event_of_a_makecall_hides_the_number() -> None:
    call = a_call(origin=Origin.MAKECALL, direction=Direction.OUTBOUND)
    said = {
        type: body(an_event(type, call=call, recording=a_recording()))["Callerid"]
        for type in (EventType.DIALING, EventType.STARTED, EventType.ENDED, EventType.RECORDING_READY)
    }

    assert [type for type, number in said.items() if number == "MAKECALL"] == [EventType.STARTED]


def test_an_internal_call_is_named_like_an_outgoing_one() -> None:
    call = a_call(direction=Direction.INTERNAL, outside_number="117")

    assert body(an_event(EventType.STARTED, call=call))["Event"] == "outgoingcall_started"
    assert body(an_event(EventType.ENDED, call=call))["Event"] == "outgoing"


def test_text_beyond_ascii_is_utf_8() -> None:
    request = rendered(an_event(call=a_call(did="Prodejní č. 1")))

    assert "Prodejní č. 1".encode() in (request.body or b"")


class TestRecording:
    """`recording` bodies."""

    recorded = an_event(
        EventType.RECORDING_READY,
        link=2,
        call=a_call(did="sales"),
        answered=True,
        transferred=True,
        talk_time=timedelta(seconds=14),
        recording=a_recording(link=2, files=2),
    )

    def test_all_files_of_the_link_are_listed(self) -> None:
        assert body(self.recorded)["FileUrls"] == [
            f"{BASE}/webapi/recording/{CALL_ID}-2-{index}.mp3" for index in (1, 2)
        ]

    def test_details_follow_the_documented_keys_in_the_order_of_the_end_event(self) -> None:
        details = body(self.recorded, recording_details=True)

        assert list(details) == [
            "Event", "FileUrls", "Callerid", "User", "Id", "Finishtype", "Transfer", "Did", "Duration",
        ]  # fmt: skip
        assert list(details.values())[4:] == [f"{CALL_ID}-2", "Ok", "True", "sales", "00:14"]

    def test_it_goes_to_the_address_for_recordings(self) -> None:
        elsewhere = "http://files.test/"

        assert rendered(self.recorded, recording_url=elsewhere).url == elsewhere
        assert rendered(replace(self.recorded, type=EventType.ENDED), recording_url=elsewhere).url != elsewhere

    def test_each_address_is_made_for_the_endpoint(self) -> None:
        asked: list[dict[str, object]] = []

        def links(path: str, **facts: object) -> str:
            asked.append(facts)
            return path

        render(self.recorded, Endpoint(name="crm", url="http://crm.test/", format=Format.POST), links)

        assert asked == 2 * [{"pbx": "main", "recipient": "crm", "expires_at": NOON + timedelta(days=90)}]

    def test_without_files_the_list_is_empty(self) -> None:
        assert body(replace(self.recorded, recording=None))["FileUrls"] == []
