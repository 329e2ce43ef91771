"""Events that were committed together with what caused them, kept until every sink has acknowledged them.

The table is the truth; memory holds only each sink's cursor and what is on its way to it, so a sink that is down for
days costs disk and nothing else. A position is given by the database at the commit, so order is the order of commits.
Cursors are written late, a few times a second: losing one means that events are sent again, never that one is missed.
On a shared database each replica has a stream of its own, and adopts those of replicas that are gone.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from switchhook.errors import StorageError
from switchhook.storage.database import Statement
from switchhook.storage.orphans import adopt, own_stream
from switchhook.storage.sink_backlog import SinkBacklog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from switchhook.events import EventId
    from switchhook.storage.database import Database
    from switchhook.storage.lease import Lease

log = logging.getLogger(__name__)

_INSERT_ROWS = 16  # events in one INSERT; bounds the number of different statement texts
_UNREADABLE_PAUSE = 0.3  # seconds between attempts to read what the database does not give

# Each sink's cursor, how many events wait behind it, and when the oldest of them came (ms since 1970).
_CURSORS = """
SELECT sink, acknowledged,
    (SELECT count(*) FROM outbox o WHERE o.stream = s.stream AND o.position > s.acknowledged),
    (SELECT appended_at FROM outbox o WHERE o.stream = s.stream AND o.position > s.acknowledged
     ORDER BY o.position LIMIT 1)
