"""What the answers of a PBX mean: is every interface open to the API client, does it see every DN. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from services.commands.doctor.findings import Subject, parted
from switchhook.errors import PbxAnswer, PbxError, PbxForbidden
from switchhook.events import DnKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from services.commands.doctor.findings import Finding
    from services.monitor.calls.numbering import NumberingPlan

CLOCK_TOLERATED, CLOCK_WRONG = timedelta(seconds=5), timedelta(seconds=60)
_OLDEST, _WITH_CALL_IDS = (20, 0, 2), (20, 0, 7)
_LEAST_CALLS = 8
_NAMED = 12  # DNs in a sentence
_CONSOLE = "Admin Console > Integrations > API"


class Token(StrEnum):
    """How the examination came to a token."""

    ASKED = "asked"
    SHARED = "shared"
    LEFT = "left"


class Question(StrEnum):
    """What is asked of a PBX; the names of checks."""

    STATUS = "version"
    CALL_CONTROL = "call control"
    WEBSOCKET = "websocket"
    ACTIVE_CALLS = "active calls"
    CALL_LOG = "call log"
    RECORDINGS = "recordings"
    DOWNLOAD = "download"
    DIRECTORY = "directory"


_CONFIGURATION = (
    Question.STATUS,
    Question.ACTIVE_CALLS,
    Question.CALL_LOG,
    Question.RECORDINGS,
    Question.DIRECTORY,
)
_OPEN: Mapping[Question, str] = {
    Question.CALL_CONTROL: "the API client may read the live calls",
    Question.WEBSOCKET: "opened",
    Question.ACTIVE_CALLS: "the API client may list them",
    Question.CALL_LOG: "the API client may read it",
    Question.RECORDINGS: "the API client may list them",
    Question.DIRECTORY: "numbers, trunks and inbound rules can be read",
}
_ROLE = f"give the API client a real department and the role System Owner ({_CONSOLE})"
_OTHERWISE: Mapping[Question, str] = {
    Question.STATUS: "look whether the url is that of the PBX itself",
    Question.CALL_CONTROL: "look whether the url is that of the PBX itself",
    Question.WEBSOCKET: "look whether a proxy before the PBX lets websockets through",
    Question.ACTIVE_CALLS: _ROLE,
    Question.CALL_LOG: _ROLE,
    Question.RECORDINGS: _ROLE,
    Question.DOWNLOAD: "try to play the newest recording in the web client: its file may be gone or archived",
    Question.DIRECTORY: _ROLE,
}


@dataclass(frozen=True, slots=True)
class Nothing:
    """There was nothing to try it with, or no need to; `why` says so. `remedy` is there when it should be tried."""

    why: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PbxSeen:
    """What was asked and answered. An answer may be the error instead; STATUS answers with a mapping."""

    client_id: str
    token: Token
    answers: Mapping[Question, object]
    plan: NumberingPlan | None = None
    clock_ahead: timedelta | None = None


def judged(subject: Subject, seen: PbxSeen) -> Iterator[Finding]:
    """All findings about a PBX that granted a token."""
    yield _token(subject, seen)
    answers = seen.answers
    if _lacks_configuration_api(answers):
        yield subject.failed(
            "configuration api",
            "the API client may use nothing of it (403): no recordings, no call log, no names",
            f'switch on "3CX Configuration API access" and {_ROLE}',
        )
        answers = {question: answer for question, answer in answers.items() if question not in _CONFIGURATION}
    status = answers.get(Question.STATUS)
    if isinstance(status, dict):
        yield from _system(subject, status)
    for question, answer in answers.items():
        if isinstance(answer, PbxError):
            yield _refused(subject, question, answer)
        elif isinstance(answer, Nothing):
            is_fine = not answer.remedy
            yield subject.ok(question, answer.why) if is_fine else subject.warning(question, answer.why, answer.remedy)
        elif question in _OPEN:
            yield subject.ok(question, _OPEN[question])
        elif question is Question.DOWNLOAD:
            yield subject.ok(question, str(answer))
    if seen.plan is not None:
        yield from _monitored(subject, seen.plan)
    if seen.clock_ahead is not None:
        yield _clock(subject, seen.clock_ahead)


def _token(subject: Subject, seen: PbxSeen) -> Finding:
    if seen.token is Token.SHARED:
        return subject.ok("token", "that of the running services is used, so client_secret was not tried")
    return subject.ok("token", f"granted to client_id {seen.client_id}; nothing of Switchhook that uses it runs here")


def _lacks_configuration_api(answers: Mapping[Question, object]) -> bool:
    given = [answers[question] for question in _CONFIGURATION if question in answers]
    return len(given) > 1 and all(isinstance(answer, PbxForbidden) for answer in given)


def _refused(subject: Subject, question: Question, error: PbxError) -> Finding:
    if isinstance(error, PbxForbidden):
        _, remedy = parted(error, subject.name)
        is_call_control = question in {Question.CALL_CONTROL, Question.WEBSOCKET}
        return subject.failed(question, "the API client may not do this (403)", remedy if is_call_control else _ROLE)
    if isinstance(error, PbxAnswer) and "20.0.7" in str(error):
        return subject.warning(question, "its rows do not name their calls", "update the PBX to 20.0.7 or later")
    return subject.refused(question, error, otherwise=_OTHERWISE[question])


def _system(subject: Subject, status: Mapping[str, object]) -> Iterator[Finding]:
    written = str(status.get("Version") or "unknown")
    version = tuple(map(int, re.findall(r"\d+", written)[:3]))
    if version and version < _OLDEST:
        yield subject.failed("version", f"3CX {written}", "update the PBX to V20 Update 2 or later")
    elif version and version < _WITH_CALL_IDS:
        sentence = f"3CX {written}: its call log does not name the calls, which outages and exact figures need"
        yield subject.warning("version", sentence, "update the PBX to 20.0.7 or later")
    else:
        yield subject.ok("version", f"3CX {written}")
    yield _licence(subject, status)
    stopped = [word for key, word in _STOPPED.items() if status.get(key) is True]
    if stopped:
        yield subject.failed(
            "recording", f"the PBX records no more: {stopped[0]}", "free space on the PBX, or raise its quota"
        )


_STOPPED = {"RecordingQuotaReached": "its quota is reached", "RecordingStopped": "it was stopped"}


def _licence(subject: Subject, status: Mapping[str, object]) -> Finding:
    calls = status.get("MaxSimCalls")
    what = f"{calls} simultaneous calls" if isinstance(calls, int) else "its size is not told"
    if status.get("LicenseActive") is False:
        return subject.failed("licence", f"not active, {what}", "activate or renew the licence of the PBX")
    if isinstance(calls, int) and calls < _LEAST_CALLS:
        return subject.failed("licence", what, "get a licence of 8SC or more, Enterprise (AI) edition")
    return subject.ok("licence", f"active, {what}")


def _monitored(subject: Subject, plan: NumberingPlan) -> Iterator[Finding]:
    extensions = {dn for dn, kind in plan.kinds.items() if kind is DnKind.EXTENSION}
    unseen = extensions - plan.visible
    where = f'add them to "Extension(s) to monitor" of the API client ({_CONSOLE})'
    if unseen and unseen == extensions:
        yield subject.failed("monitored", "the API client sees no extension at all, so no call is seen", where)
    elif unseen:
        detail = f"{len(unseen)} of {len(extensions)} extensions are not, so their calls stay unseen: {_named(unseen)}"
        yield subject.failed("monitored", detail, where)
    else:
        yield subject.ok("monitored", f"all {len(extensions)} extensions")
    if plan.hidden:
        detail = f"seen later, by asking: {_named(plan.hidden)}"
        yield subject.warning("queues, ivrs", detail, where)


def _named(dns: Iterable[str]) -> str:
    ordered = sorted(dns, key=lambda dn: (len(dn), dn))
    more = len(ordered) - _NAMED
    return ", ".join(ordered[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _clock(subject: Subject, ahead: timedelta) -> Finding:
    apart = abs(ahead)
    if apart < CLOCK_TOLERATED:
        return subject.ok("clock", "that of the PBX and of this machine agree")
    direction = "ahead of" if ahead > timedelta() else "behind"
    detail = f"that of the PBX is {apart.total_seconds():.0f} s {direction} this machine's"
    remedy = "set both by NTP: ids of calls, and what the call log tells, carry these times"
    judge = subject.failed if apart >= CLOCK_WRONG else subject.warning
    return judge("clock", detail, remedy)
