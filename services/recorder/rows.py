"""One recording that a PBX lists: from the vendor's JSON, or from a file's name, to what matching needs.

Pure. Unknown fields are ignored and missing ones tolerated: a row is refused only when it has no id. What the fields
leave out is taken from the file's name, `[Name]_a-b_YYYYMMDDHHMMSS(number).wav`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from switchhook.events import Direction

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CALL_NUMBER = re.compile(r"\((?P<number>[0-9]{1,10})\)\.[A-Za-z0-9]+$")
SIDES = re.compile(r"(?:^|[\]_])(?P<a>[^-_\[\]]*)-(?P<b>[^-_\[\]]*)_[0-9]{14}[(.]")
_IDS = range(1, 2**63)  # what a signed 64-bit column takes
# What a PBX writes for a time that it does not have is the first or the last one there is, or that of some epoch.
_YEARS = range(1971, 2200)
_SIDE_FIELDS = ("FromDn", "ToDn", "FromCallerNumber", "ToCallerNumber")
_DIRECTIONS = {
    "Local": Direction.INTERNAL,
    "InboundExternal": Direction.INBOUND,
    "OutboundExternal": Direction.OUTBOUND,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRow:
    """One file that the PBX has.

    `id` names it for ever, `mark` is its place in the list (0: the same as `id`), `file` its path where it is read from
    a folder. `call_number` is the PBX's runtime number of the call, None when nothing tells it. `sides` are all
    numbers, extensions and others, that the row or the name mentions; `user` is the extension among them and
    `outside_number` the other one, where that is known. `direction` is None when nothing tells it.
    """

    id: int
    call_number: int | None
    sides: frozenset[str]
    started_at: datetime | None
    ended_at: datetime | None
    direction: Direction | None = None
    user: str = ""
    outside_number: str = ""
    did: str = ""
    file: str = ""
    mark: int = 0

    @property
    def is_internal(self) -> bool:
        """True when no outside party took part."""
        return self.direction is Direction.INTERNAL

    @property
    def place(self) -> int:
        """Where it stands in the list."""
        return self.mark or self.id

    def earlier(self, shift: timedelta) -> RecordingRow:
        """The same with its times so much earlier."""
        if not shift:
            return self
        started_at = None if self.started_at is None else self.started_at - shift
        return replace(self, started_at=started_at, ended_at=None if self.ended_at is None else self.ended_at - shift)


def parse_row(fields: Mapping[str, object]) -> RecordingRow | None:
    """One element of the answer's `value`; None when it has no usable id."""
    identity = fields.get("Id")
    if not isinstance(identity, int) or isinstance(identity, bool) or identity not in _IDS:
        return None
    url = _text(fields.get("RecordingUrl")) or _text(fields.get("ArchivedUrl"))
    folder, _, name = url.replace("\\", "/").rpartition("/")
    number = CALL_NUMBER.search(name)
    direction = _DIRECTIONS.get(_text(fields.get("CallType")))
    inside, outside = ("To", "From") if direction is Direction.INBOUND else ("From", "To")
    return RecordingRow(
        id=identity,
        call_number=int(number["number"]) if number else None,
        sides=frozenset(_sides(fields, folder.rpartition("/")[2], name)),
        started_at=_moment(fields.get("StartTime")),
        ended_at=_moment(fields.get("EndTime")),
        direction=direction,
        user=_text(fields.get(f"{inside}Dn")),
        outside_number=_text(fields.get(f"{outside}CallerNumber")).removeprefix("Ext.").strip(),
        did=_text(fields.get("FromDidNumber")) if direction is Direction.INBOUND else "",
    )


def row_to_json(row: RecordingRow) -> str:
    """The row as it is remembered."""
    fields = {name: getattr(row, name) for name in RecordingRow.__dataclass_fields__}
    # Not by orjson: a file's name may have bytes that are no text.
    return json.dumps({**fields, "sides": sorted(row.sides)}, default=datetime.isoformat)


def row_from_json(text: str) -> RecordingRow:
    """What `row_to_json` wrote."""
    fields: dict[str, Any] = json.loads(text)
    direction = fields["direction"]
    return RecordingRow(
        **{
            **fields,
            "sides": frozenset(fields["sides"]),
            "started_at": _moment(fields["started_at"]),
            "ended_at": _moment(fields["ended_at"]),
            "direction": None if direction is None else Direction(direction),
        }
    )


def bare_number(written: str) -> str:
    """A number as it is compared: without the prefix that marks extensions, blanks, and a leading plus."""
    return written.strip().removeprefix("Ext.").strip().lstrip("+")


def _sides(fields: Mapping[str, object], folder: str, name: str) -> Iterable[str]:
    named = SIDES.search(name)
    texts = [_text(fields.get(field)) for field in _SIDE_FIELDS]
    texts += [folder, *((named["a"], named["b"]) if named else ())]
    return (number for text in texts if (number := bare_number(text)))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    if moment.year not in _YEARS:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
