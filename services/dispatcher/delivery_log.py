"""The delivery log: what became of which delivery, asked by operators. Reads only; all SQL of the log.

Promises that a question, however wide, never holds the database up: it is answered from windows of so many events, and
after so many windows with what was found so far and the place to go on from. Numbers of events grow with time, so a
time is found by halving, and no index of times costs the deliveries anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from services.dispatcher.log_walk import WINDOW, Place, Walk, calls_of, filters, is_in
from services.dispatcher.logged import COLUMNS, LastFailure, LoggedAttempt, LoggedDelivery, attempt_of, delivery_of
from switchhook.storage.times import micros, moment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from services.dispatcher.selection import DeliveryId, Selection
    from switchhook.storage.database import Database

WINDOWS = 200  # looked at for one page
# Clocks are set back, and replicas disagree: numbers follow the time to about this.
DISORDER = timedelta(minutes=10)

ONE = COLUMNS + "events.id = ? AND deliveries.endpoint = ?"

ENDS = "SELECT (SELECT MIN(event) FROM deliveries), (SELECT MAX(event) FROM deliveries)"
CALL_ENDS = "SELECT MIN(number), MAX(number) FROM events WHERE %s"
NEXT_OLDER = "SELECT MAX(event) FROM deliveries WHERE event < ?"
NEXT_NEWER = "SELECT MIN(event) FROM deliveries WHERE event > ?"
ACCEPTED = "SELECT number, accepted_at FROM events WHERE number >= ? ORDER BY number LIMIT 1"

OVERTAKEN = "%s AND deliveries.event > ?%s"

ATTEMPTS = """
SELECT number, started_at, duration, status, outcome, reason, excerpt, response_body, response_bytes, address
FROM attempts WHERE event = ? AND endpoint = ? ORDER BY number"""

BACKLOG = "SELECT COUNT(*), MIN(event) FROM deliveries WHERE endpoint = ? AND status = 'pending'"
ACCEPTED_AT = "SELECT accepted_at FROM events WHERE number = ?"

# An endpoint's failures have no index of their own: it is looked where the last one must be, unless it healed since.
RECENT_FAILURE = """
SELECT started_at, status, reason, excerpt FROM attempts
WHERE event >= ? AND endpoint = ? AND outcome <> 'delivered' ORDER BY started_at DESC LIMIT 1"""
UNHEALED_FAILURE = """
SELECT started_at, status, reason, excerpt FROM attempts
WHERE endpoint = ? AND outcome <> 'delivered' AND event IN (
    SELECT event FROM (SELECT event FROM deliveries WHERE endpoint = ? AND status IN ('dead', 'expired')
                       ORDER BY settled_at DESC LIMIT 20) AS given_up
    UNION
    SELECT event FROM (SELECT event FROM deliveries WHERE endpoint = ? AND status = 'pending' AND due_at IS NOT NULL
                       ORDER BY due_at LIMIT 100) AS heads)
