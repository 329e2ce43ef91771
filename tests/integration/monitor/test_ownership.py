"""Who owns a PBX, and that nobody else keeps anything of it, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import AsyncExitStack
from datetime import timedelta
from importlib.resources import files
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from services.monitor import ledger
from services.monitor.calls.legs import Leg, LegStatus
from services.monitor.calls.tracker import CallTracker
from services.monitor.ledger import CallLedger
from switchhook.errors import LeaseLost
from switchhook.events import DnKind
from switchhook.runtime.health import ServiceHealth
from switchhook.storage import Lease, Outbox, Statement, open_database
from switchhook.storage.owners import Owners
from switchhook.storage.sharing import Ownership
from switchhook.telemetry.tracing import OFF
from tests.unit.monitor.table import NUMBER, START, plan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
    from pathlib import Path

    from switchhook.storage import Database
    from switchhook.storage.database import Row

    Join = Callable[[], Coroutine[None, None, "Replica"]]

pytestmark = pytest.mark.parametrize("engine", ["postgres"])


class Replica:
    """A monitor's side of the database, without the monitor."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.lease = Lease(database)
        self.owners = Owners(database, self.lease)

    @property
    def number(self) -> int:
        return self.lease.number

    async def join(self) -> None:
        await self.lease.join()
        self.outbox = Outbox(self.database, "calls", ["a:1"], lease=self.lease)
        await self.outbox.load()
        await self.owners.enrol(["main", "branch"])

    def ledger(self, pbx: str) -> CallLedger:
        return CallLedger(self.database, self.outbox, pbx, lease=self.lease, health=ServiceHealth(), tracing=OFF)

    async def table(self) -> list[Ownership]:
        return (await self.owners.look())[0]

    async def die(self) -> None:
        """Its lease runs out, in the database."""
        await self.database.write([Statement("UPDATE replicas SET expires_at = 0 WHERE number = ?", (self.number,))])


def tracker(pbx: str, *numbers: int) -> CallTracker:
    """The tracker of a PBX on which calls ring."""
    tracker = CallTracker(pbx, plan(), timezone=ZoneInfo("UTC"), report_internal=False, grace=timedelta(seconds=2))
    for number in numbers or (10,):
        leg = Leg(
            dn="117",
            id=number,
            kind=DnKind.EXTENSION,
            status=LegStatus.RINGING,
            number=number,
            party_dn="10007",
            party_kind=DnKind.TRUNK,
            party_number=NUMBER,
        )
        tracker.leg_seen(leg, START)
    return tracker


@pytest.fixture
async def joined(database_url: str, data_dir: Path) -> AsyncIterator[Join]:
    """Starts one more replica on the same tables."""
    async with AsyncExitStack() as stack:

        async def one_more() -> Replica:
            database = await open_database(
                database_url,
                data_dir=data_dir,
                service="monitor",
                migrations=files("services.monitor.migrations"),
                include_outbox=True,
                allow_replicas=True,
            )
            stack.push_async_callback(database.close)
            replica = Replica(database)
            await replica.join()
            return replica

        yield one_more


async def events(replica: Replica) -> list[str]:
    """The PBXs of the events that were kept."""
    return [event_id.split("-")[0] for (event_id,) in await replica.database.read("SELECT event_id FROM outbox")]


async def test_a_pbx_has_one_owner_at_a_time(joined: Join) -> None:
    one, other = await joined(), await joined()
    claimed = await asyncio.gather(one.owners.claim(["main", "branch"]), other.owners.claim(["branch", "main"]))
    assert sorted(claimed[0] + claimed[1]) == ["branch", "main"]
    assert await other.owners.claim(["main", "branch", "unknown"]) == []


async def test_what_the_dead_owned_is_claimed_and_they_are_buried(joined: Join) -> None:
    dead, heir = await joined(), await joined()
    await dead.owners.claim(["main"])
    await dead.die()
    assert await heir.owners.claim(["main"]) == [], "nobody has looked yet"
    table, living = await heir.owners.look()
    assert living == {heir.number}
    assert table == [Ownership("branch"), Ownership("main", dead.number)]
    assert await heir.owners.claim(["main"]) == ["main"]
    assert await dead.owners.claim(["branch"]) == [], "the dead claim nothing"


async def test_a_pbx_is_handed_over_to_who_asked_for_it(joined: Join) -> None:
    giver, asker, late = await joined(), await joined(), await joined()
    await giver.owners.claim(["main"])
    await asker.owners.ask(["main"])
    await late.owners.ask(["main"])
    await late.owners.hand_over("main")
    assert (await giver.table())[1] == Ownership("main", giver.number, asker.number)
    await giver.owners.hand_over("main")
    assert (await giver.table())[1] == Ownership("main", asker.number)


