"""One plausible own event of every kind, about an endpoint that is not there. Pure; see also `samples`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from services.dispatcher import own_events
from services.dispatcher.arrivals import call_key
from services.dispatcher.deliveries import Head
from services.dispatcher.gate import EndpointState
from services.dispatcher.outcome import Reason
from services.dispatcher.own_events import Abandoned, Cause, OwnType
from services.dispatcher.samples import AT, PBX, sample_events

if TYPE_CHECKING:
    from datetime import datetime

    from services.dispatcher.kept_events import StoredEvent

ENDPOINT, REMOVED = "sample-crm", "sample-crm-before"
OUTAGE = timedelta(minutes=3, seconds=20)


def sample_own_events(*, pbx: str = PBX, at: datetime = AT) -> tuple[tuple[OwnType, StoredEvent], ...]:
    """What an operator is told of an outage that began with a call which arrived `at` (aware), and after it."""
    rings, *_ = sample_events(pbx=pbx, at=at)
    call = call_key(rings)
    cause = Cause(
        head=Head(event=1, call=call, sequence=rings.sequence, attempts=1, event_id=rings.id, payload=b""), event=rings
    )
    failed_at = rings.occurred_at
    over_at = failed_at + OUTAGE
    paused = own_events.paused(ENDPOINT, EndpointState.OPEN, Reason.TIMEOUT, at=failed_at, cause=cause)
    recovered = own_events.recovered(ENDPOINT, since=failed_at, at=over_at, cause=cause)
    dead = own_events.dead(ENDPOINT, Reason.CLIENT_ERROR, attempts=10, status=422, at=over_at, cause=cause)
    given_up = [Abandoned(event=1, event_id=rings.id, call=call)]
    abandoned = own_events.abandoned(REMOVED, Reason.ENDPOINT_REMOVED, given_up, at=over_at)
    return (
        (OwnType.PAUSED, paused),
        (OwnType.RECOVERED, recovered),
        (OwnType.DEAD, dead),
        (OwnType.DEAD, abandoned),
    )
