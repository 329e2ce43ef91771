"""Everything that is known of an event, under the names that the new formats publish. Pure.

The names are part of the public interface: none is ever missing, what is unknown is None. Times are UTC to the
millisecond, durations are seconds.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from switchhook.events import Transfer, public_id

if TYPE_CHECKING:
    from datetime import datetime

    from services.dispatcher.endpoints import Endpoint
    from services.dispatcher.formats.request import FileAddress
    from switchhook.events import Call, Event, Recording, Summary

Data = dict[str, Any]  # JSON


def event_data(event: Event, endpoint: Endpoint, links: FileAddress) -> Data:
    """The event and the call so far; recording links are made for this endpoint."""
    return {
        "id": event.id,
        "pbx": event.pbx,
        "call": _call(event),
        "sequence": event.sequence,
        "occurred_at": timestamp(event.occurred_at),
        "user": event.user or None,
        "user_kind": event.user_kind.value if event.user else None,
        "transfer": None if event.transfer is Transfer.NONE else event.transfer.value,
        "transferred": event.transferred,
        "answered": event.answered,
        "talk_seconds": None if event.talk_time is None else event.talk_time.total_seconds(),
        "callback_requested": event.callback_requested,
        "reconciled": event.reconciled,
        "recording": None if event.recording is None else _recording(event, event.recording, endpoint, links),
        "summary": None if event.summary is None else _summary(event.summary),
    }


def timestamp(at: datetime) -> str:
    """An aware time as `2026-03-01T08:30:12.345Z`."""
    return f"{at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def _call(event: Event) -> Data:
    call = event.call
    return {
        "id": call.id,
        "link": event.link,
        "public_id": public_id(event),
        "numbers": list(call.numbers),
        "direction": call.direction.value,
        "outside_number": call.outside_number or None,
        "did": call.did or None,
        "origin": call.origin.value,
        "arrived_at": timestamp(call.arrived_at),
        "participants": _participants(call),
        "links": _links(call),
    }


def _participants(call: Call) -> list[Data]:
    return [
        {
            "dn": participant.dn,
            "kind": participant.kind.value,
            "joined_at": timestamp(participant.joined_at),
            "answered_at": _time_or_none(participant.answered_at),
            "left_at": _time_or_none(participant.left_at),
        }
        for participant in call.participants
    ]


def _links(call: Call) -> list[Data]:
    return [
        {
            "number": link.number,
            "user": link.user,
            "transfer": None if link.transfer is Transfer.NONE else link.transfer.value,
            "started_at": timestamp(link.started_at),
            "ended_at": _time_or_none(link.ended_at),
        }
        for link in call.links
    ]


def _recording(event: Event, recording: Recording, endpoint: Endpoint, links: FileAddress) -> Data:
    return {
        "files": [
            {
                "index": file.index,
                "url": links(file.path, pbx=event.pbx, recipient=endpoint.name, expires_at=recording.expires_at),
                "seconds": file.duration.total_seconds(),
                "bytes": file.size,
                "sha256": file.sha256,
                "channels": file.channels,
            }
            for file in recording.files
        ],
        "expires_at": _time_or_none(recording.expires_at),
        "reason": recording.reason or None,
    }


def _summary(summary: Summary) -> Data:
    return {
        "source": summary.source.value,
        "ringing_seconds": summary.ringing.total_seconds(),
        "waiting_seconds": summary.waiting.total_seconds(),
        "talking_seconds": summary.talking.total_seconds(),
        "ended_by": summary.ended_by.value,
        "ended_by_user": summary.ended_by_user or None,
        "transfers": [
            {"link": each.link, "user": each.user, "transfer": each.transfer.value} for each in summary.transfers
        ],
        "did": summary.did or None,
        "queue": summary.queue or None,
        "unanswered": list(summary.unanswered),
        "recording_ids": list(summary.recording_ids),
    }


def _time_or_none(at: datetime | None) -> str | None:
    return None if at is None else timestamp(at)
