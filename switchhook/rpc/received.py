"""What a sink gets: each event as a value, and as the bytes that it may keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from switchhook.rpc.codec import decode_message

if TYPE_CHECKING:
    from collections.abc import Iterable

    from switchhook.events import Event
    from switchhook.v1 import events_pb2 as pb


@dataclass(frozen=True, slots=True)
class Received:
    """One event; `payload` decodes to it, and also holds what a newer sender added."""

    event: Event
    payload: bytes


def received_events(requests: Iterable[pb.PublishRequest]) -> list[Received]:
    """All events of the batches, in order. Raises `CodecError`."""
    return [
        Received(decode_message(message), message.SerializeToString())
        for request in requests
        for message in request.events
    ]
