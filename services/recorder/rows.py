"""The PBX's list of recordings, one row at a time: from the vendor's JSON to what matching needs.

Pure. Unknown fields are ignored and missing ones tolerated: a row is refused only when it has no id. What the fields
leave out is taken from the file's name, `[Name]_a-b_YYYYMMDDHHMMSS(number).wav`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_CALL_NUMBER = re.compile(r"\((?P<number>[0-9]{1,10})\)\.[A-Za-z0-9]+$")
_SIDES = re.compile(r"(?:^|[\]_])(?P<a>[^-_\[\]]+)-(?P<b>[^-_\[\]]+)_[0-9]{14}\(")
_SIDE_FIELDS = ("FromDn", "ToDn", "FromCallerNumber", "ToCallerNumber")
_LOCAL = "Local"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRow:
    """One file that the PBX lists.

    `call_number` is the PBX's runtime number of the call, None when the file's name does not tell it. `sides` are all
    numbers, extensions and others, that the row or the name mentions. `is_internal`: no outside party took part.
    """

    id: int
    call_number: int | None
    sides: frozenset[str]
    started_at: datetime | None
    ended_at: datetime | None
    is_internal: bool = False

    def earlier(self, shift: timedelta) -> RecordingRow:
        """The same with its times so much earlier."""
        if not shift:
            return self
        started_at = None if self.started_at is None else self.started_at - shift
        return replace(self, started_at=started_at, ended_at=None if self.ended_at is None else self.ended_at - shift)


def parse_row(fields: Mapping[str, object]) -> RecordingRow | None:
    """One element of the answer's `value`; None when it has no usable id."""
    identity = fields.get("Id")
    if not isinstance(identity, int) or isinstance(identity, bool):
        return None
    url = _text(fields.get("RecordingUrl")) or _text(fields.get("ArchivedUrl"))
    folder, _, name = url.replace("\\", "/").rpartition("/")
    number = _CALL_NUMBER.search(name)
    return RecordingRow(
        id=identity,
        call_number=int(number["number"]) if number else None,
        sides=frozenset(_sides(fields, folder.rpartition("/")[2], name)),
        started_at=_moment(fields.get("StartTime")),
        ended_at=_moment(fields.get("EndTime")),
        is_internal=fields.get("CallType") == _LOCAL,
    )


def bare_number(written: str) -> str:
    """A number as it is compared: without the prefix that marks extensions, blanks, and a leading plus."""
    return written.strip().removeprefix("Ext.").strip().lstrip("+")


def _sides(fields: Mapping[str, object], folder: str, name: str) -> Iterable[str]:
    named = _SIDES.search(name)
    texts = [_text(fields.get(field)) for field in _SIDE_FIELDS]
    texts += [folder, *(named.groups() if named else ())]
    return (number for text in texts if (number := bare_number(text)))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
