"""A test that takes too long shows where it waits."""

from __future__ import annotations

import asyncio

from tests.stuck import waiting


async def test_the_lines_are_shown_in_which_a_task_waits() -> None:
    async def inner(event: asyncio.Event) -> None:
        await event.wait()

    async def outer(event: asyncio.Event) -> None:
        await inner(event)

    event = asyncio.Event()
    task = asyncio.create_task(outer(event), name="the one that waits")
    await asyncio.sleep(0)
    [shown] = [one for one in waiting() if one.startswith("the one that waits\n")]
    names = [line.rpartition(".")[2] for line in shown.splitlines()[1:4]]
    assert names == ["outer", "inner", "wait"]
    event.set()
    await task


def test_without_a_loop_nothing_waits() -> None:
    assert list(waiting()) == []
