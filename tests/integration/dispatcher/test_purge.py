"""What is old is removed beside deliveries, never before them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.deadline import eventually
from tests.integration.dispatcher.harness import Tables, endpoint, publish, running, settings
from tests.receiver import WebhookReceiver
from tests.unit.dispatcher.events import a_call, an_event

if TYPE_CHECKING:
    from pathlib import Path

OLD = 4_000  # events; their purge takes four seconds at least, for the pauses between its batches
FILL = (
    f"""
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {OLD})
INSERT INTO events (id, call, sequence, payload, accepted_at, kind)
SELECT 'old-' || n, 'main/250101000000_' || n, 1, x'00', 1, 'call' FROM numbers""",
    """
INSERT INTO deliveries (event, endpoint, call, sequence, status, attempts, reason, settled_at)
SELECT number, 'crm', call, sequence, 'delivered', 1, '', 1 FROM events""",
    """
INSERT INTO attempts (event, endpoint, number, started_at, duration, status, outcome, reason, excerpt, address)
SELECT number, 'crm', 1, 1, 900, 204, 'delivered', '', '', '' FROM events""",
)


async def test_a_large_purge_does_not_hold_up_deliveries(data_dir: Path) -> None:
    tables = Tables(data_dir)
    events = [an_event(call=a_call(f"260307120000_{number}")) for number in range(100)]
    async with WebhookReceiver() as receiver:
        configuration = settings(data_dir, endpoint(receiver))
        async with running(configuration):
            pass
        for statement in FILL:
            tables.change(statement)
        async with running(configuration) as run:
            await eventually(lambda: old_ones(tables) < OLD, message="the purge did not begin")
            await publish(run.address, events)
            await eventually(lambda: len(receiver.webhooks) == len(events))
            assert old_ones(tables) > 0, "the deliveries had to wait for the purge"


def old_ones(tables: Tables) -> int:
    [(count,)] = tables.rows("SELECT COUNT(*) FROM events WHERE id LIKE 'old-%'")
    return int(count)
