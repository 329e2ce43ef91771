"""Python processes of a test's own."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parents[3]


@asynccontextmanager
async def process(module: str, *arguments: object) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a module of this folder; killed at the end if it still lives."""
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"tests.integration.platform.{module}",
        *map(str, arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


async def line(started: asyncio.subprocess.Process) -> str:
    """The next line that it prints; empty at its end."""
    assert started.stdout is not None
    async with asyncio.timeout(30):
        return (await started.stdout.readline()).decode().strip()
