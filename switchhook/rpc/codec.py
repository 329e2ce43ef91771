"""An `Event` as bytes and back, total both ways: every field of every event survives.

What cannot be an event of this version raises `CodecError`: bytes that do not parse, a missing part, an enum number
that a newer sender introduced. Times are carried to the microsecond and come back in UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from google.protobuf.message import DecodeError

from switchhook.errors import CodecError
from switchhook.events import (
    Call,
    CallId,
    Direction,
    DnKind,
    EndedBy,
    Event,
    EventId,
    EventType,
    Handover,
    Link,
    Origin,
    Participant,
    Recording,
    RecordingFile,
    Summary,
    SummarySource,
    Transfer,
)
from switchhook.v1 import events_pb2 as pb

if TYPE_CHECKING:
    from google.protobuf.duration_pb2 import Duration
    from google.protobuf.timestamp_pb2 import Timestamp

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

_NUMBER_BY_TYPE: Final[dict[EventType, pb.EventType.ValueType]] = {
    EventType.RINGING: pb.EVENT_TYPE_CALL_RINGING,
    EventType.DIALING: pb.EVENT_TYPE_CALL_DIALING,
    EventType.STARTED: pb.EVENT_TYPE_CALL_STARTED,
    EventType.RINGING_STOPPED: pb.EVENT_TYPE_CALL_RINGING_STOPPED,
    EventType.ENDED: pb.EVENT_TYPE_CALL_ENDED,
    EventType.COMPLETED: pb.EVENT_TYPE_CALL_COMPLETED,
    EventType.RECORDING_READY: pb.EVENT_TYPE_RECORDING_READY,
    EventType.RECORDING_ABSENT: pb.EVENT_TYPE_RECORDING_ABSENT,
    EventType.RECORDING_FAILED: pb.EVENT_TYPE_RECORDING_FAILED,
}
_NUMBER_BY_DIRECTION: Final[dict[Direction, pb.Direction.ValueType]] = {
    Direction.INBOUND: pb.DIRECTION_INBOUND,
    Direction.OUTBOUND: pb.DIRECTION_OUTBOUND,
    Direction.INTERNAL: pb.DIRECTION_INTERNAL,
}
_NUMBER_BY_KIND: Final[dict[DnKind, pb.DnKind.ValueType]] = {
    DnKind.EXTENSION: pb.DN_KIND_EXTENSION,
    DnKind.QUEUE: pb.DN_KIND_QUEUE,
    DnKind.IVR: pb.DN_KIND_IVR,
    DnKind.RING_GROUP: pb.DN_KIND_RING_GROUP,
    DnKind.VOICEMAIL: pb.DN_KIND_VOICEMAIL,
    DnKind.ROUTE_POINT: pb.DN_KIND_ROUTE_POINT,
    DnKind.TRUNK: pb.DN_KIND_TRUNK,
    DnKind.UNKNOWN: pb.DN_KIND_UNKNOWN,
}
_NUMBER_BY_TRANSFER: Final[dict[Transfer, pb.Transfer.ValueType]] = {
    Transfer.NONE: pb.TRANSFER_UNSPECIFIED,
    Transfer.BLIND: pb.TRANSFER_BLIND,
    Transfer.ATTENDED: pb.TRANSFER_ATTENDED,
}
_NUMBER_BY_ORIGIN: Final[dict[Origin, pb.Origin.ValueType]] = {
    Origin.PERSON: pb.ORIGIN_UNSPECIFIED,
    Origin.MAKECALL: pb.ORIGIN_MAKECALL,
}
_NUMBER_BY_SOURCE: Final[dict[SummarySource, pb.SummarySource.ValueType]] = {
    SummarySource.CALL_LOG: pb.SUMMARY_SOURCE_CALL_LOG,
    SummarySource.OWN_CLOCK: pb.SUMMARY_SOURCE_OWN_CLOCK,
}
_NUMBER_BY_ENDED_BY: Final[dict[EndedBy, pb.EndedBy.ValueType]] = {
    EndedBy.UNKNOWN: pb.ENDED_BY_UNSPECIFIED,
    EndedBy.OUTSIDE: pb.ENDED_BY_OUTSIDE,
    EndedBy.EXTENSION: pb.ENDED_BY_EXTENSION,
}

_TYPE_BY_NUMBER: Final = {number: value for value, number in _NUMBER_BY_TYPE.items()}
_DIRECTION_BY_NUMBER: Final = {number: value for value, number in _NUMBER_BY_DIRECTION.items()}
_KIND_BY_NUMBER: Final = {number: value for value, number in _NUMBER_BY_KIND.items()}
_TRANSFER_BY_NUMBER: Final = {number: value for value, number in _NUMBER_BY_TRANSFER.items()}
_ORIGIN_BY_NUMBER: Final = {number: value for value, number in _NUMBER_BY_ORIGIN.items()}
_SOURCE_BY_NUMBER: Final = {number: value for value, number in _NUMBER_BY_SOURCE.items()}
_ENDED_BY_BY_NUMBER: Final = {number: value for value, number in _NUMBER_BY_ENDED_BY.items()}


def encode(event: Event) -> bytes:
    """The event as a serialised message. Raises `CodecError` for a time without zone or a number out of range."""
    try:
        return _event_message(event).SerializeToString()
    except (ValueError, TypeError) as error:
        raise CodecError(f"event {event.id} cannot be encoded: {error}") from error


def decode(raw: bytes) -> Event:
    """The event in the bytes. Raises `CodecError`."""
    try:
        message = pb.Event.FromString(raw)
    except DecodeError as error:
        raise CodecError(f"not an event: {error}") from error
    return decode_message(message)


def decode_message(message: pb.Event) -> Event:
    """The event in a message that was parsed already. Raises `CodecError`."""
    try:
        return _event(message)
    except KeyError as error:
        raise CodecError(f"event {message.id}: unknown enum number {error}: the sender is newer than this") from error
    except (ValueError, OverflowError) as error:
        raise CodecError(f"event {message.id}: {error}") from error


def _event_message(event: Event) -> pb.Event:
    message = pb.Event(
        id=event.id,
        type=_NUMBER_BY_TYPE[event.type],
        pbx=event.pbx,
        call=_call_message(event.call),
        link=event.link,
        sequence=event.sequence,
        user=event.user,
        user_kind=_NUMBER_BY_KIND[event.user_kind],
        transfer=_NUMBER_BY_TRANSFER[event.transfer],
        transferred=event.transferred,
        answered=event.answered,
        callback_requested=event.callback_requested,
        reconciled=event.reconciled,
        completion_follows=event.completion_follows,
        traceparent=event.traceparent,
    )
    _put_time(message.occurred_at, event.occurred_at)
    _put_time(message.observed_at, event.observed_at)
    if event.talk_time is not None:
        _put_duration(message.talk_time, event.talk_time)
    if event.recording is not None:
        message.recording.CopyFrom(_recording_message(event.recording))
    if event.summary is not None:
        message.summary.CopyFrom(_summary_message(event.summary))
    return message


def _call_message(call: Call) -> pb.Call:
    message = pb.Call(
        id=call.id,
        numbers=call.numbers,
        direction=_NUMBER_BY_DIRECTION[call.direction],
        outside_number=call.outside_number,
        did=call.did,
        origin=_NUMBER_BY_ORIGIN[call.origin],
    )
    _put_time(message.arrived_at, call.arrived_at)
    for participant in call.participants:
        part = message.participants.add(dn=participant.dn, kind=_NUMBER_BY_KIND[participant.kind])
        _put_time(part.joined_at, participant.joined_at)
        if participant.answered_at is not None:
            _put_time(part.answered_at, participant.answered_at)
        if participant.left_at is not None:
            _put_time(part.left_at, participant.left_at)
    for link in call.links:
        talk = message.links.add(number=link.number, user=link.user, transfer=_NUMBER_BY_TRANSFER[link.transfer])
        _put_time(talk.started_at, link.started_at)
        if link.ended_at is not None:
            _put_time(talk.ended_at, link.ended_at)
    return message


def _recording_message(recording: Recording) -> pb.Recording:
    message = pb.Recording(reason=recording.reason)
    for file in recording.files:
        part = message.files.add(
            index=file.index, path=file.path, size=file.size, sha256=file.sha256, channels=file.channels
        )
        _put_duration(part.duration, file.duration)
    if recording.expires_at is not None:
        _put_time(message.expires_at, recording.expires_at)
    return message


def _summary_message(summary: Summary) -> pb.Summary:
    message = pb.Summary(
        source=_NUMBER_BY_SOURCE[summary.source],
        ended_by=_NUMBER_BY_ENDED_BY[summary.ended_by],
        ended_by_user=summary.ended_by_user,
        did=summary.did,
        queue=summary.queue,
        unanswered=summary.unanswered,
        recording_ids=summary.recording_ids,
    )
    _put_duration(message.ringing, summary.ringing)
    _put_duration(message.waiting, summary.waiting)
    _put_duration(message.talking, summary.talking)
    for each in summary.transfers:
        message.transfers.add(link=each.link, user=each.user, transfer=_NUMBER_BY_TRANSFER[each.transfer])
    return message


def _event(message: pb.Event) -> Event:
    if not message.HasField("call"):
        raise CodecError(f"event {message.id}: it has no call")
    return Event(
        id=EventId(message.id),
        type=_TYPE_BY_NUMBER[message.type],
        pbx=message.pbx,
        call=_call(message.call),
        link=message.link,
        sequence=message.sequence,
        occurred_at=_time(message.occurred_at),
        observed_at=_time(message.observed_at),
        user=message.user,
        user_kind=_KIND_BY_NUMBER[message.user_kind],
        transfer=_TRANSFER_BY_NUMBER[message.transfer],
        transferred=message.transferred,
        answered=message.answered,
        talk_time=_duration(message.talk_time) if message.HasField("talk_time") else None,
        callback_requested=message.callback_requested,
        reconciled=message.reconciled,
        recording=_recording(message.recording) if message.HasField("recording") else None,
        summary=_summary(message.summary) if message.HasField("summary") else None,
        completion_follows=message.completion_follows,
        traceparent=message.traceparent,
    )


def _call(message: pb.Call) -> Call:
    return Call(
        id=CallId(message.id),
        numbers=tuple(message.numbers),
        direction=_DIRECTION_BY_NUMBER[message.direction],
        outside_number=message.outside_number,
        did=message.did,
        arrived_at=_time(message.arrived_at),
        origin=_ORIGIN_BY_NUMBER[message.origin],
        participants=tuple(_participant(part) for part in message.participants),
        links=tuple(_link(part) for part in message.links),
    )


def _participant(message: pb.Participant) -> Participant:
    return Participant(
        dn=message.dn,
        kind=_KIND_BY_NUMBER[message.kind],
        joined_at=_time(message.joined_at),
        answered_at=_time(message.answered_at) if message.HasField("answered_at") else None,
        left_at=_time(message.left_at) if message.HasField("left_at") else None,
    )


def _link(message: pb.Link) -> Link:
    return Link(
        number=message.number,
        user=message.user,
        transfer=_TRANSFER_BY_NUMBER[message.transfer],
        started_at=_time(message.started_at),
        ended_at=_time(message.ended_at) if message.HasField("ended_at") else None,
    )


def _recording(message: pb.Recording) -> Recording:
    return Recording(
        files=tuple(
            RecordingFile(
                index=file.index,
                path=file.path,
                duration=_duration(file.duration),
                size=file.size,
                sha256=file.sha256,
                channels=file.channels,
            )
            for file in message.files
        ),
        expires_at=_time(message.expires_at) if message.HasField("expires_at") else None,
        reason=message.reason,
    )


def _summary(message: pb.Summary) -> Summary:
    return Summary(
        source=_SOURCE_BY_NUMBER[message.source],
        ringing=_duration(message.ringing),
        waiting=_duration(message.waiting),
        talking=_duration(message.talking),
        ended_by=_ENDED_BY_BY_NUMBER[message.ended_by],
        ended_by_user=message.ended_by_user,
        transfers=tuple(
            Handover(link=each.link, user=each.user, transfer=_TRANSFER_BY_NUMBER[each.transfer])
            for each in message.transfers
        ),
        did=message.did,
        queue=message.queue,
        unanswered=tuple(message.unanswered),
        recording_ids=tuple(message.recording_ids),
    )


def _put_time(target: Timestamp, time: datetime) -> None:
    since = time - _EPOCH
    # Touching `seconds` marks the message as present even at the epoch itself.
    target.seconds = since.days * 86_400 + since.seconds
    target.nanos = since.microseconds * 1_000


def _time(message: Timestamp) -> datetime:
    return _EPOCH + timedelta(seconds=message.seconds, microseconds=message.nanos // 1_000)


def _put_duration(target: Duration, duration: timedelta) -> None:
    # Seconds and nanoseconds of a negative duration both carry the sign.
    seconds, microseconds = divmod(abs(duration) // _MICROSECOND, 1_000_000)
    sign = -1 if duration < timedelta() else 1
    target.seconds = sign * seconds
    target.nanos = sign * microseconds * 1_000


def _duration(message: Duration) -> timedelta:
    nanos = message.nanos
    microseconds = nanos // 1_000 if nanos >= 0 else -(-nanos // 1_000)
    return timedelta(seconds=message.seconds, microseconds=microseconds)
