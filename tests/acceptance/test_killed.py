"""`kill -9` of any service in the middle of every scenario: after its restart every webhook has come, in order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from simulator.transfers import ATTENDED_VARIANTS
from tests.acceptance.contract import scenarios
from tests.acceptance.product import SERVICES
from tests.acceptance.rehearsal import Act, Performance, rehearse

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from simulator import Simulator
    from tests.acceptance.product import Product
    from tests.cluster import Cluster

ACTS = [
    *(Act(family, name) for family in ("post", "get") for name in scenarios(family)),
    *(Act("post", "incoming-blind-transfer", f"blind:{order}") for order in ("leaves-on-answer", "leaves-first")),
    *(Act("post", "incoming-attended-transfer", f"attended:{order}") for order in ATTENDED_VARIANTS[1:]),
    *(Act("post", f"makecall-{end}", "makecall:name-first") for end in ("answered", "missed")),
]
_MOMENTS = (1.2, 5.0, 8.0)  # seconds between the kills: while it rings, while somebody talks, while calls end


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.timeout(200)
def test_nothing_is_lost_repeated_under_a_new_id_or_out_of_order(service: str, tmp_path: Path) -> None:
    _play_and_kill(service, tmp_path, "sqlite:")


@pytest.mark.timeout(200)
def test_nothing_is_lost_when_the_monitor_is_killed_on_postgresql(cluster: Cluster, tmp_path: Path) -> None:
    _play_and_kill("monitor", tmp_path, cluster.url())


def _play_and_kill(service: str, folder: Path, database: str) -> None:
    async def disturb(product: Product, _: Sequence[Simulator]) -> None:
        for moment in _MOMENTS:
            await asyncio.sleep(moment)
            await product.kill(service)
            await product.start(service)

    performances = asyncio.run(rehearse(ACTS, folder, split=True, database=database, disturb=disturb))
    differences = {name: found for name, one in performances.items() if (found := _differences(one))}
    assert not differences, "\n".join(f"{name}:\n      {'; '.join(found)}" for name, found in differences.items())


def _differences(performance: Performance) -> list[str]:
    found = performance.differences(has_gaps=True)
    webhooks = [*performance.webhooks, *performance.completed]
    contents = {webhook.id: (webhook.raw_query, webhook.body) for webhook in webhooks}
    changed = [one.id for one in webhooks if contents[one.id] != (one.raw_query, one.body)]
    return found + [f"repeated with another content: {webhook_id}" for webhook_id in changed]
