"""The format `cloudevents`: CloudEvents 1.0 over HTTP, structured or binary. Pure.

`source` and `id` name an event for ever and everywhere; `traceparent` is the one extension, there when traces are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import orjson

from services.dispatcher.endpoints import ContentMode
from services.dispatcher.formats.data import event_data, timestamp
from services.dispatcher.formats.request import HttpRequest
from services.dispatcher.formats.target import target_url

if TYPE_CHECKING:
    from services.dispatcher.endpoints import Endpoint
    from services.dispatcher.formats.request import FileAddress
    from switchhook.events import Event

SPEC_VERSION = "1.0"
TYPE_PREFIX = "io.switchhook."
JSON = "application/json"


def render_cloudevents(event: Event, endpoint: Endpoint, links: FileAddress) -> HttpRequest:
    """The request that tells the endpoint about the event."""
    attributes, data = _attributes(event), event_data(event, endpoint, links)
    match endpoint.content_mode:
        case ContentMode.STRUCTURED:
            headers = {"content-type": "application/cloudevents+json"}
            body: object = {**attributes, "datacontenttype": JSON, "data": data}
        case ContentMode.BINARY:
            headers = {"content-type": JSON} | {f"ce-{name}": value for name, value in attributes.items()}
            body = data
        case unknown:
            assert_never(unknown)
    return HttpRequest(method="POST", url=target_url(event, endpoint), headers=headers, body=orjson.dumps(body))


def _attributes(event: Event) -> dict[str, str]:
    """The attributes of the context; all are printable ASCII, so they can travel as headers."""
    attributes = {
        "specversion": SPEC_VERSION,
        "id": event.id,
        "source": f"/switchhook/pbx/{event.pbx}",
        "type": f"{TYPE_PREFIX}{event.type.value}",
        "subject": event.call.id,
        "time": timestamp(event.occurred_at),
    }
    return attributes | ({"traceparent": event.traceparent} if event.traceparent else {})
