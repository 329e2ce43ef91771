"""`charts/switchhook/README.md`, from the comments of the chart's values: `make docs`."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from tests.chart.values_schema import CHART, default_values

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEY = re.compile(r"(?P<indent> *)(?P<key>[A-Za-z][A-Za-z0-9]*):")
_ABOUT = "# -- "


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A value with its path, and what its comment says of it."""

    path: str
    about: str


def described_values() -> Iterator[Described]:
    """The keys that have a comment, in the order of the file."""
    steps: list[tuple[int, str]] = []
    about: list[str] = []
    for line in (CHART / "values.yaml").read_text(encoding="utf-8").splitlines():
        text = line.strip()
        if text.startswith(_ABOUT):
            about = [text.removeprefix(_ABOUT)]
        elif text.startswith("# ") and about:
            about.append(text.removeprefix("# "))
        elif found := _KEY.match(line):
            indent = len(found["indent"])
            steps = [*(step for step in steps if step[0] < indent), (indent, found["key"])]
            if about:
                yield Described(path=".".join(key for _, key in steps), about=" ".join(about))
            about = []
        else:
            about = []


def chart_readme() -> str:
    """The whole document."""
    head = (CHART / "README.head.md").read_text(encoding="utf-8")
    return head + "\n".join(_rows()) + "\n"


def _rows() -> Iterator[str]:
    yield "| value | default | meaning |"
    yield "|---|---|---|"
    for each in described_values():
        default = orjson.dumps(_at(each.path)).decode().replace("|", "\\|")
        yield f"| `{each.path}` | `{default}` | {each.about.replace('|', chr(92) + '|')} |"


def _at(path: str) -> Any:
    value: Any = default_values()
    for step in path.split("."):
        value = value[step]
    return value


if __name__ == "__main__":
    sys.stdout.write(chart_readme())
