"""A page of heads says whether the table has more, whatever else happens while it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.dispatcher.claims import Claims
from services.dispatcher.deliveries import Deliveries
from services.dispatcher.pages import Pages
from switchhook.runtime.clock import utc_now
from tests.integration.dispatcher.stock import fill, opened

if TYPE_CHECKING:
    from pathlib import Path

    from services.dispatcher.deliveries import Head

LIMIT = 4


class _Busy(Deliveries):
    """While it reads, intake hands in heads that are attempted at once: they are `taken` before the page is there."""

    taken: set[int]

    async def due_heads(self, *args: Any, **how: Any) -> list[Head]:
        heads = await super().due_heads(*args, **how)
        self.taken |= {1_000_001, 1_000_002}
        return heads


async def test_heads_that_are_taken_meanwhile_do_not_hide_that_there_are_more(data_dir: Path) -> None:
    await fill(data_dir, calls=LIMIT + 3, events_per_call=1, padding=0)
    database = await opened(data_dir)
    try:
        deliveries = _Busy(database)
        deliveries.taken = set()
        pages = Pages("crm", deliveries, Claims(database))
        page = await pages.read(now=utc_now(), limit=LIMIT, taken=deliveries.taken)
        assert len(page.turns) == LIMIT
        assert page.is_more
    finally:
        await database.close()
