"""The format `get`, word for word as documented."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.endpoints import Endpoint, Format
from services.dispatcher.formats import HttpRequest, render
from switchhook.events import Direction, DnKind, Event, EventType, Transfer
from tests.unit.dispatcher.documented import BASE, Documented, documented_gets
from tests.unit.dispatcher.events import CALL_ID, a_call, a_recording, an_event

URL = "http://crm.test/hooks"
ADDRESSES = [each for each in documented_gets() if each.text.startswith(BASE)]
QUERIES = [each for each in documented_gets() if not each.text.startswith(BASE)]


def open_links(path: str, **_: object) -> str:
    return BASE + path


def rendered(event: Event, *, url: str = URL, **changes: Any) -> HttpRequest:
    return render(event, Endpoint(name="crm", url=url, format=Format.GET, **changes), open_links)


def title(event: Event, **templates: str) -> str:
    query = rendered(event, titles=templates).url.partition("?")[2]
    return unquote(dict(pair.split("=", 1) for pair in query.split("&"))["title"])


def ended(*, user_kind: DnKind = DnKind.EXTENSION, answered: bool = False, **call: Any) -> Event:
    return an_event(
        EventType.ENDED,
        call=a_call(**call),
        user_kind=user_kind,
        answered=answered,
        talk_time=timedelta(seconds=7) if answered else None,
    )


@pytest.mark.parametrize("documented", QUERIES, ids=lambda each: each.where)
def test_every_documented_query_comes_out_key_by_key(documented: Documented) -> None:
    request = rendered(documented.event)
    address, _, query = request.url.partition("?")

    assert unquote(query) == documented.text
    assert (request.method, address, request.body) == ("GET", URL, None)


def test_the_contract_has_all_its_scenarios() -> None:
    assert (len(QUERIES), len(ADDRESSES)) == (14, 1)


@pytest.mark.parametrize("documented", ADDRESSES, ids=lambda each: each.where)
def test_a_recording_is_posted(documented: Documented) -> None:
    request = rendered(documented.event)

    assert (request.method, request.url) == ("POST", URL)
    assert request.headers == {"content-type": "application/json"}
    assert request.body == orjson.dumps({"id": f"{CALL_ID}-1", "FILES": [documented.text]})


def test_a_recording_with_details_carries_the_end_events_fields_after_its_own() -> None:
    recorded = an_event(
        EventType.RECORDING_READY, link=1, answered=True, talk_time=timedelta(seconds=7), recording=a_recording()
    )

    body = orjson.loads(rendered(recorded, recording_details=True).body or b"")

    assert list(body) == ["id", "FILES", "event", "callerid", "user", "finishtype", "transfer", "did", "title"]
    assert body["title"] == "Answered call from 05552221133 (0:07)"


def test_a_recording_goes_to_its_own_address() -> None:
    recorded = an_event(EventType.RECORDING_READY, recording=a_recording())

    assert rendered(recorded, recording_url="http://files.test/").url == "http://files.test/"


@given(did=st.text(), user=st.text(), number=st.text())
def test_every_value_is_percent_encoded(did: str, user: str, number: str) -> None:
    query = rendered(an_event(user=user, call=a_call(did=did, outside_number=number))).url.partition("?")[2]

    assert re.fullmatch(r"[A-Za-z0-9_.~%=&-]*", query)
    assert dict(pair.split("=") for pair in query.split("&")).keys() == {
        "event", "callerid", "user", "usertype", "did", "id",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("url", "beginning"),
    [
        ("http://crm.test/", "http://crm.test/?event="),
        ("http://crm.test/?", "http://crm.test/?event="),
        ("http://crm.test/?key=1", "http://crm.test/?key=1&event="),
        ("http://crm.test/?key=1&", "http://crm.test/?key=1&event="),
    ],
)
def test_the_query_is_appended_to_what_the_address_has(url: str, beginning: str) -> None:
    assert rendered(an_event(), url=url).url.startswith(beginning)


def test_an_attended_transfer_is_accomp() -> None:
    started = an_event(EventType.STARTED, transfer=Transfer.ATTENDED)

    assert "&trtype=Accomp&" in rendered(started).url


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (ended(answered=True), "Answered call from 05552221133 (0:07)"),
        (ended(answered=True, did="sales"), "sales:Answered call from 05552221133 (0:07)"),
        (ended(user_kind=DnKind.QUEUE, did="sales"), "sales:Missed call by queue 202 from 05552221133"),
        (ended(), "Missed call by extension 202 from 05552221133"),
        (ended(user_kind=DnKind.UNKNOWN), "Missed call by extension 202 from 05552221133"),
        (ended(user_kind=DnKind.IVR), "Missed call by IVR 202 from 05552221133"),
        (ended(answered=True, direction=Direction.OUTBOUND), "Successful call to 05552221133 (0:07)"),
        (ended(direction=Direction.OUTBOUND), "Unanswered call to 05552221133"),
        (ended(direction=Direction.INTERNAL), "Unanswered call to 05552221133"),
    ],
)
def test_the_title_is_a_sentence_about_the_call(event: Event, sentence: str) -> None:
    assert title(event) == sentence


@pytest.mark.parametrize(
    ("talk_time", "duration"),
    [
        (timedelta(seconds=59.5), "1:00"),
        (timedelta(minutes=3, seconds=24), "3:24"),
        (timedelta(minutes=59, seconds=59), "59:59"),
        (timedelta(hours=1), "1:00:00"),
        (timedelta(hours=11, seconds=5), "11:00:05"),
    ],
)
def test_the_titles_duration_grows_hours(talk_time: timedelta, duration: str) -> None:
    event = an_event(EventType.ENDED, answered=True, talk_time=talk_time)

    assert title(event).endswith(f"({duration})")


def test_a_requested_call_back_is_appended_to_any_title() -> None:
    event = an_event(EventType.ENDED, user_kind=DnKind.QUEUE, callback_requested=True)

    assert title(event) == "Missed call by queue 202 from 05552221133, callback requested"
    assert title(event, missed_queue="lost") == "lost, callback requested"


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("{user} missed {number}", "202 missed 05552221133"),
        ("[via {did}: ]{number}", "05552221133"),
        ("[{user}: ]{number} {unknown} [as is] {", "202: 05552221133 {unknown} [as is] {"),
        ("{duration}", ""),
    ],
)
def test_a_template_replaces_the_title(template: str, sentence: str) -> None:
    assert title(ended(), missed_extension=template) == sentence


def test_a_template_cannot_be_filled_twice() -> None:
    assert title(ended(did="{number}[{user}]"), missed_extension="{did}") == "{number}[{user}]"
