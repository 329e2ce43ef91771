"""The kinds of panels, each drawn into a box. Colours and manners are Grafana's dark ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tests.observation.pictures.axes import (
    FAINT,
    GRID,
    INK,
    LEGEND,
    NORMAL,
    SMALL,
    Scene,
    draw_clock,
    draw_legend,
    draw_nothing,
    legend_rows,
    value_axis,
    x_at,
)
from tests.observation.pictures.canvas import Box, fitting, text_width
from tests.observation.pictures.units import readable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.observation.pictures.answers import Answered, Named

PALETTE = (
    *("#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#705da0", "#37872d", "#fade2a"),
    *("#447ebc", "#c15c17", "#890f02", "#0a437c", "#6d1f62", "#584477"),
)
HEAT = ("#30123b", "#4662d7", "#36aaf9", "#1ae4b6", "#72fe5e", "#c8ef34", "#faba39", "#f66b19", "#ca2a04")
_AXIS, _CLOCK = 62.0, 20.0
EXEMPLARS = 80  # at most about so many are drawn


def draw_lines(scene: Scene, answered: Answered, box: Box) -> None:
    """Series over time, with a legend of at most two lines below."""
    custom = answered.panel.content["fieldConfig"]["defaults"]["custom"]
    is_stacked = custom["stacking"]["mode"] == "normal"
    series = _telling(answered.series)
    colours = _colours(answered)
    legend = legend_rows([one.name for one in series], box.width)
    field = box.inside(left=_AXIS, right=10, top=6, bottom=_CLOCK + LEGEND * len(legend) + 4)
    layers = _layers(series, is_stacked=is_stacked)
    highest = max((top for layer in layers for _, _, top in layer), default=0.0)
    y_at = value_axis(scene, field, highest, answered.panel.content["fieldConfig"]["defaults"]["unit"])
    draw_clock(scene, field)
    for layer, named in reversed(list(zip(layers, series, strict=True))):
        for part in _parts(layer, scene.span.step):
            upper = [(x_at(scene, field, at), y_at(top)) for at, _, top in part]
            lower = [(x_at(scene, field, at), y_at(bottom)) for at, bottom, _ in part]
            scene.canvas.area([*upper, *reversed(lower)], colours[named.name], opacity=0.3 if is_stacked else 0.08)
            scene.canvas.line(upper, colours[named.name])
    exemplars = sorted(answered.exemplars)
    for at, value in exemplars[:: max(len(exemplars) // EXEMPLARS, 1)]:
        if value <= highest:
            x, y = x_at(scene, field, at), y_at(value)
            scene.canvas.area([(x - 3, y), (x, y - 3), (x + 3, y), (x, y + 3)], "#ff66ff", opacity=0.8)
    if not series:
        draw_nothing(scene, field)
    draw_legend(scene, legend, colours, box)


def draw_number(scene: Scene, answered: Answered, box: Box) -> None:
    """The newest value in the colour of its threshold, and how it came to it."""
    defaults = answered.panel.content["fieldConfig"]["defaults"]
    if not answered.series:
        draw_nothing(scene, box)
        return
    points = answered.series[0].series.points
    value = points[-1][1]
    colour = next(
        step["color"]
        for step in reversed(defaults["thresholds"]["steps"])
        if step["value"] is None or value >= step["value"]
    )
    highest = max(one for _, one in points) or 1.0
    field = box.inside(top=box.height * 0.64)
    upper = [(x_at(scene, field, at), field.bottom - field.height * one / highest) for at, one in points]
    if len(upper) > 1:
        scene.canvas.area([*upper, (upper[-1][0], box.bottom), (upper[0][0], box.bottom)], colour, opacity=0.18)
        scene.canvas.line(upper, colour, width=1)
    words = readable(value, defaults["unit"])
    scene.canvas.text(
        box.x + box.width / 2, box.y + box.height * 0.46, words, size=34, colour=colour, anchor="middle", bold=True
    )


def draw_heat(scene: Scene, answered: Answered, box: Box) -> None:
    """Cells as bright as there were many; between two buckets lies what only the upper one counts."""
    field = box.inside(left=_AXIS, right=10, top=6, bottom=_CLOCK + 6)
    buckets = sorted(answered.series, key=lambda one: float(one.series.labels["le"]))
    counts = _between(buckets)
    used = [place for place, row in enumerate(counts) if any(value > 0.01 for value in row.values())]
    draw_clock(scene, field)
    if not used:
        draw_nothing(scene, field)
        return
    first, last = min(used), max(used)
    height = field.height / (last - first + 1)
    width = field.width * scene.span.step / (scene.span.end - scene.span.start)
    most = max(value for row in counts for value in row.values())
    cells: dict[int, list[Box]] = {}
    unit = answered.panel.content["options"]["yAxis"]["unit"]
    for place in range(first, last + 1):
        top = field.bottom - height * (place - first + 1)
        limit = float(buckets[place].series.labels["le"])
        if (place - first) % math.ceil((last - first + 1) / 9) == 0:
            words = "more" if math.isinf(limit) else readable(limit, unit)
            scene.canvas.text(field.x - 6, top + height / 2 + 4, words, size=SMALL, colour=FAINT, anchor="end")
        for at, value in counts[place].items():
            if value > 0.01:
                shade = min(int((value / most) ** 0.5 * len(HEAT)), len(HEAT) - 1)
                x = x_at(scene, field, at) - width
                cells.setdefault(shade, []).append(
                    Box(x=max(x, field.x), y=top + 0.5, width=width - 0.6, height=height - 1)
                )
    for shade, boxes in sorted(cells.items()):
        scene.canvas.cells(boxes, HEAT[shade])


def draw_states(scene: Scene, answered: Answered, box: Box) -> None:
    """A bar for each series, whose parts have the words and colours of its values."""
    words: dict[str, Mapping[str, str]] = {}
    for mapping in answered.panel.content["fieldConfig"]["defaults"]["mappings"]:
        words |= mapping["options"]
    field = box.inside(left=_AXIS + 10, right=10, top=6, bottom=_CLOCK + 6)
    height = field.height / max(len(answered.series), 1)
    draw_clock(scene, field)
    for row, named in enumerate(answered.series):
        bar = Box(x=field.x, y=field.y + row * height + 3, width=field.width, height=min(height - 6, 46))
        scene.canvas.text(field.x - 8, bar.y + bar.height / 2 + 4, named.name, size=NORMAL, colour=INK, anchor="end")
        for begin, end, value in _runs(named.series.points, scene.span.step):
            x = x_at(scene, field, begin)
            part = Box(x=x, y=bar.y, width=max(x_at(scene, field, end) - x, 1), height=bar.height)
            word = words.get(f"{value:g}", {"text": f"{value:g}", "color": FAINT})
            scene.canvas.box(part, word["color"], opacity=0.8)
            if text_width(word["text"], NORMAL) < part.width:
                scene.canvas.text(part.x + 8, bar.y + bar.height / 2 + 4, word["text"], size=NORMAL, colour="#ffffff")


def draw_rows(scene: Scene, answered: Answered, box: Box) -> None:
    """A table of labels; as many rows as there is room for."""
    (organized,) = answered.panel.content["transformations"]
    hidden = {name for name, is_hidden in organized["options"]["excludeByName"].items() if is_hidden}
    rows = [{name: value for name, value in one.series.labels.items() if name not in hidden} for one in answered.series]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if not rows:
        draw_nothing(scene, box)
        return
    widths = [max(len(name), *(len(row.get(name, "")) for row in rows)) + 2 for name in columns]
    unit = (box.width - 20) / sum(widths)
    room = int((box.height - 24) // 19)
    lefts = [box.x + 10 + unit * sum(widths[:place]) for place in range(len(columns))]
    for name, left, width in zip(columns, lefts, widths, strict=True):
        scene.canvas.text(left, box.y + 15, fitting(name, NORMAL, unit * width), size=NORMAL, colour="#6e9fff")
    for place, row in enumerate(rows[:room]):
        y = box.y + 36 + 19 * place
        scene.canvas.line([(box.x + 8, y - 14), (box.right - 8, y - 14)], GRID, width=1)
        for name, left, width in zip(columns, lefts, widths, strict=True):
            words = fitting(row.get(name, ""), NORMAL, unit * width)
            colour = {"critical": "#ff7383", "warning": "#f2cc0c"}.get(words, INK)
            scene.canvas.text(left, y, words, size=NORMAL, colour=colour)


def _telling(series: Sequence[Named]) -> Sequence[Named]:
    """Of many series those that are not 0 all the time."""
    if len(series) <= 6:
        return series
    return [one for one in series if any(value for _, value in one.series.points)]


def _colours(answered: Answered) -> dict[str, str]:
    fixed: dict[str, str] = {}
    for override in answered.panel.content["fieldConfig"]["overrides"]:
        fixed[override["matcher"]["options"]] = override["properties"][0]["value"]["fixedColor"]
    names = dict.fromkeys(one.name for one in answered.series)
    return {name: fixed.get(name, PALETTE[place % len(PALETTE)]) for place, name in enumerate(names)}


def _layers(series: Sequence[Named], *, is_stacked: bool) -> list[list[tuple[float, float, float]]]:
    """Time, lower and upper value of each point."""
    below: dict[float, float] = {}
    layers = []
    for named in series:
        layer = []
        for at, value in named.series.points:
            bottom = below.get(at, 0.0) if is_stacked else 0.0
            layer.append((at, bottom, bottom + value))
            below[at] = bottom + value
        layers.append(layer)
    return layers


def _parts(layer: Sequence[tuple[float, float, float]], step: float) -> list[list[tuple[float, float, float]]]:
    """The layer without its gaps."""
    parts: list[list[tuple[float, float, float]]] = []
    for point in layer:
        if not parts or point[0] - parts[-1][-1][0] > 4 * step:
            parts.append([])
        parts[-1].append(point)
    return [part for part in parts if len(part) > 1]


def _between(buckets: Sequence[Named]) -> list[dict[float, float]]:
    below: dict[float, float] = {}
    counts = []
    for bucket in buckets:
        here = dict(bucket.series.points)
        counts.append({at: max(value - below.get(at, 0.0), 0.0) for at, value in here.items()})
        below = here
    return counts


def _runs(points: Sequence[tuple[float, float]], step: float) -> list[tuple[float, float, float]]:
    """Begin, end and value of each stretch of one value."""
    runs: list[tuple[float, float, float]] = []
    for at, value in points:
        if runs and runs[-1][2] == value and at - runs[-1][1] < 4 * step:
            runs[-1] = (runs[-1][0], at, value)
        else:
            begin = runs[-1][1] if runs and at - runs[-1][1] < 4 * step else at
            runs.append((begin, at, value))
    return runs


DRAWN: dict[str, Callable[[Scene, Answered, Box], None]] = {
    "timeseries": draw_lines,
    "stat": draw_number,
    "heatmap": draw_heat,
    "state-timeline": draw_states,
    "table": draw_rows,
}
