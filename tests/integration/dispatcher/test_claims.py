"""Claims and fencing on a real PostgreSQL: who may attempt, whose settlement counts, and what is found again."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from services.dispatcher.admission import Admission
from services.dispatcher.arrivals import CallKey
from services.dispatcher.breaker import USUAL_RULES
from services.dispatcher.claims import Claims
from services.dispatcher.deliveries import Deliveries, Head, Status
from services.dispatcher.endpoints import Endpoint, Format
from services.dispatcher.expiry import Expiry
from services.dispatcher.gate import Gate
from services.dispatcher.kept_events import KeptEvents
from services.dispatcher.lane_repair import LaneRepair
from services.dispatcher.lanes import Lanes, Settled
from services.dispatcher.metrics import DispatcherMetrics
from services.dispatcher.overdue import Overdue
from switchhook.rpc import Received, encode
from switchhook.storage import open_database
from switchhook.storage.database import Statement
from tests.integration.dispatcher.test_deliveries import CALL, NOW, keep, settle, stored
from tests.unit.dispatcher.events import a_call, an_event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

    from services.dispatcher.ready import Turn
    from switchhook.storage.database import Database

    Join = Callable[[], Coroutine[None, None, "Replica"]]

postgres = pytest.mark.parametrize("engine", ["postgres"])
PAST = Statement("UPDATE replicas SET expires_at = 0")


class Replica:
    """A dispatcher's side of the table, without the dispatcher."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.repair = LaneRepair(database, clock=lambda: NOW)
        self.deliveries = Deliveries(database, doubt=self.repair.doubt)
        self.dead_seen = 0
        self.claims = Claims(database, rescued=self._saw_dead)

    async def heads(self, *, limit: int = 10) -> list[Head]:
        """What a page gives."""
        heads = await self.deliveries.due_heads("crm", now=NOW, limit=10, owner=self.claims.owner)
        return await self.claims.claim("crm", heads, limit=limit)

    async def admit(self, *sequences: int) -> int:
        """Accept events of one call as intake does; how many deliveries it made."""
        endpoints = [Endpoint(name="crm", url="http://127.0.0.1:1/", format=Format.POST)]
        admission = Admission(endpoints, events=KeptEvents(self.database), hold=timedelta(minutes=10))
        events = [an_event(sequence=sequence, call=a_call("260307120000_1")) for sequence in sequences]
        unit = await admission.of_events([Received(event, encode(event)) for event in events], now=NOW)
        return len(list(unit.made(await self.database.write(unit.statements))))

    def _saw_dead(self) -> None:
        self.dead_seen += 1


@pytest.fixture
async def join(database_url: str, data_dir: Path) -> AsyncIterator[Join]:
    """Starts one more replica on the same tables."""
    async with AsyncExitStack() as stack:

        async def one_more() -> Replica:
            database = await open_database(
                database_url,
                data_dir=data_dir,
                service="dispatcher",
                migrations=files("services.dispatcher") / "migrations",
                allow_replicas=True,
            )
            stack.push_async_callback(database.close)
            replica = Replica(database)
            await replica.claims.join()
            return replica

        yield one_more


async def owners(replica: Replica) -> list[int]:
    return [owner for (owner,) in await replica.database.read("SELECT owner FROM deliveries ORDER BY event")]


@pytest.mark.parametrize("engine", ["sqlite"])
async def test_the_only_dispatcher_has_everything_and_writes_nothing_for_it(join: Join) -> None:
    only = await join()
    await keep(only.deliveries, stored(1))
    [head] = await only.heads()
    assert (head.owner, only.claims.owner, only.claims.holds(head)) == (0, 0, True)
    assert await only.database.read("SELECT * FROM replicas") == []


@postgres
async def test_a_head_is_one_replicas_until_it_is_settled(join: Join) -> None:
    one, other = await join(), await join()
    await keep(one.deliveries, stored(1), stored(2))
    [head] = await one.heads()
    assert await other.heads() == []
    assert (one.claims.holds(head), other.claims.holds(head)) == (True, False)

    await settle(one.deliveries, head, Status.PENDING, due_at=NOW)
    [head] = await other.heads()
    following = await settle(other.deliveries, head, Status.DELIVERED)
    assert following is not None
    assert (following.sequence, following.owner) == (2, other.claims.owner)
    assert await one.heads() == []


@postgres
async def test_limits_are_shared_by_those_who_live(join: Join) -> None:
    one = await join()
    assert (one.claims.replicas, one.claims.share_of(64)) == (1, 64)
    two, three = await join(), await join()
    for replica in (one, two, three):
        await replica.claims._renew()
    assert [replica.claims.replicas for replica in (one, two, three)] == [3, 3, 3]
    assert [one.claims.share_of(limit) for limit in (64, 5, 1)] == [21, 1, 1]

    await two.claims.leave()
    three_number = (three.claims.owner,)
    await one.database.write([Statement("UPDATE replicas SET expires_at = 0 WHERE number = ?", three_number)])
    await one.claims._renew()
    assert one.claims.replicas == 1


@postgres
async def test_no_more_is_claimed_than_is_asked_for(join: Join) -> None:
    one, other = await join(), await join()
    await keep(one.deliveries, *(stored(1, CallKey(f"main/260307120000_{number}")) for number in range(5)))
    assert [len(await one.heads(limit=2)), len(await other.heads(limit=4))] == [2, 3]


