"""What the kinds of panels share: the axes, the clock below with its marks, and the legend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.observation.pictures.canvas import Box, Canvas, text_width
from tests.observation.pictures.units import moment, readable, ticks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.observation.pictures.answers import Mark
    from tests.observation.prometheus import Span

INK, FAINT, GRID = "#d8d9da", "#8e949c", "#2c3036"
SMALL, NORMAL = 10.5, 12.0
LEGEND = 18.0  # pixels of a line of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What all panels of a dashboard share."""

    canvas: Canvas
    span: Span
    marks: Sequence[Mark]


def value_axis(scene: Scene, field: Box, highest: float, unit: str) -> Callable[[float], float]:
    """Lines at round values; gives where a value is."""
    values = ticks(highest, unit)

    def y_at(value: float) -> float:
        return field.bottom - field.height * value / values[-1]

    for value in values:
        scene.canvas.line([(field.x, y_at(value)), (field.right, y_at(value))], GRID, width=1)
        words = readable(value, unit)
        scene.canvas.text(field.x - 6, y_at(value) + 4, words, size=SMALL, colour=FAINT, anchor="end")
    return y_at


def draw_clock(scene: Scene, field: Box) -> None:
    """The times below, and the marks."""
    count = max(int(field.width // 110), 2)
    for place in range(count + 1):
        at = scene.span.start + (scene.span.end - scene.span.start) * place / count
        anchor = "start" if place == 0 else "end" if place == count else "middle"
        scene.canvas.text(
            x_at(scene, field, at), field.bottom + 15, moment(at), size=SMALL, colour=FAINT, anchor=anchor
        )
    for mark in scene.marks:
        x = x_at(scene, field, mark.at)
        scene.canvas.line([(x, field.y), (x, field.bottom)], mark.colour, width=1, dashes="3 3")


def x_at(scene: Scene, field: Box, at: float) -> float:
    """Where a time is."""
    share = (at - scene.span.start) / (scene.span.end - scene.span.start)
    return field.x + field.width * min(max(share, 0.0), 1.0)


def legend_rows(names: Sequence[str], width: float) -> list[list[str]]:
    """The names, in at most two lines."""
    rows: list[list[str]] = [[]]
    used = 0.0
    for name in dict.fromkeys(names):
        needed = text_width(name, SMALL) + 30
        if used + needed > width - 20 and rows[-1]:
            if len(rows) == 2:
                rows[-1][-1] = "…"
                return rows
            rows.append([])
            used = 0.0
        rows[-1].append(name)
        used += needed
    return rows


def draw_legend(scene: Scene, rows: Sequence[Sequence[str]], colours: Mapping[str, str], box: Box) -> None:
    """The lines of names, at the bottom of the box."""
    for place, row in enumerate(rows):
        x, y = box.x + 12, box.bottom - 8 - LEGEND * (len(rows) - 1 - place)
        for name in row:
            if name in colours:
                scene.canvas.box(Box(x=x, y=y - 6, width=12, height=3), colours[name], radius=1.5)
            scene.canvas.text(x + 17, y, name, size=SMALL, colour=INK)
            x += text_width(name, SMALL) + 30


def draw_nothing(scene: Scene, box: Box) -> None:
    """There is no data."""
    x, y = box.x + box.width / 2, box.y + box.height / 2
    scene.canvas.text(x, y, "nothing", size=NORMAL, colour=FAINT, anchor="middle")
