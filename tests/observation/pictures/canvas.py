"""A picture in SVG, written as it is drawn: rectangles, texts, lines. Lengths are pixels, y goes down."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FONT = "Inter, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
WIDE = 0.56  # of a letter, on average, as a share of its height


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.height

    def inside(self, *, left: float = 0, top: float = 0, right: float = 0, bottom: float = 0) -> Box:
        """Smaller by so much at each side."""
        return Box(x=self.x + left, y=self.y + top, width=self.width - left - right, height=self.height - top - bottom)


class Canvas:
    """Collects elements; `svg` gives the file."""

    def __init__(self, width: float, height: float, *, background: str) -> None:
        self._size = (width, height)
        self._parts: list[str] = []
        self.box(Box(x=0, y=0, width=width, height=height), background)

    def box(self, box: Box, colour: str, *, radius: float = 0, edge: str = "", opacity: float = 1) -> None:
        """A filled rectangle."""
        corner = f' rx="{_short(radius)}"' if radius else ""
        stroke = f' stroke="{edge}"' if edge else ""
        seen = f' fill-opacity="{_short(opacity)}"' if opacity < 1 else ""
        self._parts.append(
            f'<rect x="{_short(box.x)}" y="{_short(box.y)}" width="{_short(box.width)}" '
            f'height="{_short(box.height)}"{corner} fill="{colour}"{stroke}{seen}/>'
        )

    def text(
        self, x: float, y: float, words: str, *, size: float, colour: str, anchor: str = "start", bold: bool = False
    ) -> None:
        """A line of text; `y` is its base line."""
        weight = ' font-weight="600"' if bold else ""
        place = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self._parts.append(
            f'<text x="{_short(x)}" y="{_short(y)}" font-size="{_short(size)}" fill="{colour}"{place}{weight}>'
            f"{escape(words)}</text>"
        )

    def line(self, points: Sequence[tuple[float, float]], colour: str, *, width: float = 1.5, dashes: str = "") -> None:
        """A line through the points."""
        pattern = f' stroke-dasharray="{dashes}"' if dashes else ""
        self._parts.append(
            f'<path d="{_path(points)}" fill="none" stroke="{colour}" stroke-width="{_short(width)}" '
            f'stroke-linejoin="round"{pattern}/>'
        )

    def area(self, points: Sequence[tuple[float, float]], colour: str, *, opacity: float) -> None:
        """What the points enclose."""
        self._parts.append(f'<path d="{_path(points)}z" fill="{colour}" fill-opacity="{_short(opacity)}"/>')

    def cells(self, boxes: Sequence[Box], colour: str) -> None:
        """Many rectangles of one colour."""
        path = "".join(
            f"M{_short(one.x)} {_short(one.y)}h{_short(one.width)}v{_short(one.height)}h{_short(-one.width)}z"
            for one in boxes
        )
        self._parts.append(f'<path d="{path}" fill="{colour}"/>')

    def svg(self) -> str:
        """The whole file."""
        width, height = map(_short, self._size)
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="{FONT}">'
        )
        return "\n".join([head, *self._parts, "</svg>"]) + "\n"


def text_width(words: str, size: float) -> float:
    """About how wide a text is."""
    return len(words) * size * WIDE


def fitting(words: str, size: float, width: float) -> str:
    """The text, cut off where it would be wider."""
    most = max(int(width / (size * WIDE)), 1)
    return words if len(words) <= most else words[: most - 1] + "…"


def _path(points: Sequence[tuple[float, float]]) -> str:
    kept = [point for place, point in enumerate(points) if not _is_on_the_way(points, place)]
    return "M" + "L".join(f"{_short(x)} {_short(y)}" for x, y in kept)


def _is_on_the_way(points: Sequence[tuple[float, float]], place: int) -> bool:
    """True when a level line goes through the point anyway."""
    if not 0 < place < len(points) - 1:
        return False
    return abs(points[place - 1][1] - points[place][1]) + abs(points[place + 1][1] - points[place][1]) < 0.05


def _short(number: float) -> str:
    return f"{number:.1f}".rstrip("0").rstrip(".")
