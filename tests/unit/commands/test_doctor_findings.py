"""What the answers of a PBX mean, and how findings are told: values in, values out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.commands.doctor.findings import Finding, Subject, Verdict, days_text, is_healthy, parted
from services.commands.doctor.pbx_findings import Nothing, PbxSeen, Question, Token, judged
from services.commands.doctor.report import document, summary, table
from services.monitor.calls.numbering import NumberingPlan
from switchhook.errors import PbxAnswer, PbxForbidden, PbxNotFound, PbxUnreachable
from switchhook.events import DnKind

MAIN = Subject("pbx main")
DENIED = PbxForbidden("pbx main: GET /xapi/v1/X: the API client may not do this (403): give it a right")
XAPI = (Question.STATUS, Question.ACTIVE_CALLS, Question.CALL_LOG, Question.DIRECTORY, Question.RECORDINGS)


def findings(
    answers: dict[Question, object], *, plan: NumberingPlan | None = None, ahead: timedelta | None = None
) -> dict[str, Finding]:
    seen = PbxSeen(client_id="switchhook", token=Token.ASKED, answers=answers, plan=plan, clock_ahead=ahead)
    return {finding.check: finding for finding in judged(MAIN, seen)}


@pytest.mark.parametrize(
    ("status", "check", "verdict"),
    [
        ({"Version": "20.0.10.1"}, "version", Verdict.OK),
        ({"Version": "20.0.7.0"}, "version", Verdict.OK),
        ({"Version": "20.0.6.9"}, "version", Verdict.WARNING),
        ({"Version": "20.0.1.9"}, "version", Verdict.FAILED),
        ({"Version": "18.0.9.20"}, "version", Verdict.FAILED),
        ({}, "version", Verdict.OK),
        ({"LicenseActive": True, "MaxSimCalls": 8}, "licence", Verdict.OK),
        ({"LicenseActive": True, "MaxSimCalls": 4}, "licence", Verdict.FAILED),
        ({"LicenseActive": False, "MaxSimCalls": 16}, "licence", Verdict.FAILED),
        ({"MaxSimCalls": "many"}, "licence", Verdict.OK),
        ({"RecordingStopped": True}, "recording", Verdict.FAILED),
    ],
)
def test_the_system_status_tells_version_licence_and_quota(
    status: dict[str, object], check: str, verdict: Verdict
) -> None:
    assert findings({Question.STATUS: status})[check].verdict is verdict


def test_a_missing_configuration_api_is_said_once() -> None:
    found = findings({**dict.fromkeys(XAPI, DENIED), Question.CALL_CONTROL: []})
    assert {check for check, finding in found.items() if finding.verdict is Verdict.FAILED} == {"configuration api"}
    assert found["call control"].verdict is Verdict.OK


def test_a_single_missing_right_is_said_by_its_name() -> None:
    found = findings({**dict.fromkeys(XAPI), Question.CALL_LOG: DENIED})
    assert {check for check, finding in found.items() if finding.verdict is Verdict.FAILED} == {"call log"}
    assert "System Owner" in found["call log"].remedy


def test_what_could_not_be_tried_is_no_fault() -> None:
    found = findings({Question.DOWNLOAD: Nothing("there is no recording yet")})
    assert (found["download"].verdict, found["download"].detail) == (Verdict.OK, "there is no recording yet")


@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [(0, Verdict.OK), (-4, Verdict.OK), (6, Verdict.WARNING), (-59, Verdict.WARNING), (60, Verdict.FAILED)],
)
def test_a_wrong_clock_is_judged_by_how_wrong_it_is(seconds: int, verdict: Verdict) -> None:
    assert findings({}, ahead=timedelta(seconds=seconds))["clock"].verdict is verdict


def test_at_most_twelve_unseen_extensions_are_named() -> None:
    kinds = {str(number): DnKind.EXTENSION for number in range(100, 130)}
    found = findings({}, plan=NumberingPlan(kinds=kinds, visible=frozenset({"129"})))
    assert found["monitored"].detail.endswith("108, 109, 110, 111 and 17 more")


@pytest.mark.parametrize(
    ("error", "detail", "remedy"),
    [
        (PbxUnreachable("pbx main: http://a: is gone: check it"), "http://a: is gone", "check it"),
        (PbxUnreachable("pbx main: it broke (Errno: 5)"), "it broke (Errno: 5)", ""),
        (PbxNotFound("pbx main: GET /x: there is none"), "GET /x: there is none", ""),
        (PbxAnswer(418, "pbx main: GET /x: unexpected answer 418: me"), "GET /x: unexpected answer 418", ""),
        ("token=abc here: do", "token=*** here", "do"),
    ],
)
def test_a_sentence_is_parted_into_what_happened_and_what_to_do(
    error: Exception | str, detail: str, remedy: str
) -> None:
    assert parted(error, "pbx main") == (detail, remedy)


def test_days_are_counted_in_words() -> None:
    told = [days_text(timedelta(hours=hours)) for hours in (1, 23, 24, 72, -72)]
    assert told == ["1 hour", "23 hours", "1 day", "3 days", "3 days"]


def test_a_table_is_grouped_aligned_and_summed_up() -> None:
    found = [
        MAIN.ok("a", "fine"),
        MAIN.failed("long check", "bad\nnews", "mend it"),
        Subject("b").warning("c", "d", "e"),
    ]
    assert list(table(found)) == [
        "pbx main",
        "  ✓ a           fine",
        "  ✗ long check  bad news",
        "                → mend it",
        "",
        "b",
        "  ! c           d",
        "                → e",
        "",
        "1 of 3 checks failed, 1 warning",
    ]
    assert list(table(found, in_colour=True))[2].startswith("  \x1b[31m✗\x1b[0m long check")


def test_a_document_tells_the_same() -> None:
    found = [MAIN.failed("a", "bad", "mend it")]
    told = document(found, version="1.2", at=datetime(2026, 11, 20, 18, tzinfo=UTC))
    assert told == {
        "ok": False,
        "version": "1.2",
        "examined_at": "2026-11-20T18:00:00Z",
        "counts": {"ok": 0, "warning": 0, "failed": 1},
        "findings": [
            {"subject": "pbx main", "check": "a", "verdict": "failed", "detail": "bad", "remedy": "mend it"},
        ],
    }


def test_warnings_alone_are_healthy() -> None:
    found = [MAIN.warning("a", "b", "c")]
    assert is_healthy(found)
    assert summary(found) == "nothing failed, 1 warning"
    assert summary([MAIN.ok("a", "b")]) == "nothing failed; all is well"
