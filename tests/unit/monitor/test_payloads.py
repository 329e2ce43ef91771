"""The vendor's JSON: tolerant of what is new, strict on what is needed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.monitor.calls.legs import LegStatus
from services.monitor.calls.numbering import NumberingPlan
from services.monitor.payloads import PayloadError, read_active_calls, read_frame, read_leg, read_snapshot, visible_dns
from switchhook.events import DnKind

PLAN = NumberingPlan(kinds={"150": DnKind.EXTENSION, "10007": DnKind.TRUNK})
RINGING = {
    "id": 5207,
    "status": "Ringing",
    "dn": "150",
    "party_dn": "10007",
    "party_caller_id": "030555001",
    "party_did": "",
    "party_dn_type": "Wexternalline",
    "originated_by_dn": "ROUTER",
    "referred_by_dn": "",
    "on_behalf_of_dn": None,
    "callid": 902,
    "legid": 4,
    "participant_uid": "a field of a later version",
}


def test_a_participant_becomes_a_leg() -> None:
    leg = read_leg(RINGING, PLAN)
    assert (leg.key, leg.status, leg.number) == (("150", 5207), LegStatus.RINGING, 902)
    assert leg.shows_outside
    assert leg.on_behalf_of == ""


def test_an_unknown_status_and_class_are_kept_as_unknown() -> None:
    leg = read_leg(RINGING | {"status": "Beaming", "party_dn_type": "Wteleport"}, PLAN)
    assert (leg.status, leg.party_kind) == (LegStatus.UNKNOWN, DnKind.UNKNOWN)


@pytest.mark.parametrize("broken", [{"id": None}, {"callid": "902"}, {"callid": True}, {"dn": ""}])
def test_what_is_needed_and_missing_is_named(broken: dict[str, object]) -> None:
    with pytest.raises(PayloadError, match=next(iter(broken))):
        read_leg(RINGING | broken, PLAN)


def test_a_snapshot_leaves_out_what_cannot_be_read() -> None:
    dns = [{"dn": "150", "type": "Wextension", "participants": [RINGING, {"id": 1}, 7]}, {"dn": "151"}, None]
    assert [leg.id for leg in read_snapshot(dns, PLAN)] == [5207]
    assert visible_dns(dns) == {"150": DnKind.EXTENSION, "151": DnKind.UNKNOWN}


@pytest.mark.parametrize("message", [None, [], {}, {"event": {}}, {"event": {"event_type": "0"}}])
def test_a_message_that_is_no_frame_is_an_error(message: object) -> None:
    with pytest.raises(PayloadError):
        read_frame(message)


def test_a_frame_about_a_device_names_no_leg() -> None:
    frame = read_frame({"sequence": 1, "event": {"event_type": 0, "entity": "/callcontrol/150/devices/x"}})
    assert frame.key is None


def test_rows_of_active_calls_tell_dns_numbers_and_times_by_our_clock() -> None:
    now = datetime(2026, 5, 14, 12, 0, tzinfo=UTC)
    row = {
        "Id": 902,
        "Caller": "10007 Muster (GmbH) (030555001)",
        "Callee": "816 Support Queue",
        "LastChangeStatus": "2026-05-14T13:13:42.1Z",
        "ServerNow": "2026-05-14T13:13:50.1Z",
    }
    [call] = read_active_calls({"value": [row, {"Id": None}, 3]}, now=now)
    assert (call.caller_dn, call.caller_number, call.callee_dn, call.callee_number) == (
        "10007",
        "030555001",
        "816",
        "",
    )
    assert call.changed_at == now - timedelta(seconds=8)


@pytest.mark.parametrize(
    ("pbx_ahead", "latest"),
    [(0, 0), (3, 0), (8, 0), (120, 110), (-120, -118)],
    ids=["agrees", "agrees-early", "agrees-late", "ahead", "behind"],
)
def test_an_answer_that_was_long_under_way_makes_no_moment_later(pbx_ahead: float, latest: float) -> None:
    """Of 12 s it had 2 to go there: a clock that may be right is right, else as little wrong as possible."""
    asked_at = datetime(2026, 5, 14, 12, 0, tzinfo=UTC)
    pbx_now = asked_at + timedelta(seconds=2 + pbx_ahead)
    changed_at = asked_at - timedelta(seconds=5) + timedelta(seconds=pbx_ahead)
    row = {"Id": 902, "LastChangeStatus": changed_at.isoformat(), "ServerNow": pbx_now.isoformat()}
    [call] = read_active_calls({"value": [row]}, asked_at=asked_at, now=asked_at + timedelta(seconds=12))
    assert call.changed_at == changed_at - timedelta(seconds=latest)


@pytest.mark.parametrize("collection", [None, [], {}, {"value": None}])
def test_no_collection_is_no_rows(collection: object) -> None:
    assert read_active_calls(collection, now=datetime.now(UTC)) == []
