"""The format `post`: an event as a compact JSON object, its keys in the documented order. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import orjson

from services.dispatcher.endpoints import CLASS_BY_TYPE, EventClass
from services.dispatcher.formats.request import HttpRequest
from services.dispatcher.formats.target import target_url
from services.dispatcher.formats.values import (
    TRANSFER_NAMES,
    caller_id,
    end_name,
    file_urls,
    finish_type,
    long_duration,
    start_name,
    transfer_flag,
    user_type,
)
from switchhook.events import public_id

if TYPE_CHECKING:
    from services.dispatcher.endpoints import Endpoint
    from services.dispatcher.formats.request import FileAddress
    from switchhook.events import Event


def render_post(event: Event, endpoint: Endpoint, links: FileAddress) -> HttpRequest:
    """The request that tells the endpoint about the event."""
    is_recording = CLASS_BY_TYPE[event.type] is EventClass.RECORDING
    return HttpRequest(
        method="POST",
        url=target_url(event, endpoint),
        headers={"content-type": "application/json"},
        body=orjson.dumps(_recording(event, endpoint, links) if is_recording else _fields(event)),
    )


def _fields(event: Event) -> dict[str, str]:
    caller, user, did, number = caller_id(event), event.user, event.call.did, public_id(event)
    match CLASS_BY_TYPE[event.type]:
        case EventClass.RINGING:
            kind = user_type(event.user_kind)
            return {"Event": "ringing", "Callerid": caller, "User": user, "Usertype": kind, "Did": did, "Id": number}
        case EventClass.DIALING:
            return {"Event": "dialing", "Callerid": caller, "User": user, "Id": number}
        case EventClass.STARTED:
            trtype = TRANSFER_NAMES[event.transfer]
            return {
                "Event": start_name(event),
                "Callerid": caller,
                "User": user,
                "Trtype": trtype,
                "Did": did,
                "Id": number,
            }
        case EventClass.ENDED | EventClass.RECORDING:
            name = end_name(event)
            return {"Event": name, "Callerid": caller, "User": user, **_end_fields(event), "Id": number}
        case EventClass.RINGING_STOPPED | EventClass.COMPLETED:
            raise ValueError(f"the format has no word for {event.type}")
        case unknown:
            assert_never(unknown)


def _end_fields(event: Event) -> dict[str, str]:
    return {
        "Finishtype": finish_type(event),
        "Transfer": transfer_flag(event),
        "Did": event.call.did,
        "Duration": long_duration(event),
    }


def _recording(event: Event, endpoint: Endpoint, links: FileAddress) -> dict[str, object]:
    body: dict[str, object] = {
        "Event": "recording",
        "FileUrls": file_urls(event, endpoint, links),
        "Callerid": caller_id(event),
        "User": event.user,
        "Id": public_id(event),
    }
    if endpoint.recording_details:
        body |= _end_fields(event)
    return body
