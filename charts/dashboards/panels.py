"""The kinds of panels that the dashboards are made of, in one look.

Every panel has a title, a unit and a sentence for whoever is on duty: what it shows, and from when it is bad.
A width is in the 24 columns of a dashboard.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import common, heatmap, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.dashboard import FieldColor, ThresholdsConfig
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphGradientMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROMETHEUS = DataSourceRef(type_val="prometheus", uid="${datasource}")
GREEN, AMBER, RED, BLUE, GREY = "#56a64b", "#f2a900", "#e02f44", "#3274d9", "#8e8e8e"
HEIGHT, LOW = 8, 4


@dataclass(frozen=True, slots=True)
class Query:
    """An expression, and what its series are called: `{{label}}` is replaced."""

    expr: str
    legend: str = ""
    has_exemplars: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on a value is amber, and from where red; None: it never is."""

    amber: float | None = None
    red: float | None = None


def lines(
    title: str,
    *queries: Query,
    unit: str,
    about: str,
    width: int = 12,
    is_stacked: bool = False,
    colours: Mapping[str, str] | None = None,
) -> timeseries.Panel:
    """Series over time; `colours` by the name of a series."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(about)
        .unit(unit)
        .span(width)
        .height(HEIGHT)
        .min(0)
        .datasource(PROMETHEUS)
        .line_width(1)
        .fill_opacity(30 if is_stacked else 8)
        .gradient_mode(GraphGradientMode.OPACITY)
        .show_points(VisibilityMode.NEVER)
        .span_nulls(60_000)
        .stacking(common.StackingConfig().mode(StackingMode.NORMAL if is_stacked else StackingMode.NONE))
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
    )
    for number, query in enumerate(queries):
        panel.with_target(_range(query, number))
    for name, colour in (colours or {}).items():
        panel.override_by_name(name, [_fixed(colour)])
    return panel


def number(
    title: str, query: Query, *, unit: str, about: str, limits: Limits | None = None, width: int = 4
) -> stat.Panel:
    """How it is now, in one figure; `limits` colour it."""
    panel = (
        stat.Panel()
        .title(title)
        .description(about)
        .unit(unit)
        .span(width)
        .height(LOW)
        .datasource(PROMETHEUS)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields(""))
        .graph_mode(BigValueGraphMode.AREA)
        .color_mode(BigValueColorMode.VALUE)
        .color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .thresholds(_thresholds(limits))
    )
    return panel.with_target(_range(query, 0))


def heat(title: str, query: Query, *, unit: str, about: str, width: int = 12) -> heatmap.Panel:
    """A histogram over time; the query gives its buckets by `le`."""
    colour = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Turbo").exponent(0.5).steps(64)
    return (
        heatmap.Panel()
        .title(title)
        .description(about)
        .unit("short")
        .span(width)
        .height(HEIGHT)
        .datasource(PROMETHEUS)
        .calculate(False)
        .y_axis(heatmap.YAxisConfig().unit(unit))
        .color(colour)
        .cell_gap(1)
        .filter_values(heatmap.FilterValueRange().le(1e-9))
        .exemplars_color("rgba(255,0,255,0.7)")
        .with_target(_range(query, 0).format(PromQueryFormat.HEATMAP))
    )


def states(
    title: str, query: Query, *, about: str, names: Mapping[int, tuple[str, str]], width: int = 12
) -> statetimeline.Panel:
    """What state each series was in; `names` gives the word and the colour of a value."""
    words = {str(value): ValueMappingResult(text=word, color=colour) for value, (word, colour) in names.items()}
    return (
        statetimeline.Panel()
        .title(title)
        .description(about)
        .unit("short")
        .span(width)
        .height(HEIGHT)
        .datasource(PROMETHEUS)
        .mappings([ValueMap(options=words)])
        .color_scheme(FieldColor().mode(FieldColorModeId.FIXED).fixed_color(GREY))
        .show_value(VisibilityMode.AUTO)
        .merge_values(True)
        .row_height(0.8)
        .line_width(0)
        .fill_opacity(75)
        .with_target(_range(query, 0))
    )


def rows(
    title: str, query: Query, *, about: str, hidden: Sequence[str], unit: str, width: int = 12, height: int = HEIGHT
) -> table.Panel:
    """A row for each series of now, a column for each label that is not `hidden`."""
    columns: dict[str, object] = dict.fromkeys(("Time", "__name__", *hidden), True)
    return (
        table.Panel()
        .title(title)
        .description(about)
        .unit(unit)
        .span(width)
        .height(height)
        .datasource(PROMETHEUS)
        .no_value("nothing")
        .with_transformation(
            DataTransformerConfig(id_val="organize", options={"excludeByName": columns, "renameByName": {}})
        )
        .with_target(_query(query, 0).instant().format(PromQueryFormat.TABLE))
    )


def _range(query: Query, number: int) -> Dataquery:
    return _query(query, number).range()


def _query(query: Query, number: int) -> Dataquery:
    made = Dataquery().expr(query.expr).ref_id(chr(ord("A") + number)).legend_format(query.legend or "__auto")
    return made.exemplar(query.has_exemplars).datasource(PROMETHEUS)


def _thresholds(limits: Limits | None) -> ThresholdsConfig:
    steps = [Threshold(value=None, color=BLUE if limits is None else GREEN)]
    if limits is not None:
        values = ((limits.amber, AMBER), (limits.red, RED))
        steps += [Threshold(value=value, color=colour) for value, colour in values if value is not None]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


def _fixed(colour: str) -> DynamicConfigValue:
    return DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})
