"""The streams of replicas on one outbox: each hands out its own, and what the dead had left is adopted in order."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from switchhook.errors import LeaseLost
from switchhook.storage import Database, Lease, Outbox, Statement, open_database
from tests.conformance.test_lease import REPLICAS, expire
from tests.conformance.test_outbox import append, event, kept, payloads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

    Join = Callable[..., Coroutine[None, None, "Replica"]]

pytestmark = pytest.mark.parametrize("engine", ["postgres"])
SINKS = ("a:1", "b:1")


class Replica:
    """A producer's storage, without the producer."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.lease = Lease(database)

    async def join(self, sinks: tuple[str, ...] = SINKS) -> None:
        """Under a number, and with the outbox of that number."""
        await self.lease.join()
        self.outbox = Outbox(self.database, "calls", sinks, lease=self.lease, now=lambda: 1000.0)
        await self.outbox.load()

    async def append(self, *numbers: int) -> None:
        """Events are committed."""
        await append(self.database, self.outbox, numbers)

    async def acknowledge(self, sink: str, last: bytes) -> None:
        """The sink has everything up to the event, and that was noted."""
        rows = await self.outbox.backlog(sink).pending(after=0, limit=1000)
        await self.outbox.backlog(sink).acknowledge(next(at for at, payload in rows if payload == last))
        await self.outbox.flush()

    async def die(self) -> None:
        """Its lease runs out, and somebody notices."""
        await expire(self.database, self.lease)
        await self.database.write([Statement("DELETE FROM replicas WHERE expires_at = 0")])


@pytest.fixture
async def joined(database_url: str, data_dir: Path, tmp_path: Path) -> AsyncIterator[Join]:
    """Starts one more replica on the same tables."""
    migrations = tmp_path / "migrations"
    migrations.mkdir()
    (migrations / "0001_replicas.sql").write_text(REPLICAS)
    async with AsyncExitStack() as stack:

        async def one_more(sinks: tuple[str, ...] = SINKS) -> Replica:
            database = await open_database(
                database_url,
                data_dir=data_dir,
                service="calls",
                migrations=migrations,
                include_outbox=True,
                allow_replicas=True,
            )
            stack.push_async_callback(database.close)
            replica = Replica(database)
            await replica.join(sinks)
            return replica

        yield one_more


def named(*numbers: int) -> list[bytes]:
    return [payload for _, payload in map(event, numbers)]


async def test_each_replica_hands_out_its_own_and_the_living_are_left_alone(joined: Join) -> None:
    one, other = await joined(), await joined()
    await one.append(1)
    await other.append(2)
    await one.append(3)
    assert [await one.outbox.adopt(), await other.outbox.adopt()] == [0, 0]
    assert await payloads(one.outbox, "a:1") == named(1, 3)
    assert await payloads(other.outbox, "b:1") == named(2)


async def test_what_the_dead_had_left_is_handed_out_behind_our_own_in_its_order(joined: Join) -> None:
    dead, heir = await joined(), await joined()
    await dead.append(*range(10, 30))
    await heir.append(1)
    await dead.append(*range(30, 40))
    await dead.die()
    assert await heir.outbox.adopt() == 30
    assert heir.outbox.depth("b:1") == 31
    for sink in SINKS:
        assert await payloads(heir.outbox, sink) == named(1, *range(10, 40))
    await heir.append(2)
    assert await payloads(heir.outbox, "a:1") == named(1, *range(10, 40), 2)
    assert await heir.outbox.adopt() == 0


async def test_what_every_sink_had_is_not_sent_again(joined: Join) -> None:
    dead, heir = await joined(), await joined()
    await dead.append(*range(6))
    await dead.acknowledge("a:1", b"event 5")
    await dead.acknowledge("b:1", b"event 2")
    await dead.die()
    assert await heir.outbox.adopt() == 3
    assert await payloads(heir.outbox, "b:1") == named(3, 4, 5)
    assert await dead.database.read("SELECT DISTINCT stream FROM outbox_sinks") == [(f"calls/{heir.lease.number}",)]


async def test_a_sink_that_nobody_has_any_more_holds_nothing_back(joined: Join) -> None:
    dead = await joined()
    await dead.append(1, 2)
    await dead.acknowledge("a:1", b"event 2")
    await dead.die()
    heir = await joined(("a:1",))
    assert await heir.outbox.adopt() == 0
    assert await kept(heir.database) == 0


async def test_a_sink_that_is_new_gets_all_that_is_left(joined: Join) -> None:
    dead = await joined(("a:1",))
    await dead.append(1, 2)
    await dead.die()
    heir = await joined()
    assert await heir.outbox.adopt() == 2
    assert await payloads(heir.outbox, "b:1") == named(1, 2)


async def test_the_stream_from_before_there_were_replicas_is_adopted_with_its_cursors(joined: Join) -> None:
    heir = await joined()
    old = Outbox(heir.database, "calls", SINKS)
    await append(heir.database, old, range(4))
    for sink in SINKS:
        await old.backlog(sink).acknowledge((await old.backlog(sink).pending(after=0, limit=2))[-1][0])
    await old.flush()
    assert await heir.outbox.adopt() == 2
    assert await payloads(heir.outbox, "a:1") == named(2, 3)


async def test_other_families_are_left_alone(joined: Join) -> None:
    heir = await joined()
    others = [Outbox(heir.database, name, SINKS) for name in ("recordings", "call", "callsign/1")]
    for number, outbox in enumerate(others):
        await append(heir.database, outbox, [number])
    assert await heir.outbox.adopt() == 0
    assert [await payloads(outbox, "a:1") for outbox in others] == [named(0), named(1), named(2)]


async def test_many_events_are_adopted_by_several_at_once_and_none_is_lost_or_doubled(joined: Join) -> None:
    dead, *heirs = [await joined() for _ in range(3)]
    await dead.append(*range(2_500))
    await dead.die()
    counts = await asyncio.gather(*(heir.outbox.adopt() for heir in heirs))
    assert sum(counts) == 2_500
    got = [await payloads(heir.outbox, "a:1", limit=5_000) for heir in heirs]
    assert sorted(got[0] + got[1]) == sorted(named(*range(2_500)))
    for own in got:
        assert [int(one.split()[1]) for one in own] == sorted(int(one.split()[1]) for one in own)


async def test_age_and_depth_tell_of_what_was_adopted(joined: Join) -> None:
    dead, heir = await joined(), await joined()
    await dead.append(1)
    heir.outbox._now = lambda: 1060.0
    await heir.append(2)
    await dead.die()
    await heir.outbox.adopt()
    assert (heir.outbox.depth("a:1"), heir.outbox.oldest_age("a:1")) == (2, timedelta(seconds=60))


async def test_whose_lease_was_lost_hands_nothing_out(joined: Join) -> None:
    """It was frozen, say, and its events are another one's by now."""
    frozen, heir = await joined(), await joined()
    await frozen.append(1)
    await frozen.die()
    assert not await frozen.lease.renew()
    with pytest.raises(LeaseLost):
        await payloads(frozen.outbox, "a:1")
    assert await heir.outbox.adopt() == 1
    await frozen.outbox.backlog("a:1").acknowledge(10**9)
    await frozen.outbox.flush()
    assert await payloads(heir.outbox, "a:1") == named(1)


async def test_whoever_comes_back_under_another_number_adopts_what_it_had(joined: Join) -> None:
    replica = await joined()
    await replica.append(1, 2)
    await replica.die()
    await replica.join()
    assert await replica.outbox.adopt() == 2
    assert await payloads(replica.outbox, "b:1") == named(1, 2)
