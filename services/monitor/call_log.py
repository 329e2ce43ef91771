"""Reads the PBX's call log: the only witness of what happened while nobody watched."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from services.monitor.calls.history import Segment, decode_history_id
from services.monitor.payloads import read_time, rows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from switchhook.pbx.session import PbxSession

_PAGE = 500  # rows
_MOST_ROWS = 20_000  # the PBX's own limit
_LONGEST = timedelta(days=30)  # a longer segment is a mistake, and calculating with it may overflow
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
_FUNCTION = (
    "/xapi/v1/ReportCallLogData/Pbx.GetCallLogData(periodFrom={since},periodTo={until},sourceType=0,sourceFilter='',"
    "destinationType=0,destinationFilter='',callsType=0,callTimeFilterType=0,callTimeFilterFrom='0:00:0',"
    "callTimeFilterTo='0:00:0',hidePcalls=true)"
)


async def read_call_log(session: PbxSession, *, since: datetime, until: datetime) -> list[Segment]:
    """The segments that began in this time and have ended. Raises `PbxError`, `PbxForbidden` where it may not be read.

    All times are by our clock, however wrong the PBX's is. Empty on a PBX older than 20.0.7: its rows do not tell which
    call they belong to.
    """
    ahead = session.clock_ahead
    path = _FUNCTION.format(since=_moment(since + ahead), until=_moment(until + ahead))
    segments: list[Segment] = []
    for skip in range(0, _MOST_ROWS, _PAGE):
        page = rows(await session.get_json(path, {"$top": _PAGE, "$skip": skip}))
        segments += [segment.earlier(ahead) for row in page if (segment := read_segment(row)) is not None]
        if len(page) < _PAGE:
            break
    return segments


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
        source_dn=str(row.get("SourceDn") or ""),
        source_number=str(row.get("SourceCallerId") or "").removeprefix("Ext."),
        destination_dn=str(row.get("DestinationDn") or ""),
        destination_number=str(row.get("DestinationCallerId") or "").removeprefix("Ext."),
        started_at=started_at,
        answered_at=answered_at,
        ended_at=started_at + ringing + talking,
    )


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
