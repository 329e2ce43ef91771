"""The format `get`: an event as a percent-encoded query string, its keys in the documented order. Pure.

A recording is the exception: its addresses travel in a small JSON body, by POST.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never
from urllib.parse import quote

import orjson

from services.dispatcher.endpoints import CLASS_BY_TYPE, EventClass
from services.dispatcher.formats.request import HttpRequest
from services.dispatcher.formats.target import target_url
from services.dispatcher.formats.titles import title
from services.dispatcher.formats.values import (
    caller_id,
    end_name,
    file_urls,
    finish_type,
    transfer_flag,
    user_type,
)
from switchhook.events import Direction, Transfer, public_id

if TYPE_CHECKING:
    from services.dispatcher.endpoints import Endpoint
    from services.dispatcher.formats.request import FileAddress
    from switchhook.events import Event

TRANSFER_NAMES = {Transfer.NONE: "NotDef", Transfer.BLIND: "Blind", Transfer.ATTENDED: "Accomp"}


def render_get(event: Event, endpoint: Endpoint, links: FileAddress) -> HttpRequest:
    """The request that tells the endpoint about the event."""
    if CLASS_BY_TYPE[event.type] is EventClass.RECORDING:
        return _recording(event, endpoint, links)
    query = "&".join(f"{key}={quote(value, safe='')}" for key, value in _fields(event, endpoint).items())
    return HttpRequest(method="GET", url=_joined(endpoint.url, query), headers={})


def _fields(event: Event, endpoint: Endpoint) -> dict[str, str]:
    caller, user, number = caller_id(event), event.user, public_id(event)
    did = event.call.did
    match CLASS_BY_TYPE[event.type]:
        case EventClass.RINGING:
            kind = user_type(event.user_kind)
            return {"event": "ringing", "callerid": caller, "user": user, "usertype": kind, "did": did, "id": number}
        case EventClass.DIALING:
            return {"event": "dialing", "callerid": caller, "user": user, "id": number}
        case EventClass.STARTED:
            name = "hangupincoming" if event.call.direction is Direction.INBOUND else "hangupoutgoing"
            trtype = TRANSFER_NAMES[event.transfer]
            return {"event": name, "callerid": caller, "user": user, "did": did, "trtype": trtype, "id": number}
        case EventClass.ENDED | EventClass.RECORDING:
            return {**_end_fields(event, endpoint), "id": number}
        case EventClass.RINGING_STOPPED | EventClass.COMPLETED:
            raise ValueError(f"the format has no word for {event.type}")
        case unknown:
            assert_never(unknown)


def _end_fields(event: Event, endpoint: Endpoint) -> dict[str, str]:
    return {
        "event": end_name(event),
        "callerid": caller_id(event),
        "user": event.user,
        "finishtype": finish_type(event),
        "transfer": transfer_flag(event),
        "did": event.call.did,
        "title": title(event, endpoint.titles),
    }


def _recording(event: Event, endpoint: Endpoint, links: FileAddress) -> HttpRequest:
    body: dict[str, object] = {"id": public_id(event), "FILES": file_urls(event, endpoint, links)}
    if endpoint.recording_details:
        body |= _end_fields(event, endpoint)
    return HttpRequest(
        method="POST",
        url=target_url(event, endpoint),
        headers={"content-type": "application/json"},
        body=orjson.dumps(body),
    )


def _joined(url: str, query: str) -> str:
    if "?" not in url:
        return f"{url}?{query}"
    return url + query if url.endswith(("?", "&")) else f"{url}&{query}"
