"""The format `standard`: `{"type", "timestamp", "data"}`, as Standard Webhooks recommend it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from services.dispatcher.formats.data import event_data, timestamp
from services.dispatcher.formats.request import HttpRequest
from services.dispatcher.formats.target import target_url

if TYPE_CHECKING:
    from services.dispatcher.endpoints import Endpoint
    from services.dispatcher.formats.request import FileAddress
    from switchhook.events import Event


def render_standard(event: Event, endpoint: Endpoint, links: FileAddress) -> HttpRequest:
    """The request that tells the endpoint about the event."""
    body = {
        "type": event.type.value,
        "timestamp": timestamp(event.occurred_at),
        "data": event_data(event, endpoint, links),
    }
    return HttpRequest(
        method="POST",
        url=target_url(event, endpoint),
        headers={"content-type": "application/json"},
        body=orjson.dumps(body),
    )
