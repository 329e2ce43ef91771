"""Where an event goes: recordings may have an address of their own. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.dispatcher.endpoints import CLASS_BY_TYPE, EventClass

if TYPE_CHECKING:
    from services.dispatcher.endpoints import Endpoint
    from switchhook.events import Event


def target_url(event: Event, endpoint: Endpoint) -> str:
    """The endpoint's address for this event."""
    is_recording = CLASS_BY_TYPE[event.type] is EventClass.RECORDING
    return (endpoint.recording_url if is_recording else None) or endpoint.url
