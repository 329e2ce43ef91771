"""The vendor's own words that are known here: fields, DN kinds and states, as its documents have them. Pure.

A word that does not stand here is counted as an unknown; to know it means no more than that it is no news.
"""

from __future__ import annotations

PARTICIPANT_FIELDS = frozenset(
    [
        "id",
        "status",
        "dn",
        "party_caller_name",
        "party_dn",
        "party_caller_id",
        "party_did",
        "device_id",
        "party_dn_type",
        "direct_control",
        "originated_by_dn",
        "originated_by_type",
        "referred_by_dn",
        "referred_by_type",
        "on_behalf_of_dn",
        "on_behalf_of_type",
        "callid",
        "legid",
    ]
)
ACTIVE_CALL_FIELDS = frozenset(["Id", "Caller", "Callee", "Status", "EstablishedAt", "LastChangeStatus", "ServerNow"])
SEGMENT_FIELDS = frozenset(
    [
        "MainCallHistoryId",
        "CallHistoryId",
        "CdrId",
        "CallId",
        "SegmentId",
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
    ]
)
DN_FIELDS = frozenset(("dn", "type", "devices", "participants"))
TYPE_FIELDS = ("party_dn_type", "originated_by_type", "referred_by_type", "on_behalf_of_type")
DN_CLASSES = frozenset(
    [
        "none",
        "wextension",
        "wexternalline",
        "wroutepoint",
        "wqueue",
        "wivr",
        "wspecialmenu",
        "wringgroup",
        "wparkextension",
        "wconferenceplaceextension",
        "wfaxextension",
    ]
)
PEER_TYPES = frozenset(
    [
        "none",
        "extension",
        "queue",
        "ringgroup",
        "ivr",
        "fax",
        "conference",
        "specialmenu",
        "parking",
        "externalline",
        "group",
        "routepoint",
    ]
)
CALL_STATES = frozenset(("Unknown", "Initiating", "Routing", "Talking", "Transferring", "Rerouting"))
