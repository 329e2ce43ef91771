"""What the project needs, with everything that needs in turn, as it is installed: `name==version` lines for pinning."""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

ROOT = Path(__file__).resolve().parents[2]


def pinned_closure() -> dict[str, str]:
    """Canonical name to the pin of every distribution that the project and its tests need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = closure_of(project["dependencies"] + project["optional-dependencies"]["dev"])
    pins.pop(project["name"], None)  # which names its own extras
    return pins


def closure_of(requirements: Sequence[str]) -> dict[str, str]:
    """Canonical name to the pin of what these requirements need, and what that needs in turn."""
    waiting = [Requirement(text) for text in requirements]
    pins: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement = waiting.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        installed = distribution(requirement.name)
        pins[name] = f"{installed.metadata['Name']}=={installed.version}"
        needed = (Requirement(text) for text in installed.requires or [])
        waiting += [other for other in needed if _applies(other, extras)]
    return pins


def _applies(requirement: Requirement, extras: Collection[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras))


if __name__ == "__main__":
    sys.stdout.write("".join(f"{pin}\n" for pin in sorted(pinned_closure().values(), key=str.lower)))