@postgres
async def test_the_claims_of_a_dead_replica_are_given_back_and_it_settles_nothing_more(join: Join) -> None:
    one, other = await join(), await join()
    await keep(one.deliveries, stored(1), stored(2))
    [head] = await one.heads()
    number = one.claims.owner
    await one.database.write([Statement("UPDATE replicas SET expires_at = 0 WHERE number = ?", (number,))])

    await other.claims._rescue()
    assert other.dead_seen == 1
    [again] = await other.heads()
    assert again.event == head.event
    assert await settle(one.deliveries, head, Status.DELIVERED) is None
    assert await one.database.read("SELECT status, owner FROM deliveries ORDER BY event") == [
        ("pending", other.claims.owner),
        ("pending", 0),
    ]

    await one.claims._renew()
    assert one.claims.owner not in {number, other.claims.owner}
    assert not one.claims.holds(head)


@postgres
async def test_a_lease_that_ran_out_is_not_renewed_though_nobody_has_seen_it(join: Join) -> None:
    one = await join()
    number = one.claims.owner
    await keep(one.deliveries, stored(1))
    await one.heads()
    await one.database.write([PAST])
    await one.claims._renew()
    assert one.claims.owner > number
    await one.claims._rescue()
    assert len(await one.heads()) == 1


@postgres
async def test_what_is_claimed_for_nobody_alive_is_found(join: Join) -> None:
    """A claim that was committed just after its replica had been buried."""
    one = await join()
    await keep(one.deliveries, stored(1))
    await one.database.write([Statement("UPDATE deliveries SET owner = 999")])
    await one.claims._rescue()
    assert await owners(one) == [0]


@postgres
async def test_who_stops_gives_everything_back(join: Join) -> None:
    one, other = await join(), await join()
    await keep(one.deliveries, stored(1))
    [head] = await one.heads()
    await one.claims.leave()
    assert not one.claims.holds(head)
    assert len(await other.heads()) == 1


@postgres
async def test_what_waits_behind_a_shut_gate_is_given_back_but_not_what_is_under_way(join: Join) -> None:
    one = await join()
    await keep(one.deliveries, stored(1), stored(1, CallKey("main/260307120000_2")))
    under_way, _ = await one.heads()
    await one.claims.give_back("crm", keep={under_way.event})
    assert await owners(one) == [one.claims.owner, 0]


@postgres
async def test_a_lane_that_lost_its_head_between_two_replicas_gets_one(join: Join) -> None:
    """The one finishes the last delivery while the other, who still sees it, adds the next one behind it."""
    one = await join()
    await keep(one.deliveries, stored(1), stored(2))
    await one.database.write(
        [Statement("UPDATE deliveries SET status = 'delivered', due_at = NULL, settled_at = 1 WHERE sequence = 1")]
    )
    assert await one.heads() == []
    one.repair.doubt("crm", CALL)
    one.repair.doubt("crm", CallKey("main/none"))
    assert await one.repair.look() == 1
    assert [head.sequence for head in await one.heads()] == [2]
    one.repair.doubt("crm", CALL)
    assert await one.repair.look() == 0


async def _nothing(_turn: Turn) -> Settled:
    return Settled()


async def _never() -> bool:
    return False


@postgres
async def test_a_lane_whose_last_delivery_expired_is_looked_at_once_more(join: Join) -> None:
    """As above: the other one adds its delivery behind the head that expires in this moment."""
    one = await join()
    await keep(one.deliveries, stored(1))
    await one.database.write([Statement("UPDATE deliveries SET deadline_at = 1")])
    lanes = Lanes(
        "crm",
        deliveries=one.deliveries,
        claims=one.claims,
        deliver=_nothing,
        gate=Gate(rules=USUAL_RULES, now=NOW),
        may_probe=_never,
        concurrency=1,
        clock=lambda: NOW,
    )
    expiry = Expiry(
        Overdue(one.database),
        claims=one.claims,
        lanes_by_endpoint={"crm": lanes},
        doubt=one.deliveries.doubt,
        metrics=DispatcherMetrics(CollectorRegistry(), endpoints=["crm"]),
        clock=lambda: NOW,
    )
    await expiry.look()
    await keep(one.deliveries, stored(2))
    await one.database.write([Statement("UPDATE deliveries SET due_at = NULL")])
    assert await one.repair.look() == 1


@postgres
async def test_what_a_dead_replica_owed_is_found_by_a_look_at_the_whole_table(join: Join) -> None:
    one = await join()
    await keep(one.deliveries, stored(1), stored(2))
    await one.database.write([Statement("UPDATE deliveries SET due_at = NULL")])
    assert await one.repair._headless() == [("crm", CALL)]


@postgres
async def test_what_another_replica_accepted_is_known(join: Join) -> None:
    one, other = await join(), await join()
    assert await one.admit(1) == 1
    assert await other.admit(2) == 1
    assert await other.admit(1, 2) == 0
    assert await one.admit(4) == 0
    assert await other.admit(3) == 2


@postgres
async def test_a_held_event_whose_predecessor_came_in_the_same_moment_elsewhere_goes(join: Join) -> None:
    """Neither saw the other's: the one is held although nothing is missing."""
    one = await join()
    events = KeptEvents(one.database)
    await keep(one.deliveries, stored(1), stored(2))
    await keep(one.deliveries, stored(3), stored(5), held=NOW + timedelta(minutes=10))
    assert [event.sequence for event in await events.overdue_holds(now=NOW, limit=10)] == [3]
