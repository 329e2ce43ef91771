"""Columns for people: as wide as what stands in them, aligned, without lines. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """The header and the rows; nothing at all without rows. Numbers stand to the right."""
    if not rows:
        return
    cells = [list(header), *([_text(value) for value in row] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(header))]
    is_number = [all(isinstance(row[place], int | float) for row in rows) for place in range(len(header))]
    for line in cells:
        aligned = (
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, is_number, strict=True)
        )
        yield "  ".join(aligned).rstrip()


def time_text(written: str | None) -> str:
    """A time of the admin API to the second, in UTC."""
    return "" if written is None else written[:19].replace("T", " ") + "Z"


def _text(value: object) -> str:
    text = "" if value is None else str(value)
    return "".join(character if character.isprintable() else "?" for character in text) or "-"
