"""Starts the real command line in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

from tests.repository.tree import ROOT

TIMEOUT = 60.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str


def command_line(*arguments: str) -> list[str]:
    """The program with these arguments."""
    return [sys.executable, "-m", "services", *arguments]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment without any configuration in it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SWITCHHOOK_")}
    # The command may be started in any folder, and must be this tree's.
    return {**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1", **(extra or {})}


def switchhook(folder: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> Answer:
    """Run the command in the folder to its end."""
    answer = subprocess.run(
        command_line(*arguments),
        cwd=folder,
        env=environment(environ),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    return Answer(code=answer.returncode, out=answer.stdout, err=answer.stderr)
