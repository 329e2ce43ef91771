"""A whole dashboard as one picture: its grid, titles, and each panel by its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.observation.pictures.axes import FAINT, INK, Scene
from tests.observation.pictures.canvas import Box, Canvas, fitting
from tests.observation.pictures.plots import DRAWN

if TYPE_CHECKING:
    from tests.observation.pictures.answers import Answered, Sight

WIDTH, COLUMNS = 1440.0, 24
UNIT, GAP, HEAD = 34.0, 8.0, 58.0  # pixels of a unit of height, between panels, above them
BACKGROUND, PANEL, EDGE = "#111217", "#181b1f", "#24272d"


def drawn(sight: Sight) -> str:
    """The file."""
    lowest = max(one.panel.place[1] + one.panel.place[3] for one in sight.panels)
    canvas = Canvas(WIDTH, HEAD + lowest * UNIT + GAP, background=BACKGROUND)
    canvas.text(GAP * 2, 37, sight.title, size=21, colour=INK, bold=True)
    minutes = (sight.span.end - sight.span.start) / 60
    about = f"{minutes:.1f} minutes of demonstration with faults, as Prometheus saw them"
    canvas.text(WIDTH - GAP * 2, 37, about, size=13, colour=FAINT, anchor="end")
    scene = Scene(canvas=canvas, span=sight.span, marks=sight.marks)
    for answered in sight.panels:
        _draw(scene, answered)
    return canvas.svg()


def _draw(scene: Scene, answered: Answered) -> None:
    x, y, width, height = answered.panel.place
    column = (WIDTH - GAP) / COLUMNS
    box = Box(x=GAP + x * column, y=HEAD + y * UNIT, width=width * column - GAP, height=height * UNIT - GAP)
    if answered.panel.kind == "row":
        scene.canvas.text(box.x + 6, box.y + 20, answered.panel.title, size=15, colour=INK, bold=True)
        return
    scene.canvas.box(box, PANEL, radius=3, edge=EDGE)
    title = fitting(answered.panel.title, 13.5, box.width - 16)
    scene.canvas.text(box.x + 10, box.y + 20, title, size=13.5, colour=INK, bold=True)
    DRAWN[answered.panel.kind](scene, answered, box.inside(top=28))