ORDER BY started_at DESC LIMIT 1"""


@dataclass(frozen=True, slots=True)
class Page:
    """Some deliveries; `after` is where to go on, None at the end. A page may be empty before the end."""

    deliveries: tuple[LoggedDelivery, ...]
    after: Place | None


class DeliveryLog:
    """Reads one database. A call's id without its PBX is looked for in each of `pbx_names`, if there are any."""

    def __init__(self, database: Database, *, pbx_names: Sequence[str] = ()) -> None:
        self._database = database
        self._pbx_names = tuple(pbx_names)

    async def one(self, wanted: DeliveryId) -> LoggedDelivery | None:
        """The delivery of this id. Raises `StorageError`, as all questions do."""
        rows = await self._database.read(ONE, (wanted.event, wanted.endpoint))
        return delivery_of(rows[0]) if rows else None

    async def attempts(self, delivery: LoggedDelivery) -> list[LoggedAttempt]:
        """All that were made for it, the first one first."""
        rows = await self._database.read(ATTEMPTS, (delivery.number, delivery.id.endpoint))
        return [attempt_of(row) for row in rows]

    async def backlog(self, endpoint: str) -> tuple[int, datetime | None]:
        """How many deliveries wait for it, and when the event of the first of them was accepted."""
        count, number = (await self._database.read(BACKLOG, (endpoint,)))[0]
        if not count:
            return 0, None
        rows = await self._database.read(ACCEPTED_AT, (number,))
        return count, moment(rows[0][0]) if rows else None

    async def last_failure(self, endpoint: str) -> LastFailure | None:
        """The latest attempt that failed, among the newest events and what still waits or was given up last."""
        newest = (await self._database.read(ENDS))[0][1]
        if newest is None:
            return None
        rows = await self._database.read(RECENT_FAILURE, (newest - WINDOW, endpoint))
        rows += await self._database.read(UNHEALED_FAILURE, (endpoint, endpoint, endpoint))
        if not rows:
            return None
        at, status, reason, answer = max(rows, key=lambda row: int(row[0]))
        return LastFailure(at=moment(at), status=status, reason=reason, answer=answer)

    async def page(
        self, selection: Selection, *, limit: int, after: Place | None = None, newest_first: bool = True
    ) -> Page:
        """At most `limit` deliveries, in the order of their events' acceptance, from `after` on."""
        if selection.ids:
            return await self._named(selection, after=after, limit=limit)
        where, parameters = filters(selection, pbx_names=self._pbx_names)
        found: list[LoggedDelivery] = []
        walk = await self._walk(selection, newest_first=newest_first)
        place = after or walk.start
        for _ in range(WINDOWS):
            if walk.is_over(place):
                return Page(tuple(found), None)
            began_at = place
            rows = await self._database.read(
                walk.sql(where), (*walk.window(place), place.event, place.endpoint, *parameters, limit)
            )
            for row in rows:
                place = Place(row[0], row[1])
                delivery = delivery_of(row)
                if _passes(delivery, selection):
                    found.append(delivery)
                if len(found) == limit:
                    return Page(tuple(found), place)
            if len(rows) < limit:
                place = await self._beyond(walk, began_at)
        return Page(tuple(found), place)

    async def overtaken(self, selection: Selection, deliveries: Sequence[LoggedDelivery]) -> list[LoggedDelivery]:
        """Those of the selection that belong before some of these in their lanes, but were accepted after them."""
        calls = sorted({each.call for each in deliveries})
        if not calls or selection.ids:
            return []
        where, parameters = filters(selection, pbx_names=self._pbx_names)
        last: dict[str, int] = {}
        for each in deliveries:
            last[each.call] = max(last.get(each.call, 0), each.sequence)
        rows = await self._database.read(
            COLUMNS + OVERTAKEN % (is_in("events.call", calls), where), (*calls, deliveries[-1].number, *parameters)
        )
        found = [delivery_of(row) for row in rows]
        return [each for each in found if each.sequence < last[each.call] and _passes(each, selection)]

    async def _named(self, selection: Selection, *, after: Place | None, limit: int) -> Page:
        """The deliveries that are named by their ids; a place is the number of ids that were looked at."""
        start = 0 if after is None else after.event
        wanted = selection.ids[start : start + limit]
        found = [delivery for each in wanted if (delivery := await self.one(each)) is not None]
        is_last = start + limit >= len(selection.ids)
        kept = tuple(each for each in found if not selection.states or each.state in selection.states)
        return Page(kept, None if is_last else Place(start + limit))

    async def _walk(self, selection: Selection, *, newest_first: bool) -> Walk:
        """From where to where the events are looked at."""
        keys = calls_of(selection, pbx_names=self._pbx_names)
        if keys:
            sql = CALL_ENDS % is_in("call", keys)
            lowest, highest = (await self._database.read(sql, keys))[0]
            is_narrow = True
        else:
            lowest, highest = (await self._database.read(ENDS))[0]
            is_narrow = False
            if lowest is not None and selection.since is not None:
                lowest = await self._number_at(selection.since - DISORDER, lowest, highest)
            if lowest is not None and selection.until is not None:
                highest = await self._number_at(selection.until + DISORDER, lowest, highest)
        if lowest is None:
            lowest, highest = 1, 0
        return Walk(lowest=lowest, highest=highest, is_narrow=is_narrow, newest_first=newest_first)

    async def _number_at(self, time: datetime, lowest: int, highest: int) -> int:
        """The number of the first event that was accepted at this time or later, else the highest number."""
        at = micros(time)
        while lowest < highest:
            middle = (lowest + highest) // 2
            rows = await self._database.read(ACCEPTED, (middle,))
            if not rows or rows[0][1] >= at:
                highest = middle
            else:
                lowest = rows[0][0] + 1
        return min(lowest, highest)

    async def _beyond(self, walk: Walk, place: Place) -> Place:
        """The place after the window that began at `place`, and after the gap that may follow it."""
        edge = walk.edge(place)
        sql = NEXT_OLDER if walk.newest_first else NEXT_NEWER
        number = (await self._database.read(sql, (edge,)))[0][0]
        if number is None:
            return walk.end
        return Place(number + 1 if walk.newest_first else number)


def _passes(delivery: LoggedDelivery, selection: Selection) -> bool:
    """What the columns cannot tell."""
    return not selection.types or delivery.type in selection.types
