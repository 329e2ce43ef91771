"""A scenario's lines: both directions lose nothing, and what cannot be read is said with its line."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.commands.replay import play
from services.monitor.call_log import read_segment
from services.monitor.calls.legs import ActiveCall
from services.monitor.calls.numbering import NumberingPlan
from services.monitor.payloads import participant_from, read_leg
from services.monitor.scenario.file import read_scenario
from services.monitor.scenario.notation import ScenarioError, fact, moment, seconds, words_of
from services.monitor.scenario.plans import plan_lines, plan_of
from services.monitor.scenario.playing import steps
from services.monitor.scenario.shown import (
    leg_of,
    participant_words,
    row_of,
    row_words,
    segment_of,
    segment_words,
)
from switchhook.events import DnKind
from tests.unit.monitor.table import START

SCENARIOS = Path(__file__).parent / "scenarios"
DN = st.sampled_from(["117", "204", "10007", "820", "SP0", "name-1a2b"])
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
PARTICIPANTS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "dn": DN,
        "id": st.integers(0, 2**31 - 1),
        "status": st.sampled_from(["Ringing", "Dialing", "Connected", "Beaming"]),
        "callid": st.integers(0, 2**31 - 1),
        "party_dn": st.one_of(DN, st.just("")),
        "party_caller_id": TEXT,
    },
    optional={
        "party_dn_type": st.sampled_from(["None", "Wexternalline", "Wextension", "Whologram"]),
        "party_caller_name": TEXT,
        "party_did": TEXT,
        "device_id": TEXT,
        "direct_control": st.booleans(),
        "originated_by_dn": DN,
        "referred_by_dn": DN,
        "on_behalf_of_dn": DN,
        "on_behalf_of_type": st.just("Wqueue"),
        "legid": st.integers(0, 99),
        "participant_mood": TEXT,
    },
)
PLAN = NumberingPlan(
    kinds={"117": DnKind.EXTENSION, "204": DnKind.EXTENSION, "10007": DnKind.TRUNK, "820": DnKind.QUEUE}
)
FRAMES = "# a title\nframes\n0.0 upsert 117/1 Ringing call=10\n"


@given(PARTICIPANTS)
def test_a_participant_is_the_same_leg_after_it_was_written(shown: dict[str, Any]) -> None:
    words = words_of(participant_words(shown))
    assert leg_of(words, PLAN) == read_leg(shown, PLAN)


@given(PARTICIPANTS)
def test_a_leg_of_which_the_participant_was_forgotten_is_the_same_leg(shown: dict[str, Any]) -> None:
    leg = read_leg(shown, PLAN)
    assert read_leg(participant_from(leg), PLAN) == leg


@given(st.text(), TEXT)
def test_any_text_is_a_fact(value: str, other: str) -> None:
    words = words_of(f"word {fact('a', value)} {fact('b', other)}")
    assert words.plain == ("word",)
    assert words.facts == {"a": value, "b": other}


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)))  # noqa: DTZ001 - made aware below
def test_a_moment_is_kept_to_the_microsecond(at: datetime) -> None:
    aware = at.replace(tzinfo=UTC)
    assert moment(seconds(aware, START), START) == aware


@pytest.mark.parametrize("changed_at", [None, START + timedelta(microseconds=1)])
def test_a_row_of_active_calls_is_the_same_row(changed_at: datetime | None) -> None:
    row = ActiveCall(
        number=10, caller_dn="10007", caller_number="", callee_dn="", callee_number="204", changed_at=changed_at
    )
    words = words_of(row_words(row, START, more={"status": "Talking", "+Mood": "text-1"}))
    assert row_of(words, START) == row


def test_a_row_of_the_call_log_is_the_same_segment() -> None:
    row = {
        "CallHistoryId": "00000000-01dc-27fa-d1eb-64b00000002e",
        "StartTime": "2025-09-17T17:45:21.3Z",
        "Answered": True,
        "RingingDuration": "PT8.1S",
        "TalkingDuration": "PT3M24.2S",
        "SourceDn": "10007",
        "Reason": "Ended by name-1 (117)",
        "DstRecId": 4711,
        "Recordings": [{"Id": 4711}],
    }
    assert segment_of(words_of(segment_words(row))) == row
    assert read_segment(segment_of(words_of(segment_words(row)))) == read_segment(row) is not None


def test_a_plan_is_the_same_plan() -> None:
    plan = NumberingPlan(
        kinds={
            "100": DnKind.EXTENSION,
            "101": DnKind.EXTENSION,
            "102": DnKind.EXTENSION,
            "0815": DnKind.IVR,
            "SP0": DnKind.UNKNOWN,
        },
        visible=frozenset(("100", "SP0")),
        trunk_dids={"10007": ("420222000320", "420222000321")},
        rule_names={"*420222000320": "name-1"},
        configured_names={"420222000321": "name-2"},
    )
    lines = list(plan_lines(plan))
    assert "kind extension 100..102" in lines
    assert plan_of([words_of(line) for line in lines]) == plan


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no line `frames`"),
        ("# a log\nhello\n", "no line `frames`"),
        ("frames\nsoon upsert 117/1 Ringing call=10\n", "line 2: no moment"),
        ("frames\n0.0\n", "line 2"),
        ("start yesterday\nframes\n", "start is no time"),
        ("timezone Nowhere/Town\nframes\n", "timezone"),
        ("colour blue\nframes\n", "unknown line before"),
        ("frames\n  leg 117/1\n", "belongs to no other"),
        ("frames\n0.0 plan lines=2\n  kind extension 100\n1.0 remove 117/1\n", "line 2: lines are missing"),
        ('frames\n0.0 upsert 117/1 Ringing call=10 name="a\\q"\n', "line 2: no JSON"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        read_scenario(text)


@pytest.mark.parametrize(
    "line",
    [
        "0.0 dance 117",
        "0.0 upsert 117 Ringing call=10",
        "0.0 upsert 117/1 Ringing",
        "0.0 log lines=0",
        "0.0 asked",
        "0.0 row x",
    ],
)
def test_a_line_that_cannot_be_told_is_refused(line: str) -> None:
    with pytest.raises(ScenarioError):
        list(steps(read_scenario(f"frames\n{line}\n")))


@pytest.mark.parametrize(
    "end", ["1.0 upsert 117/1 Conn", "1.0 snapshot asked=0.9 lines=2\n  leg 117/1 Connected call=10\n"]
)
def test_an_end_that_a_kill_cut_off_is_left_out(end: str) -> None:
    scenario = read_scenario(FRAMES + end)
    assert scenario.is_cut
    assert [one.verb for one in scenario.frames] == ["upsert"]
    assert not read_scenario(FRAMES).is_cut


CAPTURE = (SCENARIOS / "captured_gap_with_a_call_in_it.txt").read_text()
LINES = [line for line in CAPTURE.partition("events\n")[0].splitlines() if not line.startswith("#")]
WORDS = st.sampled_from(
    [
        "",
        "lines=1",
        "lost=",
        "lost=1e300",
        "nan",
        "-1",
        "snapshot",
        '"',
        "=",
        "\x00",
        "asked=nan",
        "inf",
        "call=",
        "call=9e9",
    ]
)


@st.composite
def spoilt(draw: st.DrawFn) -> str:
    """A capture of which some lines are gone, and a word of others is another one."""
    lines = []
    for line in LINES:
        what = draw(st.integers(0, 19))
        words = line.split(" ")
        if what == 1:
            words[draw(st.integers(0, len(words) - 1))] = draw(WORDS)
        if what:
            lines.append(" ".join(words))
    return "\n".join((*lines, ""))


@settings(max_examples=60, deadline=None)
@given(spoilt())
def test_no_file_is_fatal(text: str) -> None:
    with suppress(ScenarioError):
        play(read_scenario(text))


def test_the_same_file_gives_the_same_events_every_time() -> None:
    assert play(read_scenario(CAPTURE)).events == play(read_scenario(CAPTURE)).events
