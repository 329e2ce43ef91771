"""From an event to the request that tells one endpoint about it: pure, one module per format."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from services.dispatcher.endpoints import Format
from services.dispatcher.formats.cloudevents import render_cloudevents
from services.dispatcher.formats.get import render_get
from services.dispatcher.formats.post import render_post
from services.dispatcher.formats.request import FileAddress, HttpRequest
from services.dispatcher.formats.standard import render_standard
from services.dispatcher.formats.template import TemplateError, render_template

if TYPE_CHECKING:
    from services.dispatcher.endpoints import Endpoint
    from switchhook.events import Event

__all__ = ["FileAddress", "HttpRequest", "TemplateError", "render"]


def render(event: Event, endpoint: Endpoint, links: FileAddress) -> HttpRequest:
    """The request for an event that the endpoint wants (`endpoints.wants`); `links` makes the files' addresses.

    Raises `TemplateError` when the endpoint's own template fails.
    """
    match endpoint.format:
        case Format.GET:
            return render_get(event, endpoint, links)
        case Format.POST:
            return render_post(event, endpoint, links)
        case Format.STANDARD:
            return render_standard(event, endpoint, links)
        case Format.CLOUDEVENTS:
            return render_cloudevents(event, endpoint, links)
        case Format.TEMPLATE:
            return render_template(event, endpoint, links)
        case unknown:
            assert_never(unknown)
