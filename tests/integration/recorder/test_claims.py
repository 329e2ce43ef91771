"""Claims and their fences on a real PostgreSQL: who owns what, and that nobody else keeps anything of it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from services.recorder.arrivals import arriving, take_arrivals
from services.recorder.catalog import Catalog, keeping_strays, moving_to
from services.recorder.claims import Claims
from services.recorder.desk import Left
from services.recorder.eldest import Eldest
from services.recorder.fence import Fence
from services.recorder.findings import listing
from services.recorder.hunt import Found
from services.recorder.jobs import Absent
from services.recorder.kept_files import KeptFiles
from services.recorder.metrics import RecorderMetrics
from services.recorder.owed_calls import OwedCalls
from services.recorder.retention import Limits, Retention
from services.recorder.retention_policy import RetentionPolicy
from services.recorder.settlement import Settlement
from services.recorder.store import Store
from services.recorder.token_table import TokenTable
from services.recorder.trouble import Trouble
from switchhook.errors import LeaseLost, StorageError
from switchhook.objects import Keyring, Objects
from switchhook.objects.bucket import open_bucket
from switchhook.pbx import Token
from switchhook.rpc import Received, encode
from switchhook.runtime.health import ServiceHealth
from switchhook.settings import StorageSettings
from switchhook.storage import Lease, Outbox, Statement, open_database
from switchhook.storage.owners import Owners
from tests.unit.recorder.calls import final, row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from services.recorder.desk import Desk
    from services.recorder.findings import Listed
    from services.recorder.matching import AwaitedLink
    from switchhook.storage import Database, Row

pytestmark = pytest.mark.parametrize("engine", ["postgres"])
NOW = datetime(2026, 3, 7, tzinfo=UTC)
_STORED = (
    "INSERT INTO files (pbx, call_id, link, number, duration, size, sha256, channels, expires_at, kept_at)"
    " VALUES ('main', ?, 1, 1, 1, 10, '', 1, 0, ?)"
)


class Pile:
    """A desk at which nothing is done."""

    def __init__(self, room: int) -> None:
        self.links: list[AwaitedLink] = []
        self._room = room

    def take(self, link: AwaitedLink, _: Listed) -> None:
        self.links.append(link)

    @property
    def busy(self) -> int:
        return len(self.links)

    @property
    def room(self) -> int:
        return max(0, self._room - self.busy)


@dataclass
class Replica:
    """One recorder's part of the work, without what surrounds it."""

    database: Database
    lease: Lease
    pile: Pile

    def __post_init__(self) -> None:
        self.fence = Fence(self.lease)
        kept = KeptFiles(self.database)
        self.catalog = Catalog(self.database)
        self.owed = OwedCalls(self.database, kept)
        self.outbox = Outbox(self.database, "recordings", ["nowhere:1"], lease=self.lease)
        self.settlement = Settlement(
            self.database,
            self.catalog,
            kept,
            outbox=self.outbox,
            policy=RetentionPolicy(default=timedelta(days=1)),
            clock=lambda: NOW,
            fence=self.fence,
        )
        desk: Desk = self.pile  # type: ignore[assignment]  # all that claims ask of a desk
        self.claims = Claims(
            self.database,
            self.owed,
            self.settlement,
            fence=self.fence,
            desks={"main": desk},
            announces_unmatched=False,
            at_once=100,
            clock=lambda: NOW,
        )

    async def step(self) -> None:
        """One round of claims."""
        await self.claims._step()

    async def find(self, *ends: int, links: int = 1) -> None:
        """So many calls, of each of which one recording was found."""
        events = [final(number=number, links=links) for number in ends]
        calls = await self.catalog.accept([Received(one, encode(one)) for one in events], at=NOW)
        unit = listing([Found(call.links[0], (row(7),)) for call in calls], at=NOW)
        await self.catalog.write(unit)

    async def settle(self, link: AwaitedLink) -> None:
        await self.settlement.settle(link, Absent())
        self.pile.links.remove(link)
        self.claims.left(Left(link))


@asynccontextmanager
async def replica(url: str, data_dir: Path, *, room: int = 2) -> AsyncIterator[Replica]:
    database = await open_database(
        url,
        data_dir=data_dir,
        service="recorder",
        migrations=files("services.recorder") / "migrations",
        include_outbox=True,
        allow_replicas=True,
    )
    try:
        lease = Lease(database)
        await lease.join()
        yield Replica(database, lease, Pile(room))
    finally:
        await database.close()