async def test_nothing_is_handed_over_to_the_dead(joined: Join) -> None:
    giver, asker = await joined(), await joined()
    await giver.owners.claim(["main"])
    await asker.owners.ask(["main"])
    await asker.die()
    await giver.table()
    await giver.owners.hand_over("main")
    assert (await giver.table())[1].owner == giver.number


async def test_who_leaves_frees_everything(joined: Join) -> None:
    one, other = await joined(), await joined()
    await one.owners.claim(["main", "branch"])
    await one.lease.leave(one.owners.farewell())
    assert sorted(await other.owners.claim(["main", "branch"])) == ["branch", "main"]


async def test_only_the_owner_keeps_anything_and_a_refusal_harms_nobody_elses_unit(joined: Join) -> None:
    """All of them in one transaction."""
    one, other = await joined(), await joined()
    await one.owners.claim(["main"])
    await other.owners.claim(["branch"])
    outcomes = await asyncio.gather(
        one.ledger("main").keep(tracker("main"), START),
        one.ledger("branch").keep(tracker("branch"), START),
        one.ledger("main").keep(tracker("main", 11), None),
        one.ledger("branch").keep(tracker("branch"), None),
        return_exceptions=True,
    )
    assert [isinstance(outcome, LeaseLost) for outcome in outcomes] == [False, True, False, True]
    assert await events(one) == ["main", "main"]
    assert await one.database.read("SELECT pbx FROM live_calls") == [("main",), ("main",)]
    assert await one.database.read("SELECT pbx, followed_until FROM watches") == [("main", START.timestamp())]


async def test_who_was_buried_keeps_nothing_though_nobody_has_claimed_its_pbx_yet(joined: Join) -> None:
    frozen, other = await joined(), await joined()
    await frozen.owners.claim(["main"])
    await frozen.die()
    await other.table()
    with pytest.raises(LeaseLost):
        await frozen.ledger("main").keep(tracker("main"), START)
    assert await events(other) == []


async def test_a_replica_whose_own_clock_says_that_it_is_too_late_does_not_even_try(joined: Join) -> None:
    one = await joined()
    await one.owners.claim(["main"])
    one.lease._end()
    with pytest.raises(LeaseLost):
        await one.ledger("main").keep(tracker("main"), START)
    assert await events(one) == []


async def test_nobody_becomes_the_owner_between_the_demand_and_the_commit(joined: Join, database_url: str) -> None:
    """Else the heir could read what was, and the unit be committed after that."""
    frozen, heir = await joined(), await joined()
    await frozen.owners.claim(["main"])
    session = await asyncpg.connect(database_url, server_settings={"search_path": "switchhook_monitor"})
    try:
        async with session.transaction():
            await session.execute("SELECT demand_owner('main', $1, NULL)", frozen.number)
            await frozen.die()
            await heir.table()
            assert await heir.owners.claim(["main"]) == []
        assert await heir.owners.claim(["main"]) == ["main"]
        with pytest.raises(asyncpg.PostgresError, match="another replica owns the PBX"):
            await session.execute("SELECT demand_owner('main', $1, NULL)", frozen.number)
    finally:
        await session.close()


async def test_an_heir_has_the_calls_and_the_events_as_they_were_kept(joined: Join) -> None:
    dead, heir = await joined(), await joined()
    await dead.owners.claim(["main"])
    await dead.ledger("main").keep(tracker("main"), START)
    await dead.die()
    await heir.table()
    await heir.owners.claim(["main"])
    kept = await heir.ledger("main").kept(START)
    assert [call.outside_number for call in kept.calls] == [NUMBER]
    assert kept.followed_until == START
    assert await heir.outbox.adopt() == 1


async def test_many_calls_are_kept_in_pieces_and_until_the_last_one_the_gap_stays(
    joined: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in between, the heir has whole calls, and looks for the others in the call log."""
    monkeypatch.setattr(ledger, "_CALLS_AT_ONCE", 2)
    dead, heir = await joined(), await joined()
    await dead.owners.claim(["main"])
    write, writes = dead.database.write, itertools.count(1)

    async def write_once(unit: Sequence[Statement]) -> list[list[Row]]:
        if next(writes) > 1:
            raise LeaseLost("main")
        return await write(unit)

    with monkeypatch.context() as killed:
        killed.setattr(dead.database, "write", write_once)
        with pytest.raises(LeaseLost):
            await dead.ledger("main").keep(tracker("main", *range(1, 6)), START)
    between = await heir.ledger("main").kept(START)
    assert [call.numbers for call in between.calls] == [[1], [2]]
    assert len(await events(heir)) == 2
    assert between.followed_until is None
    told = await dead.ledger("main").keep(tracker("main", *range(11, 16)), START)
    assert [event.call.numbers for event in told] == [(number,) for number in range(11, 16)]
    assert (await heir.ledger("main").kept(START)).followed_until == START
