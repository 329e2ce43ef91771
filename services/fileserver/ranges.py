"""Which part of a file a request gets: the preconditions and the range of RFC 9110, sections 13 and 14.

Pure: header values in, a decision out. A range that cannot be read, ranges of methods other than GET, and several that
overlap or are very many are ignored, as the RFC allows, so the whole file is sent; ranges that can be read and all lie
outside are unsatisfiable.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_RANGES = re.compile(r"bytes=(?P<ranges>[0-9, \t-]*)", re.IGNORECASE)
_RANGE = re.compile(r"(?P<first>[0-9]{0,18})-(?P<last>[0-9]{0,18})")
_MOST_RANGES = 16
_ETAG = re.compile(r'(?P<weak>W/)?"(?P<tag>[\x21\x23-\x7e\x80-\xff]*)"')


@dataclass(frozen=True, slots=True)
class Representation:
    """What is to be sent: size in bytes, strong entity tag without quotes, time of change in UTC to the second."""

    size: int
    tag: str
    modified: datetime

    @property
    def etag(self) -> str:
        """The tag as a header shows it."""
        return f'"{self.tag}"'


@dataclass(frozen=True, slots=True)
class Whole:
    """The file from its first to its last byte (200)."""


@dataclass(frozen=True, slots=True)
class Part:
    """`length` bytes from `start` (206)."""

    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Parts:
    """Several parts, two at least, in the order in which they were asked for (206, multipart/byteranges)."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class NotModified:
    """The client's copy is current (304)."""


@dataclass(frozen=True, slots=True)
class PreconditionFailed:
    """The client wants another state of the file (412)."""


@dataclass(frozen=True, slots=True)
class Unsatisfiable:
    """The range lies outside the file (416)."""


Selection = Whole | Part | Parts | NotModified | PreconditionFailed | Unsatisfiable


def select(method: str, headers: Mapping[str, str], current: Representation) -> Selection:
    """Decide in the RFC's order of precedence; `method` is GET or HEAD, `headers` ignores the case of names."""
    if not _is_wanted_state(headers, current):
        return PreconditionFailed()
    if _has_current_copy(headers, current):
        return NotModified()
    wanted = headers.get("Range")
    if method != "GET" or wanted is None or not _range_applies(headers.get("If-Range"), current):
        return Whole()
    return _ranges(wanted, current.size)


def _is_wanted_state(headers: Mapping[str, str], current: Representation) -> bool:
    if (tags := headers.get("If-Match")) is not None:
        return tags.strip() == "*" or _names(tags, current.tag, weak=False)
    since = _moment(headers.get("If-Unmodified-Since"))
    return since is None or current.modified <= since


def _has_current_copy(headers: Mapping[str, str], current: Representation) -> bool:
    if (tags := headers.get("If-None-Match")) is not None:
        return tags.strip() == "*" or _names(tags, current.tag, weak=True)
    since = _moment(headers.get("If-Modified-Since"))
    return since is not None and current.modified <= since


def _range_applies(condition: str | None, current: Representation) -> bool:
    """If-Range: a strong tag or an exact date; everything else means that the client's part is of another file."""
    if condition is None:
        return True
    if '"' in condition:
        found = _ETAG.fullmatch(condition.strip())
        return found is not None and found["weak"] is None and found["tag"] == current.tag
    return _moment(condition) == current.modified


def _ranges(wanted: str, size: int) -> Selection:
    found = _RANGES.fullmatch(wanted.strip())
    written = [] if found is None else [one.strip() for one in found["ranges"].split(",") if one.strip()]
    parts = [_part(one, size) for one in written]
    if not 1 <= len(written) <= _MOST_RANGES or any(isinstance(part, Whole) for part in parts):
        return Whole()
    inside = [part for part in parts if isinstance(part, Part)]
    match inside:
        case []:
            return Unsatisfiable()
        case [only]:
            return only
        case _:
            return Whole() if _overlap(inside) else Parts(tuple(inside))


def _part(wanted: str, size: int) -> Part | Whole | Unsatisfiable:
    """One range; `Whole` when it cannot be read."""
    found = _RANGE.fullmatch(wanted)
    if found is None:
        return Whole()
    first, last = found["first"], found["last"]
    if not first and not last:
        return Whole()
    if not first:
        length = min(int(last), size)
        return Part(size - length, length) if length else Unsatisfiable()
    start = int(first)
    if last and int(last) < start:
        return Whole()
    if start >= size:
        return Unsatisfiable()
    end = min(int(last), size - 1) if last else size - 1
    return Part(start, end - start + 1)


def _overlap(parts: Sequence[Part]) -> bool:
    """True when some byte would be sent twice: nobody who plays a file asks for that."""
    ordered = sorted(parts, key=lambda part: part.start)
    return any(one.start + one.length > next_one.start for one, next_one in pairwise(ordered))


def _names(tags: str, tag: str, *, weak: bool) -> bool:
    return any(found["tag"] == tag and (weak or found["weak"] is None) for found in _ETAG.finditer(tags))


def _moment(written: str | None) -> datetime | None:
    """An HTTP date, None when it is none: such a header is to be ignored."""
    if written is None:
        return None
    try:
        moment = parsedate_to_datetime(written)
    except (ValueError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
