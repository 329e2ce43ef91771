"""What follows for a delivery from an attempt's outcome: delivered, dead, expired, or tried again, and when. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, assert_never

from services.dispatcher.deliveries import Status
from services.dispatcher.outcome import Delivered, Failure, Paused, Reason, Rejected, Retry
from services.dispatcher.retry import next_attempt_at, parse_retry_after

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from services.dispatcher.deliveries import Head
    from services.dispatcher.outcome import Outcome, Response

QUICK = timedelta(seconds=1)
NO_CONNECTION = frozenset({Reason.CONNECT, Reason.DISCONNECTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequence:
    """The delivery's state from now on; `due_at` is there when it stays pending.

    `earlier_attempts` is its new count of attempts that the schedule does not count. `pause` is why the endpoint takes
    nothing any more, or `NONE`.
    """

    status: Status
    reason: Reason
    earlier_attempts: int
    due_at: datetime | None = None
    pause: Reason = Reason.NONE


def consequence(
    outcome: Outcome,
    head: Head,
    *,
    schedule: Sequence[timedelta],
    made: int,
    now: datetime,
    jitter: float,
) -> Consequence:
    """What follows from the last of `made` attempts of this turn; `jitter` is the share that is added to a delay.

    A second try at once does not count for the schedule, nor does an attempt that paused the endpoint.
    """
    earlier = head.earlier_attempts + made - 1
    match outcome:
        case Delivered(disables=disables):
            pause = Reason.DISABLED if disables else Reason.NONE
            return Consequence(status=Status.DELIVERED, reason=Reason.NONE, earlier_attempts=earlier, pause=pause)
        case Rejected(reason=reason):
            return Consequence(status=Status.DEAD, reason=reason, earlier_attempts=earlier)
        case Paused(reason=reason):
            return Consequence(
                status=Status.PENDING, reason=reason, earlier_attempts=earlier + 1, due_at=now, pause=reason
            )
        case Retry(reason=reason, overloaded=overloaded, retry_after=retry_after):
            due_at = next_attempt_at(
                schedule,
                attempt=head.attempts + made - earlier,
                now=now,
                jitter=jitter,
                overloaded=overloaded,
                retry_after=parse_retry_after(retry_after, now=now),
            )
            return _tried_again(reason, head, due_at, earlier)
        case unknown:
            assert_never(unknown)


def is_too_late(head: Head, *, now: datetime) -> bool:
    """True when no attempt may start any more."""
    return head.deadline_at is not None and now >= head.deadline_at


def deserves_second_try(result: Response | Failure, head: Head, *, made: int, took: timedelta) -> bool:
    """True when the first attempt that the schedule counts found no connection, and found that out quickly.

    Then it was often a server that just restarts, or a kept connection that was closed in the same moment.
    """
    is_first = made == 1 and head.attempts == head.earlier_attempts
    return is_first and isinstance(result, Failure) and result.reason in NO_CONNECTION and took < QUICK


def _tried_again(reason: Reason, head: Head, due_at: datetime | None, earlier: int) -> Consequence:
    if due_at is None:
        return Consequence(status=Status.DEAD, reason=reason, earlier_attempts=earlier)
    if is_too_late(head, now=due_at):
        # No attempt fits in before the deadline: what waits behind it need not wait for that moment.
        return Consequence(status=Status.EXPIRED, reason=Reason.DEADLINE, earlier_attempts=earlier)
    return Consequence(status=Status.PENDING, reason=reason, earlier_attempts=earlier, due_at=due_at)
