"""What the name of a recording file tells: `<extension>/[Name]_a-b_YYYYMMDDHHMMSS(number).wav`, and any part may miss.

Pure. The time in a name is the PBX's local one, or UTC where its clock is: the file's own time and length tell which.
Who the outside party is, and so the direction, is told by the folder: it is the extension's.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from services.recorder.rows import CALL_NUMBER, SIDES, RecordingRow, bare_number
from switchhook.events import Direction

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

_TIME = re.compile(r"_(?P<time>[0-9]{14})(?=[(.])")
_LONGEST_CALL = timedelta(hours=12)  # a file's time that is further off than this is that of a copy
_ID_BYTES = 7  # what a signed 64-bit column takes


def file_row(path: str, *, written_at: datetime, length: timedelta, zone: ZoneInfo, mark: int) -> RecordingRow:
    """The row of a file; `path` is below the PBX's folder, with `/`."""
    # What is told of the recording is text, which a file's name need not be.
    folder, _, name = path.encode(errors="surrogateescape").decode(errors="replace").rpartition("/")
    number, named = CALL_NUMBER.search(name), SIDES.search(name)
    a, b = (bare_number(named["a"]), bare_number(named["b"])) if named else ("", "")
    user = bare_number(folder.rpartition("/")[2])
    started_at = _nearest(name_times(name, zone), written_at - length)
    return RecordingRow(
        id=int.from_bytes(hashlib.blake2b(path.encode(errors="surrogateescape"), digest_size=_ID_BYTES).digest()),
        call_number=int(number["number"]) if number else None,
        sides=frozenset(filter(None, (user, a, b))),
        started_at=started_at,
        ended_at=started_at + length,
        direction=_direction(user, a, b),
        user=user or a or b,
        outside_number=_other(user, a, b),
        file=path,
        mark=mark,
    )


def name_times(name: str, zone: ZoneInfo) -> list[datetime]:
    """The moments that the time in a file's name may mean, the likeliest first; none when there is no time."""
    found = _TIME.search(name)
    if found is None:
        return []
    try:
        written = datetime.strptime(found["time"], "%Y%m%d%H%M%S")  # noqa: DTZ007 - which zone is the question
    except ValueError:
        return []
    local = (written.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return list(dict.fromkeys([*local, written.replace(tzinfo=UTC)]))


def _nearest(times: Sequence[datetime], guess: datetime) -> datetime:
    """The one that the file's own time bears out; else the likeliest."""
    if not times:
        return guess
    nearest = min(times, key=lambda time: abs(time - guess))
    return nearest if abs(nearest - guess) < _LONGEST_CALL else times[0]


def _other(user: str, a: str, b: str) -> str:
    return next((side for side in (a, b) if side and side != user), "")


def _direction(user: str, a: str, b: str) -> Direction | None:
    """None where it cannot be told, or where both may be extensions."""
    other = _other(user, a, b)
    if not user or not other or (other.isdigit() and len(other) <= len(user)):
        return None
    return Direction.OUTBOUND if a == user else Direction.INBOUND if b == user else None
