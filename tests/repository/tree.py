"""The files of the repository: those that are committed or could be."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_NEVER = {".git", ".venv", "node_modules", "var", "build", "dist"}


def repository_files(suffix: str = "") -> list[Path]:
    """Every file that git does not ignore; where there is no git, every file outside of caches."""
    answer = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if answer.returncode == 0:
        files = [ROOT / name.decode() for name in answer.stdout.split(b"\0") if name]
    else:
        files = [path for path in ROOT.rglob("*") if _is_source(path.relative_to(ROOT))]
    return sorted(path for path in files if path.is_file() and path.name.endswith(suffix))


def _is_source(path: Path) -> bool:
    return not any(part in _NEVER or part.endswith((".egg-info", "_cache", "__pycache__")) for part in path.parts)