FROM outbox_sinks s
WHERE stream = ?
"""


class Outbox:
    """One stream of events to a fixed set of sinks. Needs `open_database(…, include_outbox=True)`."""

    def __init__(
        self,
        database: Database,
        stream: str,
        sinks: Sequence[str],
        *,
        lease: Lease | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`now` gives seconds since 1970.

        With a `lease` (which has joined) that is shared, the stream is this replica's own part of `stream`, and nothing
        of it is handed out once the lease is not valid any more: a new number needs a new outbox.
        """
        self._database = database
        self._family = stream
        self._stream = stream if lease is None else own_stream(stream, lease)
        self._lease = lease
        self._now = now
        self._is_unreadable = False
        self._loading = asyncio.Lock()
        self._loaded = False
        self._announced = 0
        self._flushed_at = 0.0
        self._is_failing = False
        self._written_by_sink: dict[str, int] = {}
        self._backlog_by_sink = {sink: SinkBacklog(self, sink) for sink in sinks}

    def append(self, events: Sequence[tuple[EventId, bytes]]) -> list[Statement]:
        """Statements that keep the events, in order, for the caller's own unit; an event that is kept is left alone.

        Call `notify` after the unit's `write` has returned.
        """
        if not self._backlog_by_sink:
            return []
        self._announced += len(events)
        appended_at = int(self._now() * 1000)
        statements = []
        for start in range(0, len(events), _INSERT_ROWS):
            rows = events[start : start + _INSERT_ROWS]
            parameters: list[object] = []
            for event_id, payload in rows:
                parameters += (self._stream, event_id, payload, appended_at)
            statements.append(Statement(_insert(len(rows)), parameters))
        return statements

    def notify(self) -> None:
        """What was appended is committed: wake those who publish it."""
        announced, self._announced = self._announced, 0
        for backlog in self._backlog_by_sink.values():
            backlog.grew(announced, self._now())

    def backlog(self, sink: str) -> SinkBacklog:
        """What the sink has not acknowledged; satisfies `switchhook.rpc.Backlog`. One user at a time."""
        return self._backlog_by_sink[sink]

    def depth(self, sink: str) -> int:
        """Events that the sink has not acknowledged, counted in memory; an estimate while the sink is down."""
        return self._backlog_by_sink[sink].depth

    def oldest_age(self, sink: str) -> timedelta:
        """Age of the oldest event that the sink has not acknowledged; zero when there is none."""
        return self._backlog_by_sink[sink].oldest_age(self._now())

    async def load(self) -> None:
        """Read the cursors; forget sinks that are not configured any more. Done by itself at first use."""
        async with self._loading:
            if self._loaded:
                return
            await self._database.write(self._adopt_sinks())
            rows = await self._database.read(_CURSORS, (self._stream,))
            for sink, acknowledged, depth, oldest in rows:
                self._backlog_by_sink[sink].restore(acknowledged, depth, (oldest or 0) / 1000)
                self._written_by_sink[sink] = acknowledged
            self._loaded = True

    async def rows_after(self, position: int, limit: int) -> list[tuple[int, bytes, int]]:
        """(position, payload, ms since 1970) of the stream's next rows; waits while the database refuses.

        Raises `LeaseLost`.
        """
        while True:
            self._demand_lease()
            try:
                rows = await self._database.read(
                    "SELECT position, payload, appended_at FROM outbox WHERE stream = ? AND position > ?"
                    " ORDER BY position LIMIT ?",
                    (self._stream, position, limit),
                )
            except StorageError as error:
                if not self._is_unreadable:
                    log.warning("outbox.unreadable", extra={"stream": self._stream, "reason": str(error)})
                self._is_unreadable = True
                await asyncio.sleep(_UNREADABLE_PAUSE)
                continue
            self._is_unreadable = False
            self._demand_lease()
            return rows

    async def adopt(self) -> int:
        """Take over what replicas that are gone had not handed over; how many events. Raises `StorageError`."""
        if self._lease is None or not self._lease.is_shared or not self._backlog_by_sink:
            return 0
        await self.load()
        adopted = await adopt(self._database, self._family, heir=self._stream, sinks=list(self._backlog_by_sink))
        if adopted.events:
            for backlog in self._backlog_by_sink.values():
                backlog.grew(adopted.events, adopted.oldest)
        return adopted.events

    async def flush(self) -> None:
        """Write the cursors, drop what every sink has acknowledged. A failure is made good by the next one."""
        self._flushed_at = time.monotonic()
        if not self._loaded:
            return
        cursor_by_sink = {sink: backlog.acknowledged for sink, backlog in self._backlog_by_sink.items()}
        changed = [item for item in cursor_by_sink.items() if item[1] != self._written_by_sink.get(item[0])]
        if not changed:
            return
        unit = [
            Statement(
                "UPDATE outbox_sinks SET acknowledged = ? WHERE stream = ? AND sink = ?", (position, self._stream, sink)
            )
            for sink, position in changed
        ]
        unit.append(self._drop_acknowledged(min(cursor_by_sink.values())))
        try:
            await self._database.write(unit)
        except StorageError as error:
            if not self._is_failing:
                log.warning("outbox.cursor_not_written", extra={"stream": self._stream, "reason": str(error)})
            self._is_failing = True
            return
        self._is_failing = False
        self._written_by_sink.update(changed)

    @property
    def since_flush(self) -> float:
        """Seconds since the cursors were last written, or tried."""
        return time.monotonic() - self._flushed_at

    def _demand_lease(self) -> None:
        if self._lease is not None:
            self._lease.demand()

    def _adopt_sinks(self) -> list[Statement]:
        sinks = list(self._backlog_by_sink)
        marks = ", ".join("?" * len(sinks))
        unit = [
            Statement(
                f"DELETE FROM outbox_sinks WHERE stream = ? AND sink NOT IN ({marks})",  # noqa: S608 - question marks only
                (self._stream, *sinks),
            )
        ]
        unit += [
            Statement("INSERT INTO outbox_sinks VALUES (?, ?, 0) ON CONFLICT DO NOTHING", (self._stream, sink))
            for sink in sinks
        ]
        return unit

    def _drop_acknowledged(self, position: int) -> Statement:
        return Statement("DELETE FROM outbox WHERE stream = ? AND position <= ?", (self._stream, position))


def _insert(rows: int) -> str:
    values = ", ".join(["(?, ?, ?, ?)"] * rows)
    return (
        f"INSERT INTO outbox (stream, event_id, payload, appended_at) VALUES {values}"  # noqa: S608 - question marks only
        " ON CONFLICT (event_id) DO NOTHING"
    )
