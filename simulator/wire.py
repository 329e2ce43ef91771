"""Shapes on the wire: participants, frames, active calls, times and history ids. Pure.

Serialisation happens once per change; frames are put together from ready bytes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import IntEnum
from typing import TYPE_CHECKING, TypeAlias

import orjson

if TYPE_CHECKING:
    from simulator.model import Call, Participant
    from simulator.numbering import Dn

Row: TypeAlias = dict[str, object]

_FILE_TIME_EPOCH = 11_644_473_600
"""Seconds from 1601 to 1970."""


class EventType(IntEnum):
    UPSERT = 0
    REMOVE = 1
    DTMF = 2
    RESPONSE = 4
    UNDOCUMENTED = 7


def utc_text(epoch: float) -> str:
    """ISO 8601 in UTC with fractions, as the vendor writes times."""
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def duration_text(seconds: float) -> str:
    """ISO 8601 duration: PT1M16.46S."""
    hundredths = max(round(seconds * 100), 0)
    minutes, rest = divmod(hundredths, 6000)
    hours, minutes = divmod(minutes, 60)
    text = "PT" + (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    if rest or text == "PT":
        text += f"{rest / 100:g}S"
    return text


def history_id(epoch: float, counter: int) -> str:
    """Four zero bytes, the UTC file time (100 ns since 1601), a counter that restarts with the call manager."""
    ticks = (round(epoch * 1_000_000) + _FILE_TIME_EPOCH * 1_000_000) * 10
    digits = f"{0:08x}{ticks:016x}{counter:08x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def participant_body(participant: Participant) -> bytes:
    return orjson.dumps(participant)


def with_unknown_field(body: bytes) -> bytes:
    """A serialised participant as a later version of the PBX might show it."""
    return body[:-1] + b',"participant_mood":{"tone":"calm"}}'


def participant_path(participant: Participant) -> str:
    return f"/callcontrol/{participant.dn}/participants/{participant.id}"


def device_row(dn: Dn) -> Row:
    return {"dn": dn.number, "device_id": dn.device_id, "user_agent": "3CX Mobile Client"}


def dn_head(dn: Dn) -> bytes:
    """A DN object up to its participants."""
    devices = [device_row(dn)] if dn.device_id else []
    return orjson.dumps({"dn": dn.number, "type": dn.kind, "devices": devices})[:-1] + b',"participants":['


def dn_body(head: bytes, participants: list[bytes]) -> bytes:
    """A DN object, from parts that are serialised already."""
    return head + b",".join(participants) + b"]}"


def event_body(kind: EventType, entity: str, attached: bytes = b"null") -> bytes:
    """The part of a frame that is the same for every socket."""
    return b'{"event_type":%d,"entity":%b,"attached_data":%b}' % (kind, orjson.dumps(entity), attached)


def frame(sequence: int, event: bytes) -> bytes:
    return b'{"sequence":%d,"event":%b}' % (sequence, event)


def active_call_row(call: Call, now: str) -> Row:
    established = call.established_at if call.established_at is not None else call.started_at
    return {
        "Id": call.callid,
        "Caller": call.caller,
        "Callee": call.callee,
        "Status": call.state,
        "EstablishedAt": utc_text(established),
        "LastChangeStatus": utc_text(call.changed_at),
        "ServerNow": now,
    }
