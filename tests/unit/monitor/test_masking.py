"""What a capture shows of a PBX: extensions and how numbers relate, and nothing by which a person can be found."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.monitor.scenario.masked import masked_participant, masked_segment
from services.monitor.scenario.masking import Mask

MASK = Mask(b"a key of a test")
MASK.knows({"100", "117", "204", "10007", "switchhook"})
DIGITS = st.text("0123456789", min_size=5, max_size=15)
PARTICIPANT = {
    "id": 5207,
    "status": "Ringing",
    "dn": "117",
    "party_caller_name": "Jana Nováková",
    "party_dn": "10007",
    "party_caller_id": "+420601222333",
    "party_did": "420222000320",
    "device_id": "sip:117@192.168.1.20:5063;rinstance=ab12",
    "party_dn_type": "Wexternalline",
    "originated_by_dn": "ROUTER",
    "callid": 902,
    "access_token": "eyJhbGciOi.secret",
    "number_as_number": 420601222333,
}


@given(DIGITS)
def test_a_number_becomes_another_of_the_same_form(number: str) -> None:
    masked = MASK.number(number)
    assert len(masked) == len(number)
    assert masked.isdigit()
    assert [digit == "0" for digit in masked] == [digit == "0" for digit in number]


@given(DIGITS, DIGITS)
def test_two_numbers_stay_two_and_one_stays_one(one: str, other: str) -> None:
    assert (MASK.number(one) == MASK.number(other)) == (one == other)


@given(DIGITS, st.sampled_from(["", "+", "0", "00", "+420", "*"]))
def test_numbers_with_the_same_end_keep_the_same_end(number: str, before: str) -> None:
    assert MASK.number(before + number).endswith(MASK.number(number))


def test_another_key_invents_other_numbers() -> None:
    assert MASK.number("420601222333") != Mask(b"another").number("420601222333") != "420601222333"


def test_a_participant_keeps_its_dns_and_loses_its_people() -> None:
    masked = masked_participant(MASK, PARTICIPANT)
    kept = {"id", "status", "dn", "party_dn", "party_dn_type", "originated_by_dn", "callid"}
    assert {name for name, value in masked.items() if PARTICIPANT.get(name) == value} == kept
    text = str(masked)
    for secret in ("Jana", "601222333", "222000320", "192.168", "rinstance", "eyJ", "secret"):
        assert secret not in text
    assert masked["party_caller_id"].startswith("+")
    assert masked["access_token"].startswith("text-")


def test_the_same_person_has_the_same_pseudonym() -> None:
    other = masked_participant(MASK, PARTICIPANT | {"party_caller_name": " jana  NOVÁKOVÁ", "id": 1})
    assert other["party_caller_name"] == masked_participant(MASK, PARTICIPANT)["party_caller_name"]


def test_an_extension_that_the_plan_does_not_know_stays_on_both_sides_of_its_leg() -> None:
    shown = {"dn": "888", "id": 1, "callid": 2, "party_dn": "889", "party_caller_id": "889", "status": "Ringing"}
    assert masked_participant(MASK, shown) == shown


def test_a_name_where_a_dn_stands_is_masked() -> None:
    assert MASK.dn("switchhook") == "switchhook"
    assert MASK.dn("jana.novakova").startswith("name-")
    assert MASK.dn("420601222333") == MASK.number("420601222333")


def test_the_sentence_of_the_call_log_tells_who_without_the_name() -> None:
    outside = MASK.number("420601222333")
    assert MASK.reason("Ended by Jana Nováková (420601222333)") == f"Ended by {MASK.name('Jana Nováková')} ({outside})"
    assert MASK.reason("Main Queue was replaced by Adam (117)").endswith(f"replaced by {MASK.name('Adam')} (117)")
    assert MASK.reason("Gespräch beendet von Jana").startswith("text-")


def test_a_row_of_the_call_log_keeps_ids_times_and_dns() -> None:
    row = {
        "CallHistoryId": "00000000-01dc-27fa-d1eb-64b00000002e",
        "StartTime": "2025-09-17T17:45:21.3Z",
        "TalkingDuration": "PT3M24.2S",
        "Answered": True,
        "Direction": "Inbound Queue",
        "SourceDn": "10007",
        "DestinationCallerId": "Ext.117",
        "DstRecId": 4711,
        "Indent": None,
        "Recordings": [{"Id": 4711, "Transcription": "Hello"}],
    }
    assert masked_segment(MASK, row) == row | {"Recordings": [{"Id": 4711}]}
    masked = masked_segment(
        MASK,
        {
            "SourceCallerId": "420601222333",
            "SourceDisplayName": "Jana",
            "RecordingUrl": "117/[Jana].wav",
            "Phone": 601222333,
        },
    )
    assert "Jana" not in str(masked)
    assert "601222333" not in str(masked)
