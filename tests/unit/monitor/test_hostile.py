"""Whatever a PBX sends is read or refused: nothing of it is fatal, and little of it is kept."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.monitor.call_log import read_segment
from services.monitor.calls.numbering import NumberingPlan
from services.monitor.calls.tracker import CallTracker
from services.monitor.payloads import (
    PayloadError,
    peer_kind,
    read_active_calls,
    read_frame,
    read_leg,
    read_snapshot,
    read_time,
    visible_dns,
)
from services.monitor.scenario.masked import masked_participant, masked_segment
from services.monitor.scenario.masking import Mask
from services.monitor.scenario.notation import words_of
from services.monitor.scenario.plans import default_plan
from services.monitor.scenario.shown import leg_of, participant_words, segment_words
from services.monitor.unknowns import Unknowns
from services.monitor.vocabulary import ACTIVE_CALL_FIELDS, PARTICIPANT_FIELDS, SEGMENT_FIELDS
from switchhook.events import DnKind
from tests.unit.monitor.table import START, new_tracker

FEW = settings(max_examples=80, deadline=None)
NOW = datetime(2026, 5, 14, 12, 0, tzinfo=UTC)
ODD = st.sampled_from(
    [
        2**31,
        2**63,
        2**64 - 1,
        -1,
        1e308,
        "",
        "0",
        "\x00",
        "9" * 5000,
        "x" * 100_000,
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "P" + "9" * 400 + "D",
        "PT1E5S",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "00000000-01dc-27fa-d1eb-64b00000002e",
        "00000000-0000-0000-0000-000000000000",
        "2026-05-14T12:00:00Z",
        "Ringing",
        "117",
        "10007 A (0301)",
        "(" * 300,
    ]
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=9)
    | ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
ENVELOPE = frozenset(("event_type", "entity", "attached_data"))
DN = frozenset(("dn", "type", "participants"))


def spoilt(whole: dict[str, Any], fields: frozenset[str]) -> st.SearchStrategy[Any]:
    """A good object in which a few fields are of any form."""
    odd = st.dictionaries(st.sampled_from(sorted(fields)) | st.text(max_size=8), JSON, max_size=3)
    return odd.map(lambda some: whole | some)


PARTICIPANT = spoilt(
    {"dn": "117", "id": 1, "callid": 10, "status": "Ringing", "party_dn": "10007", "party_caller_id": "0301"},
    PARTICIPANT_FIELDS,
)
SEGMENT = spoilt(
    {
        "CallHistoryId": "00000000-01dc-27fa-d1eb-64b00000002e",
        "StartTime": "2025-09-17T17:45:21.3Z",
        "RingingDuration": "PT8S",
        "SourceDn": "10007",
        "DestinationDn": "117",
    },
    SEGMENT_FIELDS,
)
ROW = spoilt(
    {"Id": 10, "Caller": "10007 A (0301)", "Callee": "117 B", "ServerNow": "2026-05-14T12:00:00Z"}, ACTIVE_CALL_FIELDS
)


@FEW
@given(JSON | st.fixed_dictionaries({"sequence": JSON, "event": spoilt({"event_type": 0}, ENVELOPE)}))
def test_any_message_is_a_frame_or_refused(message: Any) -> None:
    try:
        frame = read_frame(message)
    except PayloadError:
        return
    assert len(frame.entity) <= 256


@pytest.mark.parametrize(
    "entity",
    [
        "/callcontrol/117/participants/" + "9" * 5000,
        "/callcontrol/117/participants/٣",
        "/callcontrol/" + "1" * 65 + "/participants/1",
        "/callcontrol/117/participants/1\n",
        ["/callcontrol/117/participants/1"],
    ],
)
def test_an_entity_of_another_form_names_no_leg(entity: Any) -> None:
    assert read_frame({"event": {"event_type": 0, "entity": entity}}).key is None


@FEW
@given(PARTICIPANT)
def test_any_participant_is_a_small_leg_or_refused(shown: dict[str, Any]) -> None:
    Unknowns().participant(shown)
    try:
        leg = read_leg(shown, default_plan())
    except PayloadError:
        return
    assert max(map(len, (leg.dn, leg.party_dn, leg.party_number, leg.did, leg.referred_by, leg.on_behalf_of))) <= 256
    assert 0 <= leg.number < 2**31


@FEW
@given(JSON | st.lists(spoilt({"dn": "117"}, DN), max_size=4))
def test_any_snapshot_is_read(dns: Any) -> None:
    read_snapshot(dns, NumberingPlan())
    assert set(visible_dns(dns).values()) <= set(DnKind)
    Unknowns().answer("/callcontrol", dns)


@FEW
@given(JSON | st.fixed_dictionaries({"value": JSON | st.lists(ROW, max_size=4)}))
def test_any_list_of_active_calls_is_read(collection: Any) -> None:
    for row in read_active_calls(collection, now=NOW):
        assert 0 <= row.number < 2**31
    Unknowns().answer("/xapi/v1/ActiveCalls", collection)
    Unknowns().answer("/xapi/v1/Peers", collection)


@FEW
@given(JSON)
def test_any_type_of_a_peer_is_a_kind(peer_type: Any) -> None:
    assert peer_kind(peer_type) in DnKind


@FEW
@given(SEGMENT)
def test_any_row_of_the_call_log_is_a_segment_that_can_be_told_or_left_out(row: dict[str, Any]) -> None:
    segment = read_segment(row)
    if segment is None:
        return
    tracker = CallTracker("main", default_plan(), timezone=UTC, report_internal=True, grace=NOW - NOW)
    tracker.replay([segment.earlier(NOW - START)], since=START, shown=())
    tracker.take()


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", 5, None, [], "soon"])
def test_a_time_that_cannot_be_is_none(text: Any) -> None:
    assert read_time(text) is None


@FEW
@given(PARTICIPANT)
def test_any_participant_that_can_be_read_can_be_captured(shown: dict[str, Any]) -> None:
    try:
        read_leg(shown, default_plan())
    except PayloadError:
        return
    mask = Mask(b"key")
    masked = masked_participant(mask, shown)
    leg = leg_of(words_of(participant_words(masked)), default_plan())
    assert (leg.id, leg.number) == (shown["id"], shown["callid"])


@FEW
@given(SEGMENT)
def test_any_row_of_the_call_log_can_be_captured(row: dict[str, Any]) -> None:
    line = segment_words(masked_segment(Mask(b"key"), row))
    assert "\n" not in line


@FEW
@given(st.lists(PARTICIPANT, max_size=8))
def test_no_leg_is_fatal_to_the_tracker(participants: list[dict[str, Any]]) -> None:
    tracker = new_tracker(report_internal=True)
    for shown in participants:
        for leg in read_snapshot([{"dn": "1", "participants": [shown]}], tracker.plan):
            tracker.leg_seen(leg, START)
    tracker.resync([], asked_at=START, at=START)
    orjson.dumps([event.id for event in tracker.take().events])
