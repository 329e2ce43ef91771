"""Reads the PBX's call log: the only witness of what happened while nobody watched."""

from __future__ import annotations

import contextlib
import re
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from services.monitor.calls.history import Segment, decode_history_id
from services.monitor.payloads import read_time, rows, text_of
from switchhook.errors import PbxAnswer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from switchhook.pbx.session import PbxSession

_PAGE = 500  # rows
_MOST_ROWS = 20_000  # the PBX's own limit
_LONGEST = timedelta(days=30)  # a longer segment is a mistake, and calculating with it may overflow
_SHORTEST = timedelta(minutes=10)  # of a period that is read in two halves because it has more rows than that
_MOST_RECORDINGS = 20  # of a row
_HIGHEST_ID = 2**31 - 1  # by the vendor's description
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
_FUNCTION = (
    "/xapi/v1/ReportCallLogData/Pbx.GetCallLogData(periodFrom={since},periodTo={until},sourceType=0,sourceFilter='',"
    "destinationType=0,destinationFilter='',callsType=0,callTimeFilterType=0,callTimeFilterFrom='0:00:0',"
    "callTimeFilterTo='0:00:0',hidePcalls=true)"
)


async def read_call_log(
    session: PbxSession, *, since: datetime, until: datetime, numbers: AbstractSet[int] | None = None
) -> list[Segment]:
    """The segments that began in this time and have ended; with `numbers` only those of calls that have one of them.

    All times are by our clock, however wrong the PBX's is. Raises `PbxError`: `PbxForbidden` where the log may not be
    read, `PbxAnswer` where its rows do not tell which call they belong to, as before 3CX 20.0.7.
    """
    ahead = session.clock_ahead
    path = _FUNCTION.format(since=_moment(since + ahead), until=_moment(until + ahead))
    segments: list[Segment] = []
    last: Sequence[Mapping[str, Any]] = ()
    for skip in range(0, _MOST_ROWS, _PAGE):
        page = rows(await session.get_json(path, {"$top": _PAGE, "$skip": skip}))
        if page == last:
            return segments  # the end; or a PBX that has one page for everything
        last = page
        if page and not any(row.get("CallHistoryId") for row in page):
            raise PbxAnswer(HTTPStatus.OK, "the rows of the call log do not name their calls: 3CX 20.0.7 or later does")
        wanted = page if numbers is None else [row for row in page if not numbers.isdisjoint(_numbers(row))]
        segments += [segment.earlier(ahead) for row in wanted if (segment := read_segment(row)) is not None]
        if len(page) < _PAGE:
            return segments
    if until - since < _SHORTEST:
        return segments
    middle = since + (until - since) / 2
    older = await read_call_log(session, since=since, until=middle, numbers=numbers)
    return older + await read_call_log(session, since=middle, until=until, numbers=numbers)


def read_segment(row: Mapping[str, Any]) -> Segment | None:
    """One row; None when it does not tell what is needed."""
    key = decode_history_id(str(row.get("CallHistoryId") or ""))
    started_at = read_time(row.get("StartTime"))
    if key is None or started_at is None:
        return None
    ringing, talking = _duration(row.get("RingingDuration")), _duration(row.get("TalkingDuration"))
    answered_at = started_at + ringing if row.get("Answered") else None
    return Segment(
        key=key,
        main=decode_history_id(str(row.get("MainCallHistoryId") or "")) or key,
        source_dn=text_of(row, "SourceDn"),
        source_number=text_of(row, "SourceCallerId").removeprefix("Ext."),
        destination_dn=text_of(row, "DestinationDn"),
        destination_number=text_of(row, "DestinationCallerId").removeprefix("Ext."),
        started_at=started_at,
        answered_at=answered_at,
        ended_at=started_at + ringing + talking,
        reason=text_of(row, "Reason"),
        recording_ids=_recording_ids(row),
    )


def _numbers(row: Mapping[str, Any]) -> Iterator[int]:
    """The runtime numbers of a row's call and of the whole that it belongs to, without reading the rest of the row."""
    for name in ("CallHistoryId", "MainCallHistoryId"):
        with contextlib.suppress(ValueError):
            yield int(str(row.get(name))[-8:], 16)


def _recording_ids(row: Mapping[str, Any]) -> tuple[int, ...]:
    """Of either side, and what newer versions list besides; each once."""
    listed = row.get("Recordings")
    more = (
        [one.get("Id") for one in listed[:_MOST_RECORDINGS] if isinstance(one, dict)]
        if isinstance(listed, list)
        else []
    )
    found = (row.get("SrcRecId"), row.get("DstRecId"), *more)
    return tuple(dict.fromkeys(one for one in found if type(one) is int and 0 < one <= _HIGHEST_ID))


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def _duration(text: object) -> timedelta:
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return timedelta()
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    try:
        duration = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        return timedelta()
    return duration if duration < _LONGEST else timedelta()
