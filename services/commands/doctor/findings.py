"""What an examination found: one `Finding` for each thing that was looked at, and the verdicts. Pure.

The names of subjects and checks are stable: programs read them (`--json`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from switchhook.errors import ConfigError, PbxAnswer, PbxNotFound
from switchhook.telemetry.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import timedelta

_BODY = re.compile(r"(unexpected answer \d+).*", re.DOTALL)
_DAY = 24 * 60 * 60  # seconds
_LOOK = "look at what answers there"


class Verdict(StrEnum):
    """A warning is worth a look and makes no difference to the exit code."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`remedy` is one sentence that says what to do; empty where nothing is to be done."""

    subject: str
    check: str
    verdict: Verdict
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """Makes the findings of one subject, such as `pbx main`."""

    name: str

    def ok(self, check: str, detail: str) -> Finding:
        """All is well."""
        return Finding(subject=self.name, check=check, verdict=Verdict.OK, detail=detail)

    def warning(self, check: str, detail: str, remedy: str) -> Finding:
        """Worth a look."""
        return Finding(subject=self.name, check=check, verdict=Verdict.WARNING, detail=detail, remedy=remedy)

    def failed(self, check: str, detail: str, remedy: str) -> Finding:
        """Something does not work."""
        return Finding(subject=self.name, check=check, verdict=Verdict.FAILED, detail=detail, remedy=remedy)

    def refused(self, check: str, error: Exception, *, otherwise: str = _LOOK) -> Finding:
        """An error of ours, whose sentence mostly ends with its remedy; else it is `otherwise`."""
        detail, remedy = parted(error, self.name)
        return self.failed(check, detail, remedy or otherwise)

    def misconfigured(self, check: str, error: ConfigError) -> Iterator[Finding]:
        """One for each problem."""
        for problem in error.problems:
            detail, remedy = parted(problem, self.name)
            yield self.failed(check, detail, remedy or "correct it in the configuration")


def parted(error: Exception | str, subject: str = "") -> tuple[str, str]:
    """What happened, and what to do (empty when the sentence does not say): its part after the last colon."""
    text = redacted(_BODY.sub(r"\1", str(error))).removeprefix(f"{subject}: ").strip()
    if isinstance(error, PbxNotFound) or "unexpected answer" in text or not text:
        return text, ""
    detail, _, remedy = text.rpartition(": ")
    is_aside = remedy.count(")") > remedy.count("(")  # a colon within brackets parts nothing
    if not detail or is_aside or (isinstance(error, PbxAnswer) and " " not in detail):
        return text, ""
    return detail, remedy


def is_healthy(findings: Iterable[Finding]) -> bool:
    """True when nothing failed."""
    return all(finding.verdict is not Verdict.FAILED for finding in findings)


def days_text(left: timedelta) -> str:
    """`61 days`, `1 day`; less than one is said in hours."""
    seconds = abs(left.total_seconds())
    count, unit = (int(seconds // _DAY), "day") if seconds >= _DAY else (int(seconds // 3600), "hour")
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
