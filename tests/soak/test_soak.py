"""Whatever is answered and whoever dies: each event is accepted or given up for a reason, in order, recognisably.

The short form runs with all tests, and makes the same plans each time. The long form (`make soak`) makes new ones,
until `SOAK_KILLS` kills have happened on both engines together.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.cluster import Cluster
from tests.soak.course import Course, Tally
from tests.soak.plan import plans

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterator

    from tests.soak.plan import Plan

ENGINES = ("sqlite", "postgres")
SHORT_KILLS, SHORT_PLANS = 6, 2
LONG_KILLS = 20
LONG_PLANS = -(-int(os.environ.get("SOAK_KILLS", "200")) // (LONG_KILLS * len(ENGINES)))
# Real processes do not fail in the same way twice, so there is nothing to be gained from a smaller plan.
USUAL = settings(
    database=None, phases=(Phase.generate,), deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A server of our own, which may be killed."""
    cluster = Cluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


@pytest.fixture(scope="module", params=ENGINES)
def soak(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Plan], None]]:
    """Carries out a plan; at the end says what was done, all in all."""
    engine, total = str(request.param), Tally()

    async def carry_out(plan: Plan) -> Tally:
        folder = tmp_path_factory.mktemp("soak")
        if engine == "sqlite":
            return await Course(plan, database="sqlite:", replicas=1).run(folder)
        cluster: Cluster = request.getfixturevalue("cluster")
        name = f"soak_{uuid.uuid4().hex[:12]}"
        database = await cluster.create(name)

        def restart(how: signal.Signals) -> None:
            cluster.stop(how)
            cluster.start()

        try:
            return await Course(plan, database=database, replicas=2, restart=restart).run(folder)
        finally:
            await cluster.drop(name)

    def run(plan: Plan) -> None:
        total.add(asyncio.run(carry_out(plan)))

    yield run
    print(f"\n{engine}: {total}")


@pytest.mark.timeout(600)
@settings(USUAL, max_examples=SHORT_PLANS, derandomize=True)
@given(plan=plans(kills=SHORT_KILLS, calls_per_kill=3))
def test_nothing_is_lost_nor_out_of_order(soak: Callable[[Plan], None], plan: Plan) -> None:
    soak(plan)


@pytest.mark.soak
@pytest.mark.timeout(0)
@settings(USUAL, max_examples=LONG_PLANS, derandomize=False)
@given(plan=plans(kills=LONG_KILLS, calls_per_kill=3))
def test_nothing_is_lost_nor_out_of_order_for_long(soak: Callable[[Plan], None], plan: Plan) -> None:
    soak(plan)
