"""The findings as a table for people and as a document for programs. Pure."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, Any

from services.commands.demo_lines import Colour, painted
from services.commands.doctor.findings import Verdict, is_healthy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from services.commands.doctor.findings import Finding

_MARKS: Mapping[Verdict, str] = {Verdict.OK: "✓", Verdict.WARNING: "!", Verdict.FAILED: "✗"}
_PLAIN_MARKS: Mapping[Verdict, str] = {Verdict.OK: "ok", Verdict.WARNING: "! ", Verdict.FAILED: "X "}
_COLOURS: Mapping[Verdict, Colour] = {
    Verdict.OK: Colour.GREEN,
    Verdict.WARNING: Colour.YELLOW,
    Verdict.FAILED: Colour.RED,
}


def table(findings: Sequence[Finding], *, in_colour: bool = False, in_ascii: bool = False) -> Iterator[str]:
    """The lines: findings under their subjects, remedies below what they cure, and a sum at the end."""
    marks = _PLAIN_MARKS if in_ascii else _MARKS
    width = max((len(finding.check) for finding in findings), default=0)
    margin = " " * (2 + len(marks[Verdict.OK]) + 1 + width + 2)
    for subject, group in groupby(findings, key=lambda finding: finding.subject):
        yield subject
        for finding in group:
            mark = painted(marks[finding.verdict], _COLOURS[finding.verdict], in_colour=in_colour)
            yield f"  {mark} {finding.check.ljust(width)}  {_line(finding.detail)}".rstrip()
            if finding.remedy:
                yield f"{margin}{'->' if in_ascii else '→'} {_line(finding.remedy)}"
        yield ""
    yield summary(findings)


def summary(findings: Sequence[Finding]) -> str:
    """One sentence about all of them."""
    count = Counter(finding.verdict for finding in findings)
    failed, warnings = count[Verdict.FAILED], count[Verdict.WARNING]
    said = f"{failed} of {_counted(len(findings), 'check')} failed" if failed else "nothing failed"
    return f"{said}, {_counted(warnings, 'warning')}" if warnings else f"{said}; all is well" if not failed else said


def document(findings: Sequence[Finding], *, version: str, at: datetime) -> dict[str, Any]:
    """The same for programs; docs/operations.md describes it."""
    count = Counter(finding.verdict for finding in findings)
    return {
        "ok": is_healthy(findings),
        "version": version,
        "examined_at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "counts": {verdict.value: count[verdict] for verdict in Verdict},
        "findings": [
            {
                "subject": finding.subject,
                "check": finding.check,
                "verdict": finding.verdict.value,
                "detail": _line(finding.detail),
                "remedy": _line(finding.remedy),
            }
            for finding in findings
        ],
    }


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _line(text: str) -> str:
    """Foreign text may hold anything."""
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
