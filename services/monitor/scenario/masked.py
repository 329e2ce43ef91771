"""Participants and rows of the call log fit to be shown, field by field. Pure.

A field that is not known here keeps its name, and a word in place of its value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.monitor.scenario.masking import Mask
from services.monitor.unknowns import presentable
from services.monitor.vocabulary import SEGMENT_FIELDS, TYPE_FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Masking = Callable[[Mask, str], str]

_PARTICIPANT: Mapping[str, Masking] = {
    **dict.fromkeys(("dn", "party_dn", "originated_by_dn", "referred_by_dn", "on_behalf_of_dn"), Mask.dn),
    **dict.fromkeys(("status", *TYPE_FIELDS), Mask.word),
    **dict.fromkeys(("party_caller_name", "party_caller_id", "party_did"), Mask.party),
    "device_id": Mask.device,
}
_SEGMENT: Mapping[str, Masking] = {
    **dict.fromkeys(("SourceDn", "DestinationDn", "actionDnDn"), Mask.dn),
    **dict.fromkeys(("SourceCallerId", "DestinationCallerId", "ActionDnCallerId"), Mask.party),
    **dict.fromkeys(("SourceDisplayName", "DestinationDisplayName", "ActionDnDisplayName"), Mask.party),
    **dict.fromkeys(("Direction", "CallType", "Status"), Mask.phrase),
    **dict.fromkeys(("CallHistoryId", "MainCallHistoryId", "CdrId", "StartTime"), Mask.stamp),
    **dict.fromkeys(("RingingDuration", "TalkingDuration"), Mask.stamp),
    "Reason": Mask.reason,
}
_COUNTS = ("id", "callid", "legid")
_PARTIES = ("party_caller_id", "party_caller_name")


def masked_participant(mask: Mask, shown: Mapping[str, Any]) -> dict[str, Any]:
    """A participant that can be read, fit to be shown; empty fields are left out."""
    masked: dict[str, Any] = {}
    for name, value in shown.items():
        if value is None:
            continue
        if name in _COUNTS and isinstance(value, bool):
            masked[name] = mask.unknown(value)
        elif name in _COUNTS or name == "direct_control":
            masked[name] = value if isinstance(value, int) else mask.unknown(value)
        elif name in _PARTIES and value in (shown.get("party_dn"), shown.get("dn")):
            masked[name] = mask.dn(str(value))
        elif name in _PARTICIPANT and isinstance(value, str | int):
            masked[name] = _PARTICIPANT[name](mask, str(value))
        else:
            masked[presentable(name)] = mask.unknown(value)
    return masked


def masked_segment(mask: Mask, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the call log, fit to be shown."""
    masked: dict[str, Any] = {}
    for name, value in row.items():
        if name in _SEGMENT and isinstance(value, str):
            masked[name] = _SEGMENT[name](mask, value)
        elif name == "Recordings" and isinstance(value, list):
            ids = [one.get("Id") for one in value if isinstance(one, dict)]
            masked[name] = [{"Id": one} for one in ids if isinstance(one, int)]
        elif value is None or isinstance(value, bool) or (isinstance(value, int) and name in SEGMENT_FIELDS):
            masked[presentable(name)] = value
        else:
            masked[presentable(name)] = mask.unknown(value)
    return masked
