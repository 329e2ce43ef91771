"""The figures of a completed call, from the call log and without it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from services.monitor.calls.summary import from_call_log, from_own_clock, is_told_by
from switchhook.events import Direction, EndedBy, Event, Handover, Summary, SummarySource, Transfer
from tests.unit.monitor.logs import final, row
from tests.unit.monitor.table import NUMBER, plan

OUTSIDE = f"Ended by Somebody ({NUMBER})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A call as it was seen, its rows, and its figures: `both` ways, and what the log alone knows."""

    name: str
    end: Event
    rows: tuple[str, ...]
    both: dict[str, Any]
    log: dict[str, Any] = field(default_factory=dict)


def figures(ringing: float, waiting: float, talking: float, **others: Any) -> dict[str, Any]:
    times = {"ringing": ringing, "waiting": waiting, "talking": talking}
    return {name: timedelta(seconds=seconds) for name, seconds in times.items()} | others


CASES = [
    Case(
        name="straight_to_an_extension",
        end=final(stays="extension 202 0-10 @4", links="202 none 4-10", ended=10),
        rows=(f"10007>202 0-10 @4 rec=4711 {OUTSIDE}",),
        both=figures(4, 0, 6),
        log={"ended_by": EndedBy.OUTSIDE, "recording_ids": (4711,)},
    ),
    Case(
        name="ivr_queue_agent",
        end=final(stays="ivr 800 0-1, queue 820 1-5, extension 202 2-12.5 @5", links="202 none 5-12.5", ended=12.5),
        rows=(
            "10007>800 0-1 @0 Main (800) was replaced by Queue (820)",
            "10007>820 1-5 @1 Queue (820) was replaced by Agent (202)",
            "10007>202 2-12.5 @5 rec=1,2 Ended by Agent (202)",
        ),
        both=figures(3, 5, 7.5, queue="820"),
        log={"ended_by": EndedBy.EXTENSION, "ended_by_user": "202", "recording_ids": (1, 2)},
    ),
    Case(
        name="missed_in_a_queue",
        end=final(stays="queue 820 0-9, extension 101 1-4, extension 102 4-8", ended=9),
        rows=(
            f"10007>820 0-9 @0 {OUTSIDE}",
            "10007>101 1-4 Not answered",
            "10007>102 4-8 Not answered",
        ),
        both=figures(7, 9, 0, queue="820", unanswered=("101", "102")),
        log={"ended_by": EndedBy.OUTSIDE},
    ),
    Case(
        name="agents_that_ring_at_the_same_time_ring_once",
        end=final(
            stays="queue 820 0-6, extension 101 1-6, extension 102 2-6, extension 103 1-9 @6",
            links="103 none 6-9",
            ended=9,
        ),
        rows=("10007>820 0-6 @0", "10007>101 1-6", "10007>102 2-6", "10007>103 1-9 @6 Ended by C (103)"),
        both=figures(5, 6, 3, queue="820", unanswered=("101", "102")),
        log={"ended_by": EndedBy.EXTENSION, "ended_by_user": "103"},
    ),
    Case(
        name="an_agent_that_answers_the_second_time_did_answer",
        end=final(stays="extension 101 0-3, extension 102 3-5, extension 101 5-9 @6", links="101 none 6-9", ended=9),
        rows=("10007>101 0-3", "10007>102 3-5", f"10007>101 5-9 @6 {OUTSIDE}"),
        both=figures(6, 0, 3, unanswered=("102",)),
        log={"ended_by": EndedBy.OUTSIDE},
    ),
    Case(
        name="ringing_counts_until_the_first_answer_only",
        end=final(
            stays="extension 117 0-10 @2, extension 204 9-20 @12",
            links="117 none 2-10, 204 blind 12-20",
            ended=20,
        ),
        rows=("10007>117 0-10 @2 A (117) was replaced by B (204)", f"10007>204 9-20 @12 {OUTSIDE}"),
        both=figures(2, 0, 16, transfers=(Handover(link=2, user="204", transfer=Transfer.BLIND),)),
        log={"ended_by": EndedBy.OUTSIDE},
    ),
    Case(
        name="an_attended_transfer_without_the_consultation",
        end=final(
            stays="extension 117 0-10 @2, extension 204 10-20 @10",
            links="117 none 2-10, 204 attended 10-20",
            ended=20,
            numbers=(10, 11),
        ),
        rows=(
            "10007>117 0-10 @2 rec=5 A (117) was replaced by B (204)",
            "117>204 5-10 @6 rec=6 204 was joined",
            f"10007>204 10-20 @10 rec=7 {OUTSIDE}",
        ),
        both=figures(2, 0, 18, transfers=(Handover(link=2, user="204", transfer=Transfer.ATTENDED),)),
        log={"ended_by": EndedBy.OUTSIDE, "recording_ids": (5, 7)},
    ),
    Case(
        name="outgoing",
        end=final(stays="extension 119 0-9 @3", links="119 none 3-9", ended=9, direction=Direction.OUTBOUND),
        rows=("119>10007 0-9 @3 rec=9 Ended by A. Agent (senior) (Ext.119)",),
        both=figures(3, 0, 6),
        log={"ended_by": EndedBy.EXTENSION, "ended_by_user": "119", "recording_ids": (9,)},
    ),
    Case(
        name="outgoing_in_vain_leaves_no_agent_unanswered",
        end=final(stays="extension 119 0-3", ended=3, direction=Direction.OUTBOUND),
        rows=("119>10007 0-3 Ended by A (119)",),
        both=figures(3, 0, 0),
        log={"ended_by": EndedBy.EXTENSION, "ended_by_user": "119"},
    ),
    Case(
        name="a_ring_group_rings",
        end=final(stays="ring_group 840 0-4, extension 117 1-9 @4", links="117 none 4-9", ended=9),
        rows=("10007>840 0-4", f"10007>117 1-9 @4 {OUTSIDE}"),
        both=figures(4, 0, 5),
        log={"ended_by": EndedBy.OUTSIDE},
    ),
    Case(
        name="a_voicemail_box_is_no_answer",
        end=final(stays="extension 101 0-5", ended=30),
        rows=("10007>101 0-5 forwarded to Voicemail (666)", f"10007>666 5-30 @5 {OUTSIDE}"),
        both=figures(5, 0, 0, unanswered=("101",)),
        log={"ended_by": EndedBy.OUTSIDE},
    ),
    Case(
        name="internal",
        end=final(stays="extension 204 0-8 @3", links="204 none 3-8", ended=8, direction=Direction.INTERNAL),
        rows=("202>204 0-8 @3 Ended by A (202)",),
        both=figures(3, 0, 5),
        log={"ended_by": EndedBy.EXTENSION, "ended_by_user": "202"},
    ),
]


