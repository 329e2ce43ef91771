"""What operators write, and which deliveries they mean by it."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.api_parsing import parse_list, parse_replay, replay_cursor
from services.dispatcher.deliveries import Status
from services.dispatcher.log_walk import Place
from services.dispatcher.replay_order import Progress
from services.dispatcher.selection import FIELDS, DeliveryId, Selection, parse_delivery_id, parse_selection
from switchhook.errors import AdminRefused
from switchhook.events import EventId

AWKWARD = ("9" * 5_000, "²", "٣", "2h", "9" * 400 + "d", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "\0",
           "9.crm", "1.2.3.crm", "NaN", "dead", "call.ended")  # fmt: skip
WORDS = st.text(max_size=20) | st.sampled_from(AWKWARD)
ANYTHING = st.recursive(
    WORDS | st.none() | st.booleans() | st.floats() | st.integers(), lambda inner: st.lists(inner, max_size=3)
)

NOW = datetime(2026, 3, 7, 12, 0, tzinfo=UTC)


def test_every_field_has_a_meaning() -> None:
    given = {
        "id": ["main-230307114903_10-1.crm"],
        "state": ["dead", "expired"],
        "call": ["230307114903_10"],
        "event": ["ringing", "recording", "call.ended", "delivery.dead"],
        "endpoint": ["crm"],
        "pbx": ["main"],
        "since": ["2h"],
        "until": ["2026-03-07T12:30:00+01:00"],
    }
    assert parse_selection(given, now=NOW) == Selection(
        ids=(DeliveryId(EventId("main-230307114903_10-1"), "crm"),),
        states=frozenset({Status.DEAD, Status.EXPIRED}),
        call="230307114903_10",
        types=frozenset({"call.ringing", "recording.ready", "call.ended", "delivery.dead"}),
        endpoints=frozenset({"crm"}),
        pbx=frozenset({"main"}),
        since=NOW - timedelta(hours=2),
        until=datetime(2026, 3, 7, 12, 30, tzinfo=timezone(timedelta(hours=1))),
    )


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("30d", NOW - timedelta(days=30)),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T08:00", datetime(2026, 3, 1, 8, tzinfo=UTC)),
        ("2026-03-01T08:00:00Z", datetime(2026, 3, 1, 8, tzinfo=UTC)),
    ],
)
def test_a_time_is_an_age_or_a_moment_in_utc_unless_it_says_otherwise(written: str, meant: datetime) -> None:
    assert parse_selection({"since": [written]}, now=NOW).since == meant


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"state": ["lost"]}, "state: 'lost' is none: choose from pending, delivered, dead, expired"),
        ({"event": ["rining"]}, "event: 'rining' is none: choose from call.ringing"),
        ({"since": ["yesterday"]}, 'since: write how long ago, such as "2h"'),
        ({"since": ["36500000d"]}, "since: write how long ago"),
        ({"call": ["1", "2"]}, "call: give it once"),
        ({"id": ["main-1-1"]}, "id: 'main-1-1' is no delivery"),
    ],
)
def test_what_is_not_understood_is_named(given: dict[str, list[str]], sentence: str) -> None:
    with pytest.raises(AdminRefused) as refused:
        parse_selection(given, now=NOW)
    assert str(refused.value).startswith(sentence)
    assert (refused.value.status, refused.value.error) == (400, "invalid")


def test_a_delivery_is_written_as_it_is_read() -> None:
    assert str(parse_delivery_id("main-230307114903_10-1.crm")) == "main-230307114903_10-1.crm"


def test_a_list_has_a_limit_a_place_and_masked_numbers() -> None:
    question = parse_list({"limit": ["7"], "cursor": ["12.crm"], "numbers": ["true"]}, now=NOW)
    assert (question.limit, question.after, question.numbers) == (7, Place(12, "crm"), True)
    plain = parse_list({}, now=NOW)
    assert (plain.limit, plain.after, plain.numbers, plain.selection) == (100, None, False, Selection())


@pytest.mark.parametrize(
    "query",
    [{"limit": ["0"]}, {"limit": ["1001"]}, {"limit": ["x"]}, {"cursor": ["x"]}, {"cursor": ["1"]}, {"id": ["a.b"]}],
)
def test_a_list_that_makes_no_sense_is_refused(query: dict[str, list[str]]) -> None:
    with pytest.raises(AdminRefused):
        parse_list(query, now=NOW)


def test_a_replay_needs_to_say_which_deliveries() -> None:
    with pytest.raises(AdminRefused, match="say which deliveries"):
        parse_replay({"state": "dead"}, now=NOW)


def test_a_replay_and_how_far_it_came() -> None:
    order, progress = parse_replay({"endpoint": "crm", "to": "desk", "rate": 5, "dry_run": True}, now=NOW)
    assert (order.selection.endpoints, order.to, order.rate, order.is_dry_run) == (
        frozenset({"crm"}),
        "desk",
        5.0,
        True,
    )
    assert progress == Progress(started_at=NOW, due_at=NOW)
    later = Progress(started_at=NOW, due_at=NOW + timedelta(seconds=3), place=Place(9, "crm"))
    assert parse_replay({"endpoint": "crm", "cursor": replay_cursor(later)}, now=NOW + timedelta(hours=1))[1] == later


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate": 0},
        {"rate": "fast"},
        {"rate": True},
        {"dry_run": "yes"},
        {"to": 7},
        {"pbx": [7]},
        {"colour": "red"},
        {"cursor": "1.2.3"},
        {"cursor": f"{2**62 - 1}.1.1.crm"},
        {"id": ["a-1-1.crm"] + [f"a-1-{number}.crm" for number in range(1_001)]},
    ],
)
def test_a_replay_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(AdminRefused):
        parse_replay({"endpoint": "crm", **wrong}, now=NOW)


@given(
    st.dictionaries(st.sampled_from([*FIELDS, "limit", "cursor", "numbers"]), st.lists(WORDS, min_size=1), max_size=4)
)
def test_whatever_is_asked_it_is_understood_or_refused(query: dict[str, list[str]]) -> None:
    with contextlib.suppress(AdminRefused):
        parse_list(query, now=NOW)


@given(st.dictionaries(st.sampled_from([*FIELDS, "to", "rate", "dry_run", "cursor"]), ANYTHING, max_size=5))
def test_whatever_is_ordered_it_is_understood_or_refused(body: dict[str, object]) -> None:
    with contextlib.suppress(AdminRefused):
        parse_replay(body, now=NOW)


@pytest.mark.parametrize(
    "query",
    [
        {"limit": ["9" * 5_000]},
        {"cursor": ["9" * 5_000 + ".crm"]},
        {"since": ["0001-01-01T00:00:00+14:00"]},
        {"call": ["\0"]},
        {"endpoint": ["a\0"]},
    ],
)
def test_what_no_program_of_ours_would_ask_is_refused(query: dict[str, list[str]]) -> None:
    with pytest.raises(AdminRefused):
        parse_list(query, now=NOW)
