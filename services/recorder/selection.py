"""Which recordings are meant: what an operator may ask for, as a value, and how it is written. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from switchhook.errors import AdminRefused
from switchhook.settings import parse_duration

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

FIELDS = ("call", "pbx", "since", "until")
DEFAULT_LIMIT, HIGHEST_LIMIT = 100, 1_000

Place = tuple[int, str, str, int, int]
"""Where a page ends: time of keeping (microseconds), PBX, call, link, number."""

_PLACE_PARTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What every chosen file has in common; an empty field lets everything through.

    `since` and `until` bound the time at which it was stored. `is_gone`: deleted ones too.
    """

    pbx: str = ""
    call_id: str = ""
    since: datetime | None = None
    until: datetime | None = None
    is_gone: bool = False
    limit: int = DEFAULT_LIMIT
    after: Place | None = None


def parse_selection(given: Mapping[str, str], *, now: datetime) -> Selection:
    """The selection of a query or a body. Raises `AdminRefused` with a sentence that names the field."""
    demand_known(given, (*FIELDS, "limit", "cursor", "all"))
    pbx, call_id = parse_call(given)
    limit = given.get("limit", str(DEFAULT_LIMIT))
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= HIGHEST_LIMIT):
        raise invalid(f"limit: must be a whole number from 1 to {HIGHEST_LIMIT}")
    return Selection(
        pbx=pbx,
        call_id=call_id,
        since=_time(given, "since", now),
        until=_time(given, "until", now),
        is_gone=given.get("all") == "true",
        limit=int(limit),
        after=_place(given["cursor"]) if given.get("cursor") else None,
    )


def parse_call(given: Mapping[str, str]) -> tuple[str, str]:
    """The PBX, empty when none is named, and the call's id, from `call` (`<id>` or `<pbx>/<id>`) and `pbx`."""
    written = given.get("call", "")
    named, slash, call_id = written.rpartition("/")
    return (named if slash else given.get("pbx", "")), call_id


def cursor_text(place: Place) -> str:
    """A place as it is handed out."""
    return "/".join(str(part) for part in place)


def demand_known(given: Iterable[str], known: Collection[str]) -> None:
    """Raises `AdminRefused` for a field of another name."""
    for name in given:
        if name not in known:
            raise invalid(f"{name}: is unknown here (known: {', '.join(known)})")


def invalid(sentence: str) -> AdminRefused:
    """A request that cannot be understood; the sentence begins with the name of the field."""
    return AdminRefused(400, "invalid", sentence)


def _place(written: str) -> Place:
    parts = written.split("/")
    if len(parts) != _PLACE_PARTS or not all(parts[place].isdigit() for place in (0, 3, 4)):
        raise invalid("cursor: use the one of the page before")
    return int(parts[0]), parts[1], parts[2], int(parts[3]), int(parts[4])


def _time(given: Mapping[str, str], name: str, now: datetime) -> datetime | None:
    written = given.get(name, "")
    if not written:
        return None
    try:
        return now - parse_duration(written)
    except (ValueError, OverflowError):
        pass
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        raise invalid(f'{name}: write how long ago, such as "2h", or a time, such as "2026-03-07T12:00:00Z"') from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
