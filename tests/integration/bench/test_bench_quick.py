"""The bench of the dispatcher runs and prints figures; what they are is nobody's promise."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
WITHIN = 60.0  # seconds


async def test_the_quick_form_prints_deliveries_a_second_beside_the_bare_client() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.deliveries", "--quick", "--parts=throughput", "--database=sqlite",
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await asyncio.wait_for(process.communicate(), WITHIN)
    assert process.returncode == 0, errors.decode()
    printed = output.decode()
    assert re.search(r"bare client: [1-9]\d* a second at", printed)
    assert re.search(r"SQLite: [1-9]\d* a second at \d+ µs of processor time each; \d+% of the bare client", printed)
    assert "PostgreSQL" not in printed
