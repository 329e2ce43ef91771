"""The bench of the monitor runs and prints figures; what they are is nobody's promise."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
WITHIN = 90.0  # seconds


async def test_the_quick_form_prints_what_a_frame_costs() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.monitoring", "--quick", "--sizes=2x100", "--seconds=3",
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await asyncio.wait_for(process.communicate(), WITHIN)
    assert process.returncode == 0, errors.decode()
    printed = output.decode()
    assert re.search(r"2 x 100 calls: [1-9]\d* live", printed)
    assert re.search(r"\d\.\d+ processor seconds per 1,000 frames", printed)
    assert re.search(r"frame to sink: p50 \d+\.\d ms, p99 \d+\.\d ms", printed)
    assert re.search(r"HTTP requests per call \d+\.\d+", printed)
