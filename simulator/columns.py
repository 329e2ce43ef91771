"""Columns that XAPI queries may name, and of what type they are: fixed, so that a query is checked without any row."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from simulator.wire import Row


class Column(StrEnum):
    """What a column may be compared with, besides null."""

    NUMBER = "number"
    TEXT = "text"
    FLAG = "flag"
    TIME = "time"
    DURATION = "duration"
    #: an object or a list: nothing at all
    OBJECT = "object"


Columns: TypeAlias = Mapping[str, Column]


def columns_of(row: Row) -> Columns:
    """The columns of an entity, from one of its rows; a null is taken for a text."""
    return {name: _column(value) for name, value in row.items()}


def _column(value: object) -> Column:
    match value:
        case bool():
            return Column.FLAG
        case int() | float():
            return Column.NUMBER
        case dict() | list():
            return Column.OBJECT
        case _:
            return Column.TEXT


ACTIVE_CALL_COLUMNS: Final[Columns] = {
    "Id": Column.NUMBER,
    "Caller": Column.TEXT,
    "Callee": Column.TEXT,
    "Status": Column.TEXT,
    "EstablishedAt": Column.TIME,
    "LastChangeStatus": Column.TIME,
    "ServerNow": Column.TIME,
}
RECORDING_COLUMNS: Final[Columns] = {
    "Id": Column.NUMBER,
    "StartTime": Column.TIME,
    "EndTime": Column.TIME,
    "FromDn": Column.TEXT,
    "ToDn": Column.TEXT,
    "FromDnType": Column.NUMBER,
    "ToDnType": Column.NUMBER,
    "FromCallerNumber": Column.TEXT,
    "ToCallerNumber": Column.TEXT,
    "FromDisplayName": Column.TEXT,
    "ToDisplayName": Column.TEXT,
    "FromDidNumber": Column.TEXT,
    "ToDidNumber": Column.TEXT,
    "FromCrmContact": Column.TEXT,
    "ToCrmContact": Column.TEXT,
    "FromIdParticipant": Column.NUMBER,
    "ToIdParticipant": Column.NUMBER,
    "CallType": Column.TEXT,
    "RecordingUrl": Column.TEXT,
    "ArchivedUrl": Column.TEXT,
    "IsArchived": Column.FLAG,
    "IsTranscribed": Column.FLAG,
    "CanBeTranscribed": Column.FLAG,
    "TranscriptionResult": Column.NUMBER,
    "Transcription": Column.TEXT,
    "Summary": Column.TEXT,
    "SentimentScore": Column.NUMBER,
    "RefParticipantId": Column.NUMBER,
}
CALL_LOG_COLUMNS: Final[Columns] = {
    "CallId": Column.NUMBER,
    "SegmentId": Column.NUMBER,
    "CdrId": Column.TEXT,
    "CallHistoryId": Column.TEXT,
    "MainCallHistoryId": Column.TEXT,
    "Indent": Column.NUMBER,
    "SubrowDescNumber": Column.NUMBER,
    "StartTime": Column.TIME,
    "Direction": Column.TEXT,
    "CallType": Column.TEXT,
    "Status": Column.TEXT,
    "Answered": Column.FLAG,
    "Reason": Column.TEXT,
    "RingingDuration": Column.DURATION,
    "TalkingDuration": Column.DURATION,
    "SourceType": Column.NUMBER,
    "SourceDn": Column.TEXT,
    "SourceCallerId": Column.TEXT,
    "SourceDisplayName": Column.TEXT,
    "DestinationType": Column.NUMBER,
    "DestinationDn": Column.TEXT,
    "DestinationCallerId": Column.TEXT,
    "DestinationDisplayName": Column.TEXT,
    "ActionType": Column.NUMBER,
    "ActionDnType": Column.NUMBER,
    "actionDnDn": Column.TEXT,
    "ActionDnCallerId": Column.TEXT,
    "ActionDnDisplayName": Column.TEXT,
    "SrcRecId": Column.NUMBER,
    "DstRecId": Column.NUMBER,
    "Recordings": Column.OBJECT,
    "RecordingUrl": Column.TEXT,
    "CallCost": Column.NUMBER,
    "QualityReport": Column.FLAG,
    "Summary": Column.TEXT,
    "Transcription": Column.TEXT,
    "SentimentScore": Column.NUMBER,
}
