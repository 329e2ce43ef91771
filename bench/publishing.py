"""The producer of a bench: events of many calls, handed to a dispatcher by gRPC, at once or at a steady rate."""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from switchhook.events import Call, CallId, Direction, DnKind, Event, EventType, Participant, event_id
from switchhook.rpc import encode, open_channel
from switchhook.telemetry.traceparent import derived, is_sampled, of_call
from switchhook.v1 import events_pb2 as pb
from switchhook.v1.events_pb2_grpc import CallEventsStub

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EVENTS_PER_CALL = 5
BATCH = 200
_run = itertools.count(1)


def new_events(count: int) -> Iterator[Event]:
    """Events of calls that no bench has seen, as they happen side by side, not call after call."""
    at, run = datetime.now(UTC), next(_run)
    calls = max(count // EVENTS_PER_CALL, 1)
    for number in range(count):
        call_id, sequence = CallId(f"260301093000_{run}{number % calls:06}"), number // calls + 1
        participants = tuple(Participant(dn=str(dn), kind=DnKind.EXTENSION, joined_at=at) for dn in (800, 820, 202))
        call = Call(
            id=call_id,
            numbers=(number,),
            direction=Direction.INBOUND,
            outside_number="420777123456",
            did="Main line",
            arrived_at=at,
            participants=participants,
        )
        yield Event(
            id=event_id("main", call_id, sequence),
            type=EventType.RINGING,
            pbx="main",
            call=call,
            link=0,
            sequence=sequence,
            occurred_at=at,
            observed_at=at,
            user="202",
            user_kind=DnKind.EXTENSION,
        )


def new_messages(count: int, *, share: float = 0.0) -> list[pb.Event]:
    """The same, as they travel; a share of all calls is traced."""
    events = new_events(count)
    return [pb.Event.FromString(encode(_traced(event, share) if share else event)) for event in events]


def _traced(event: Event, share: float) -> Event:
    root = of_call(event.pbx, event.call.id, share=share)
    return replace(event, traceparent=derived(root, event.id) if is_sampled(root) else root)


async def publish(address: str, messages: Sequence[pb.Event], *, rate: float | None) -> dict[str, float]:
    """Hand the events over, in large batches or one by one at a rate; comes back when all are acknowledged.

    Gives by event id the epoch seconds at which each was handed over.
    """
    at_by_id: dict[str, float] = {}
    size = BATCH if rate is None else 1
    async with open_channel(address) as channel:
        await asyncio.wait_for(channel.channel_ready(), 15)
        stream = CallEventsStub(channel).Publish()
        began = time.time()

        async def send() -> None:
            for number, start in enumerate(range(0, len(messages), size), 1):
                if rate is not None and (wait := began + start / rate - time.time()) > 0:
                    await asyncio.sleep(wait)
                chunk = messages[start : start + size]
                at_by_id.update(dict.fromkeys((message.id for message in chunk), time.time()))
                await stream.write(pb.PublishRequest(batch=number, events=chunk))
            await stream.done_writing()

        async def answers() -> None:
            while isinstance(await stream.read(), pb.PublishResponse):
                pass

        await asyncio.gather(send(), answers())
    return at_by_id