async def dies(one: Replica, *, seen_by: Replica) -> None:
    """Its lease runs out, and the other one sees it."""
    await one.database.write([Statement("UPDATE replicas SET expires_at = 0 WHERE number = ?", (one.lease.number,))])
    rescue = asyncio.create_task(seen_by.claims.rescue())
    async with asyncio.timeout(10):
        while await seen_by.database.read("SELECT 1 FROM calls WHERE owner = ?", (one.lease.number,)):  # noqa: ASYNC110 - it happens in the database
            await asyncio.sleep(0.01)
    rescue.cancel()


async def test_each_call_is_one_ones_and_each_claims_what_it_has_room_for(data_dir: Path, database_url: str) -> None:
    async with replica(database_url, data_dir) as one, replica(database_url, data_dir, room=9) as other:
        await one.find(1, 2, 3, 4, 5)
        await asyncio.gather(one.step(), other.step())
        assert (len(one.pile.links) <= 2, len(one.pile.links) + len(other.pile.links)) == (True, 5)
        calls = [link.key.call_id for each in (one, other) for link in each.pile.links]
        assert len(set(calls)) == 5


async def test_what_a_dead_one_had_claimed_is_claimed_anew_and_it_cannot_settle_it(
    data_dir: Path, database_url: str
) -> None:
    async with replica(database_url, data_dir) as one, replica(database_url, data_dir) as other:
        await one.find(1)
        await one.step()
        await other.step()
        assert (len(one.pile.links), len(other.pile.links)) == (1, 0)
        await dies(one, seen_by=other)
        await other.step()
        [link] = other.pile.links
        with pytest.raises(LeaseLost):
            await one.settlement.settle(link, Absent())
        assert await other.database.read("SELECT event_id FROM outbox") == []
        await other.settle(link)
        await other.step()
        assert len(await other.database.read("SELECT event_id FROM outbox")) == 1
        assert await other.database.read("SELECT owner, due_at FROM calls") == [(0, None)]


async def test_what_is_found_of_a_call_that_is_claimed_reaches_the_same_one(data_dir: Path, database_url: str) -> None:
    async with replica(database_url, data_dir) as one, replica(database_url, data_dir) as other:
        await one.find(1, links=2)
        await one.step()
        [newest] = one.pile.links
        call = await one.owed.one("main", newest.key.call_id)
        assert call is not None
        [oldest] = call.looked_for
        await other.catalog.write(listing([Found(oldest, (row(8),))], at=NOW))
        await other.step()
        assert other.pile.links == []
        await one.step()
        assert [link.key.link for link in one.pile.links] == [2, 1]
        await one.settle(newest)
        await one.step()
        assert await one.database.read("SELECT owner FROM calls") == [(one.lease.number,)]


async def test_what_is_found_is_a_stray_no_more(data_dir: Path, database_url: str) -> None:
    """In one unit: whoever ended between the two left a row that has a call and belongs to nobody."""
    async with replica(database_url, data_dir) as one:
        await one.catalog.write(keeping_strays("main", [row(7), row(8)], [], at=NOW))
        await one.find(1)
        assert [stray.id for stray, _ in await one.catalog.strays("main")] == [8]


async def test_what_is_given_back_is_another_ones_at_its_time(data_dir: Path, database_url: str) -> None:
    async with replica(database_url, data_dir) as one, replica(database_url, data_dir) as other:
        await one.find(1)
        await one.step()
        link = one.pile.links.pop()
        one.pile._room = 0
        one.claims.left(Left(link, timedelta(), looks=3))
        await one.step()
        await other.step()
        assert [each.key for each in other.pile.links] == [link.key]
        assert await one.database.read("SELECT looks FROM jobs") == [(3,)]
        other.pile.links.clear()
        other.claims.left(Left(link, timedelta(seconds=1)))
        await other.step()
        assert other.pile.links == []  # not yet
        assert await one.database.read("SELECT owner FROM calls") == [(0,)]


async def test_a_claim_whose_answer_was_lost_is_found_again(data_dir: Path, database_url: str) -> None:
    async with replica(database_url, data_dir) as one:
        await one.find(1)
        await one.database.write([Statement("UPDATE calls SET owner = ?", (one.lease.number,))])
        await one.step()
        assert len(one.pile.links) == 1


