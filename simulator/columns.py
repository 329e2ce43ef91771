"""Columns that XAPI queries may name. Fixed lists, so that a query is checked also when there is no row yet."""

from __future__ import annotations

from typing import Final

ACTIVE_CALL_COLUMNS: Final = frozenset(
    {
        "Id",
        "Caller",
        "Callee",
        "Status",
        "EstablishedAt",
        "LastChangeStatus",
        "ServerNow",
    }
)
RECORDING_COLUMNS: Final = frozenset(
    {
        "Id",
        "StartTime",
        "EndTime",
        "FromDn",
        "ToDn",
        "FromDnType",
        "ToDnType",
        "FromCallerNumber",
        "ToCallerNumber",
        "FromDisplayName",
        "ToDisplayName",
        "FromDidNumber",
        "ToDidNumber",
        "FromCrmContact",
        "ToCrmContact",
        "FromIdParticipant",
        "ToIdParticipant",
        "CallType",
        "RecordingUrl",
        "ArchivedUrl",
        "IsArchived",
        "IsTranscribed",
        "CanBeTranscribed",
        "TranscriptionResult",
        "Transcription",
        "Summary",
        "SentimentScore",
        "RefParticipantId",
    }
)
CALL_LOG_COLUMNS: Final = frozenset(
    {
        "CallId",
        "SegmentId",
        "CdrId",
        "CallHistoryId",
        "MainCallHistoryId",
        "Indent",
        "SubrowDescNumber",
        "StartTime",
        "Direction",
        "CallType",
        "Status",
        "Answered",
        "Reason",
        "RingingDuration",
        "TalkingDuration",
        "SourceType",
        "SourceDn",
        "SourceCallerId",
        "SourceDisplayName",
        "DestinationType",
        "DestinationDn",
        "DestinationCallerId",
        "DestinationDisplayName",
        "ActionType",
        "ActionDnType",
        "actionDnDn",
        "ActionDnCallerId",
        "ActionDnDisplayName",
        "SrcRecId",
        "DstRecId",
        "Recordings",
        "RecordingUrl",
        "CallCost",
        "QualityReport",
        "Summary",
        "Transcription",
        "SentimentScore",
    }
)
