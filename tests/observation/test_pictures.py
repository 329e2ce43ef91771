"""Pictures are drawn of any answers, few or none, in round and readable figures."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from tests.observation.panels import dashboard_paths, panels
from tests.observation.pictures.answers import Answered, Mark, Named, Sight
from tests.observation.pictures.page import drawn
from tests.observation.pictures.units import readable, ticks
from tests.observation.prometheus import Series, Span

if TYPE_CHECKING:
    from pathlib import Path

SPAN = Span(start=1_000.0, end=1_100.0, step=10.0)
TIMES = [SPAN.start + SPAN.step * place for place in range(11)]


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (0.0, "s", "0 s"),
        (0.0123, "s", "12.3 ms"),
        (72.0, "s", "1.2 min"),
        (1_250_000.0, "bytes", "1.19 MiB"),
        (0.256, "percentunit", "25.6 %"),
        (4.5, "reqps", "4.5 req/s"),
        (826.4, "short", "826"),
        (-0.5, "short", "-0.5"),
    ],
)
def test_figures_are_readable(value: float, unit: str, words: str) -> None:
    assert readable(value, unit) == words


@pytest.mark.parametrize(
    ("highest", "unit", "values"),
    [
        (0.0, "short", [0, 1]),
        (7.0, "short", [0, 2, 4, 6, 8]),
        (75.0, "s", [0, 15, 30, 45, 60, 75]),
        (100 * 2.0**20, "bytes", [place * 20 * 2**20 for place in range(6)]),
    ],
)
def test_axes_have_round_values(highest: float, unit: str, values: list[float]) -> None:
    assert ticks(highest, unit) == pytest.approx(values)


@pytest.mark.parametrize("has_data", [True, False])
@pytest.mark.parametrize("path", dashboard_paths(), ids=lambda path: path.stem)
def test_every_kind_of_panel_is_drawn(path: Path, has_data: bool) -> None:
    series = [_series(le, value) for value, le in enumerate(("0.1", "1.0", "+Inf"))] if has_data else []
    answered = [
        Answered(panel=panel, series=series, exemplars=[(1_050.0, 0.5)]) for panel in panels(path, with_rows=True)
    ]
    sight = Sight(title="any", span=SPAN, panels=answered, marks=[Mark(at=1_020.0, colour="#ff0000")])
    picture = ElementTree.fromstring(drawn(sight))
    shapes = [element for element in picture.iter() if element.tag.endswith(("path", "rect"))]
    assert len(shapes) > len(answered)
    assert not [value for element in shapes for value in element.attrib.values() if "nan" in value]


def _series(le: str, value: float) -> Named:
    return Named(name=le, series=Series({"le": le, "alertname": "<any> & all"}, [(at, value) for at in TIMES]))