async def test_a_call_is_brought_to_its_desk_once_when_the_database_fails_in_between(
    data_dir: Path, database_url: str
) -> None:
    async with replica(database_url, data_dir) as one:
        await one.find(1)
        read = one.database.read

        async def broken(sql: str, parameters: Sequence[object] = ()) -> Sequence[Row]:
            if "listed_at" in sql:
                raise StorageError("the connection was lost")
            return await read(sql, parameters)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(one.database, "read", broken)
            with pytest.raises(StorageError):
                await one.step()
        one.claims._is_unsure = True  # as `run` has it after a failure
        await one.step()
        await one.step()
        [link] = one.pile.links
        assert await one.database.read("SELECT owner FROM calls") == [(one.lease.number,)]
        await one.settle(link)
        await one.step()


async def test_only_who_has_the_pbx_keeps_what_is_read_of_its_list(data_dir: Path, database_url: str) -> None:
    async with replica(database_url, data_dir) as one, replica(database_url, data_dir) as other:
        owners = Owners(one.database, one.lease)
        await owners.enrol(["main"])
        assert await owners.claim(["main"]) == ["main"]
        await one.catalog.write([*one.fence.of_pbx("main"), moving_to("main", 5)])
        with pytest.raises(LeaseLost):
            await other.catalog.write([*other.fence.of_pbx("main"), moving_to("main", 9)])
        assert await one.catalog.cursor("main") == 5
        await other.catalog.write([arriving("main", "250101000000_1", [4, 5])])
        assert await take_arrivals(other.database, other.fence) == []
        [arrival] = await take_arrivals(one.database, one.fence)
        assert (arrival.call_id, arrival.ids) == ("250101000000_1", (4, 5))


async def test_the_eldest_of_the_living_purges_for_all(data_dir: Path, database_url: str, tmp_path: Path) -> None:
    async with replica(database_url, data_dir) as one, replica(database_url, data_dir) as other:
        eldests = [Eldest(each.database, each.fence) for each in (one, other)]
        assert [await eldest.is_here() for eldest in eldests] == [True, False]
        await one.database.write([Statement(_STORED, (f"250101000000_{number}", number)) for number in range(4)])
        retentions = [_retention(each, eldest, tmp_path) for each, eldest in zip((one, other), eldests, strict=True)]
        deleted = await asyncio.gather(*(retention.enforce_quota() for retention in retentions))
        assert deleted == [2, 0]
        await dies(one, seen_by=other)
        assert [await eldest.is_here() for eldest in eldests] == [False, True]
        assert await retentions[1].enforce_quota() == 0
        assert await other.database.read("SELECT count(*) FROM files WHERE deleted_at IS NULL") == [(2,)]


def _retention(one: Replica, eldest: Eldest, root: Path) -> Retention:
    kept = KeptFiles(one.database)
    return Retention(
        one.catalog,
        kept,
        Store(Objects(open_bucket(StorageSettings(), root=root / "objects"), Keyring()), kept),
        metrics=RecorderMetrics(CollectorRegistry()),
        limits=Limits(purge_at=time(3), quota=25, remember_calls=timedelta(days=1)),
        trouble=Trouble("retention", health=ServiceHealth(), clock=lambda: NOW),
        clock=lambda: NOW,
        is_ours=eldest.is_here,
    )


async def test_one_at_a_time_asks_for_a_token_and_a_dead_one_keeps_nobody_waiting(
    data_dir: Path, database_url: str
) -> None:
    async with replica(database_url, data_dir) as one, replica(database_url, data_dir) as other:
        ours, theirs = (TokenTable(each.database, "main", client="a", fence=each.fence) for each in (one, other))
        token = Token(value="secret", obtained_at=NOW, expires_at=NOW + timedelta(hours=1))
        async with ours.locked():
            waiting = asyncio.create_task(_locked(theirs))
            await asyncio.sleep(0.3)
            assert not waiting.done()
            await ours.write(token)
        await asyncio.wait_for(waiting, 5)
        assert await theirs.read() == token
        assert await TokenTable(other.database, "main", client="b", fence=other.fence).read() is None
        async with ours.locked():
            await dies(one, seen_by=other)
            await asyncio.wait_for(_locked(theirs), 5)


async def _locked(table: TokenTable) -> None:
    async with table.locked():
        return
