"""Words that are not known are kept by name, and neither memory nor metrics grow with them."""

from __future__ import annotations

from typing import Any

import pytest

from services.monitor.unknowns import LIMIT, OTHER, Unknown, Unknowns, presentable

KNOWN = {"id": 1, "dn": "117", "status": "Ringing", "callid": 10, "party_dn_type": "Wexternalline"}


def test_what_is_known_is_no_news() -> None:
    unknowns = Unknowns()
    unknowns.participant(KNOWN)
    unknowns.frame(2, "/callcontrol/117/participants/1", {"dtmf_input": "1"})
    unknowns.answer("/callcontrol", [{"dn": "117", "type": "Wextension", "devices": [], "participants": [KNOWN]}])
    unknowns.answer("/xapi/v1/ActiveCalls", {"value": [{"Id": 1, "Status": "Talking"}]})
    unknowns.answer("/xapi/v1/Peers", {"value": [{"Number": "117", "Type": "Extension"}]})
    unknowns.answer("/xapi/v1/ReportCallLogData/Pbx.GetCallLogData(a=1)", {"value": [{"Reason": ""}]})
    assert not unknowns.counts


@pytest.mark.parametrize(
    ("path", "answer", "what", "name"),
    [
        ("/callcontrol", [{"dn": "1", "type": "Wteleport"}], Unknown.DN_KIND, "Wteleport"),
        ("/callcontrol", [{"dn": "1", "mood": 1}], Unknown.FIELD, "dn.mood"),
        ("/callcontrol", [{"dn": "1", "participants": [KNOWN | {"x": 1}]}], Unknown.FIELD, "participant.x"),
        ("/callcontrol", [{"dn": "1", "participants": [KNOWN | {"status": "Held"}]}], Unknown.STATUS, "Held"),
        ("/xapi/v1/ActiveCalls", {"value": [{"Id": 1, "Mood": 1}]}, Unknown.FIELD, "row.Mood"),
        ("/xapi/v1/ActiveCalls", {"value": [{"Id": 1, "Status": "Parked"}]}, Unknown.STATUS, "Parked"),
        ("/xapi/v1/Peers", {"value": [{"Number": "1", "Type": "Robot"}]}, Unknown.DN_KIND, "Robot"),
        ("/xapi/v1/ReportCallLogData/F()", {"value": [{"Cost2": 1}]}, Unknown.FIELD, "segment.Cost2"),
    ],
)
def test_a_new_word_is_counted_by_its_name(path: str, answer: Any, what: Unknown, name: str) -> None:
    told: list[tuple[Unknown, str, bool]] = []
    unknowns = Unknowns(lambda *one: told.append(one))
    unknowns.answer(path, answer)
    unknowns.answer(path, answer)
    assert told == [(what, name, True), (what, name, False)]
    assert unknowns.counts == {(what, name): 2}


def test_an_event_type_is_counted_by_its_number() -> None:
    unknowns = Unknowns()
    unknowns.frame(7, "/x", None)
    assert unknowns.counts == {(Unknown.EVENT_TYPE, "7"): 1}


def test_names_beyond_the_limit_are_other() -> None:
    unknowns = Unknowns()
    for number in range(10 * LIMIT):
        unknowns.participant(KNOWN | {f"field_{number // 26}{chr(97 + number % 26)}": 1, "status": f"S{number}"})
    names = {name for _, name in unknowns.counts}
    assert len(unknowns.counts) <= LIMIT + len(Unknown)
    assert OTHER in names
    assert sum(unknowns.counts.values()) == 20 * LIMIT


@pytest.mark.parametrize(
    ("shown", "name"),
    [
        ("On Hold", "On?Hold"),
        ("420601222333", "#"),
        ("x" * 10_000, "x" * 40),
        ("", "(empty)"),
        (None, "(NoneType)"),
        (["a"], "(list)"),
        (7, "7"),
        (420601222333, "(int)"),
        ('a"b\n', "a?b?"),
    ],
)
def test_a_name_is_fit_to_be_shown(shown: object, name: str) -> None:
    assert presentable(shown) == name
