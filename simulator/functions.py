"""The arguments of the call log's function as a path carries them: all, of the right types, or an error. Pure."""

from __future__ import annotations

import re
from typing import Final

from simulator.odata import QueryError

_ARGUMENT = re.compile(r"\s*(\w+)\s*=\s*('(?:[^']|'')*'|[^',]*?)\s*(?:,|$)")
_NUMBER = re.compile(r"-?[0-9]{1,10}")
_TEXT = re.compile(r"'(?:[^']|'')*'|null")
_FLAG = re.compile(r"true|false")
_ANY = re.compile(r".*")  # a time that is none is an error of the vendor's server, not of the request

REPORT: Final = {
    "periodFrom": _ANY,
    "periodTo": _ANY,
    "sourceType": _NUMBER,
    "sourceFilter": _TEXT,
    "destinationType": _NUMBER,
    "destinationFilter": _TEXT,
    "callsType": _NUMBER,
    "callTimeFilterType": _NUMBER,
    "callTimeFilterFrom": _TEXT,
    "callTimeFilterTo": _TEXT,
    "hidePcalls": _FLAG,
}


def report_arguments(text: str) -> dict[str, str] | None:
    """The arguments by name; None unless they are exactly the function's. Raises QueryError for a wrong type."""
    given: dict[str, str] = {}
    place = 0
    while place < len(text):
        match = _ARGUMENT.match(text, place)
        if match is None or match.end() == place:
            raise QueryError(f"Syntax error at position {place} of the arguments.")
        given[match[1]] = match[2]
        place = match.end()
    if given.keys() != REPORT.keys():
        return None
    wrong = [name for name, form in REPORT.items() if not form.fullmatch(given[name])]
    if wrong:
        raise QueryError(f"The value '{given[wrong[0]]}' of '{wrong[0]}' is of the wrong type.")
    return given
