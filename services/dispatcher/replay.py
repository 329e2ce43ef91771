"""Replay: deliveries that are finished become pending again, or events get deliveries for another endpoint.

Promises small units, so that deliveries under way wait for none of it, and that order is kept: a replayed delivery
joins its lane by its sequence, and becomes the head only when the lane has none. Ids, times and contents stay;
`replays` marks it. What was finished after the replay began is left alone, so that nothing is sent anew twice.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from services.dispatcher.deliveries import Status
from services.dispatcher.endpoints import wants
from services.dispatcher.replay_order import Replayed, ReplayTarget, Skipped
from switchhook.errors import ConstraintViolated
from switchhook.storage.database import Statement
from switchhook.storage.times import micros

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from services.dispatcher.delivery_log import DeliveryLog
    from services.dispatcher.endpoints import Endpoint
    from services.dispatcher.logged import LoggedDelivery
    from services.dispatcher.replay_order import Progress, ReplayOrder
    from switchhook.storage.database import Database, Row

log = logging.getLogger(__name__)

BATCH = 200  # deliveries in one unit
RETRIES = 3
MOST = 5_000  # deliveries looked at for one request
FAILED = frozenset(Status) - {Status.PENDING, Status.DELIVERED}

SEND_ANEW = """
INSERT INTO deliveries (event, endpoint, call, sequence, status, attempts, reason, replays)
SELECT number, CAST(? AS TEXT), call, sequence, 'pending', 0, '', 1 FROM events WHERE number = ?
ON CONFLICT (event, endpoint) DO UPDATE
SET status = 'pending', due_at = NULL, deadline_at = NULL, reason = '', settled_at = NULL,
    replays = deliveries.replays + 1, earlier_attempts = deliveries.attempts, owner = 0
WHERE deliveries.status <> 'pending' AND deliveries.settled_at < ?
RETURNING event"""

# A lane without a head gets its first delivery as one. A head that is there, and perhaps under way, keeps its place.
GIVE_HEAD = """
UPDATE deliveries SET due_at = ?
WHERE endpoint = ? AND due_at IS NULL AND status || '' = 'pending'
  AND event = (SELECT event FROM deliveries WHERE endpoint = ? AND call = ? AND status = 'pending'
               ORDER BY sequence, event LIMIT 1)
  AND NOT EXISTS (SELECT 1 FROM deliveries WHERE endpoint = ? AND call = ? AND status = 'pending'
                  AND due_at + 0 IS NOT NULL)
RETURNING event"""


class Replay:
    """Writes to one database. `done` is told of deliveries that became pending, after the commit."""

    def __init__(
        self,
        database: Database,
        *,
        log: DeliveryLog,
        endpoints: Sequence[Endpoint],
        done: Callable[[Sequence[ReplayTarget]], None],
    ) -> None:
        self._database = database
        self._log = log
        self._endpoint_by_name = {endpoint.name: endpoint for endpoint in endpoints}
        self._done = done

    async def run(self, order: ReplayOrder, progress: Progress, *, now: datetime) -> Replayed:
        """Do the order, or as much of it as one request may. Raises `StorageError`; what was done before stays."""
        selection = order.selection
        if not selection.states:
            selection = replace(selection, states=_default_states(order))
        replayed = Replayed()
        while True:
            # What is named by ids comes in any order: all of it goes into one unit, so that lanes are in theirs.
            limit = len(selection.ids) or BATCH
            page = await self._log.page(selection, limit=limit, after=progress.place, newest_first=False)
            overtaken = [] if order.is_dry_run else await self._log.overtaken(selection, page.deliveries)
            targets = self._targets((*page.deliveries, *overtaken), order, replayed)
            if order.is_dry_run:
                sent = targets
            else:
                sent = await self._send(targets, due_at=max(progress.due_at, now), rate=order.rate, progress=progress)
                replayed.skipped[Skipped.CHANGED] += len(targets) - len(sent)
            replayed.matched += len(page.deliveries) + len(overtaken)
            replayed.by_endpoint.update(target.endpoint for target in sent)
            if page.after is None:
                return replayed
            due_at = max(progress.due_at, now) + _pause(order.rate) * len(sent)
            progress = replace(progress, due_at=due_at, place=page.after)
            if replayed.matched >= MOST or not page.deliveries:
                replayed.after = progress
                return replayed

    def _targets(
        self, deliveries: Sequence[LoggedDelivery], order: ReplayOrder, replayed: Replayed
    ) -> list[ReplayTarget]:
        """Those that can be sent anew; the others are counted as skipped."""
        targets = []
        for delivery in deliveries:
            name = order.to or delivery.id.endpoint
            skipped = self._obstacle(delivery, name, is_for_another=order.to is not None)
            if skipped is None:
                targets.append(ReplayTarget(event=delivery.number, call=delivery.call, endpoint=name))
            else:
                replayed.skipped[skipped] += 1
        return list(dict.fromkeys(targets))

    def _obstacle(self, delivery: LoggedDelivery, name: str, *, is_for_another: bool) -> Skipped | None:
        endpoint = self._endpoint_by_name.get(name)
        if endpoint is None:
            return Skipped.ENDPOINT_REMOVED
        if not is_for_another:
            return Skipped.PENDING if delivery.state is Status.PENDING else None
        if delivery.own is not None:
            return Skipped.UNWANTED
        if delivery.event is None:
            return Skipped.UNREADABLE
        return None if wants(endpoint, delivery.event) else Skipped.UNWANTED

    async def _send(
        self, targets: Sequence[ReplayTarget], *, due_at: datetime, rate: float | None, progress: Progress
    ) -> list[ReplayTarget]:
        """Make them pending in one unit, each lane's first one due a little after the lane before; those that are."""
        if not targets:
            return []
        statements = [
            Statement(SEND_ANEW, (target.endpoint, target.event, micros(progress.started_at))) for target in targets
        ]
        sizes = Counter((target.endpoint, target.call) for target in targets)
        lane_due_at = due_at
        for (endpoint, call), size in sizes.items():
            statements.append(Statement(GIVE_HEAD, (micros(lane_due_at), endpoint, endpoint, call, endpoint, call)))
            lane_due_at += _pause(rate) * size
        rows = await self._write(statements)
        sent = [target for target, row in zip(targets, rows, strict=False) if row]
        if sent:
            self._done(sent)
            log.info(
                "deliveries.replayed", extra={"deliveries": len(sent), "endpoints": sorted({t.endpoint for t in sent})}
            )
        return sent

    async def _write(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """Another dispatcher on the same database may give a lane its head at the same moment; then look again."""
        for _ in range(RETRIES):
            try:
                return await self._database.write(statements)
            except ConstraintViolated as error:
                log.info("replay.disturbed", extra={"error": str(error)})
        return await self._database.write(statements)


def _default_states(order: ReplayOrder) -> frozenset[Status]:
    """Copies for another endpoint are made whatever became of the original; what is named by its id, once finished."""
    if order.to is not None:
        return frozenset(Status)
    return frozenset(Status) if order.selection.ids else FAILED


def _pause(rate: float | None) -> timedelta:
    return timedelta(0) if rate is None else timedelta(seconds=1 / rate)