def expected(case: Case, source: SummarySource) -> Summary:
    known = case.log if source is SummarySource.CALL_LOG else {}
    return Summary(source=source, did="Sales", **case.both, **known)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_figures_are_those_of_the_call_log(case: Case) -> None:
    rows = [row(line) for line in case.rows]
    assert is_told_by(rows, case.end, plan(), to_the_end=True)
    assert from_call_log(case.end, rows, plan()) == expected(case, SummarySource.CALL_LOG)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_without_the_log_they_are_those_of_what_was_seen(case: Case) -> None:
    assert from_own_clock(case.end) == expected(case, SummarySource.OWN_CLOCK)


def test_what_the_log_has_of_the_times_is_believed_rather_than_what_was_seen() -> None:
    end = final(stays="extension 202 0.4-10.2 @4.3", links="202 none 4.3-10.2", ended=10.2)
    summary = from_call_log(end, [row("10007>202 0-10 @4")], plan())
    assert (summary.ringing, summary.talking) == (timedelta(seconds=4), timedelta(seconds=6))


@pytest.mark.parametrize(
    ("reason", "ended_by", "user"),
    [
        (f"Ended by Muster ({NUMBER})", EndedBy.OUTSIDE, ""),
        ("ENDED BY Muster (anonymous)", EndedBy.OUTSIDE, ""),
        ("Ended by Trunk (10007)", EndedBy.OUTSIDE, ""),
        ("Ended by Agent (202)", EndedBy.EXTENSION, "202"),
        (" Ended by A (B) (Ext.202). ", EndedBy.EXTENSION, "202"),
        ("Ended by Main Queue (820)", EndedBy.UNKNOWN, ""),
        ("Ended by the administrator", EndedBy.UNKNOWN, ""),
        ("Agent (202) was replaced by Other (204)", EndedBy.UNKNOWN, ""),
        ("Beendet von Agent (202)", EndedBy.UNKNOWN, ""),
        ("", EndedBy.UNKNOWN, ""),
    ],
)
def test_who_hung_up_is_read_from_the_sentence_as_far_as_it_is_understood(
    reason: str, ended_by: EndedBy, user: str
) -> None:
    end = final(stays="extension 202 0-10 @4", links="202 none 4-10", ended=10)
    summary = from_call_log(end, [row(f"10007>202 0-10 @4 {reason}")], plan())
    assert (summary.ended_by, summary.ended_by_user) == (ended_by, user)


def test_the_sentence_of_an_earlier_row_does_not_say_who_hung_up() -> None:
    end = final(stays="extension 117 0-5 @1, extension 204 5-10 @6", links="117 none 1-5, 204 blind 6-10", ended=10)
    rows = [row("10007>117 0-5 @1 Ended by A (117)"), row("10007>204 5-10 @6")]
    assert from_call_log(end, rows, plan()).ended_by is EndedBy.UNKNOWN


ANSWERED = final(stays="queue 820 0-3, extension 202 1-10 @3", links="202 none 3-10", ended=10)


@pytest.mark.parametrize(
    ("rows", "is_told"),
    [
        ([], False),
        (["10007>820 0-3 @0"], False),  # the conversation is not there yet
        (["10007>820 0-3 @0", "10007>202 1-10 @3"], True),
        (["10007>202 1-5 @3"], False),  # it has another part
        (["10007>202 1-5 @3", "10007>202 5-9.5 @5"], True),
    ],
)
def test_the_log_is_asked_again_until_it_has_every_conversation_and_the_end(rows: list[str], is_told: bool) -> None:
    assert is_told_by([row(line) for line in rows], ANSWERED, plan(), to_the_end=True) is is_told


def test_at_last_the_end_need_not_be_in_the_log_but_every_conversation_must() -> None:
    assert is_told_by([row("10007>202 1-5 @3")], ANSWERED, plan(), to_the_end=False)
    assert not is_told_by([row("10007>820 0-3 @0")], ANSWERED, plan(), to_the_end=False)


def test_a_clock_of_the_pbx_that_is_seconds_behind_is_no_missing_end() -> None:
    rows = [row("10007>202 1-10 @3", ahead=-8)]
    assert is_told_by(rows, ANSWERED, plan(), to_the_end=True)
