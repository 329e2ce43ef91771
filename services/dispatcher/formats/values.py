"""The values that the formats `get` and `post` share: names, numbers and durations as CRMs know them. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, assert_never

from switchhook.events import Direction, DnKind, EventType, Origin, Transfer

if TYPE_CHECKING:
    from services.dispatcher.endpoints import Endpoint
    from services.dispatcher.formats.request import FileAddress
    from switchhook.events import Event

MAKECALL = "MAKECALL"
# As the format `post` names them; `get` has another word for one.
TRANSFER_NAMES = {Transfer.NONE: "NotDef", Transfer.BLIND: "Blind", Transfer.ATTENDED: "Attended"}
HALF_A_SECOND = timedelta(milliseconds=500)
MINUTE = 60
HOUR = 3600


def caller_id(event: Event) -> str:
    """The outside number; `MAKECALL` while the PBX itself shows that in place of the number."""
    if event.type is EventType.STARTED and event.call.origin is Origin.MAKECALL:
        return MAKECALL
    return event.call.outside_number


def start_name(event: Event) -> str:
    """The name of the started event in the format `post`."""
    return "incomingcall_started" if event.call.direction is Direction.INBOUND else "outgoingcall_started"


def end_name(event: Event) -> str:
    """The name of the end event; an internal call counts as outgoing, from the extension that dialled."""
    match event.call.direction:
        case Direction.INBOUND:
            return "incoming"
        case Direction.OUTBOUND | Direction.INTERNAL:
            return "outgoing"
        case unknown:
            assert_never(unknown)


def user_type(kind: DnKind) -> str:
    """`ext`, `queue` or `other`."""
    match kind:
        case DnKind.EXTENSION:
            return "ext"
        case DnKind.QUEUE:
            return "queue"
        case _:
            return "other"


def finish_type(event: Event) -> str:
    """`Ok` when somebody talked."""
    return "Ok" if event.answered else "Missed"


def transfer_flag(event: Event) -> str:
    """`True` when the call went on elsewhere; text, not JSON's true."""
    return "True" if event.transferred else "False"


def whole_seconds(duration: timedelta) -> int:
    """The nearest second, half a second up: 5.98 s of talk is 6 s to everybody who was there."""
    return max((duration + HALF_A_SECOND) // timedelta(seconds=1), 0)


def long_duration(event: Event) -> str:
    """Talk time as `MM:SS`, from one hour on `HH:MM:SS`; empty when nobody talked."""
    if not event.answered:
        return ""
    seconds = whole_seconds(event.talk_time or timedelta(0))
    if seconds < HOUR:
        return f"{seconds // MINUTE:02}:{seconds % MINUTE:02}"
    return f"{seconds // HOUR:02}:{seconds % HOUR // MINUTE:02}:{seconds % MINUTE:02}"


def short_duration(event: Event) -> str:
    """Talk time as `M:SS`, from one hour on `H:MM:SS`; empty when nobody talked."""
    if not event.answered:
        return ""
    seconds = whole_seconds(event.talk_time or timedelta(0))
    if seconds < HOUR:
        return f"{seconds // MINUTE}:{seconds % MINUTE:02}"
    return f"{seconds // HOUR}:{seconds % HOUR // MINUTE:02}:{seconds % MINUTE:02}"


def file_urls(event: Event, endpoint: Endpoint, links: FileAddress) -> list[str]:
    """The addresses of the recording's files, made for this endpoint."""
    recording = event.recording
    if recording is None:
        return []
    return [
        links(file.path, pbx=event.pbx, recipient=endpoint.name, expires_at=recording.expires_at)
        for file in recording.files
    ]
