"""What all dashboards have in common: variables, annotations, the links between them, and their file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders.dashboard import (
    AnnotationQuery,
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    QueryVariable,
    Row,
    TimePicker,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from charts.dashboards.panels import AMBER, BLUE, PROMETHEUS, RED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grafana_foundation_sdk.cog.builder import Builder
    from grafana_foundation_sdk.models.dashboard import Panel

TAG = "switchhook"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Marks in every panel. With `is_time` the value is the mark's time, in milliseconds."""

    name: str
    expr: str
    colour: str
    text: str
    is_time: bool = False


MOMENTS = (
    Moments(
        name="Restarts",
        expr="1000 * process_start_time_seconds and on (job, instance) switchhook_build_info",
        colour=AMBER,
        text="{{component}} {{instance}} was started",
        is_time=True,
    ),
    Moments(
        name="Breaker",
        expr="max by (endpoint, state) "
        '(changes(switchhook_endpoint_state{state!="active", endpoint=~"$endpoint"}[$__rate_interval])) > 0',
        colour=RED,
        text="{{endpoint}}: {{state}} begins or ends",
    ),
    Moments(
        name="PBX links",
        expr='max by (pbx) (changes(switchhook_pbx_connected{pbx=~"$pbx"}[$__rate_interval])) > 0',
        colour=BLUE,
        text="the link to {{pbx}} is lost or back",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Panels under one heading."""

    title: str
    panels: Sequence[Builder[Panel]]


def framed(name: str, title: str, about: str, *sections: Section) -> Dashboard:
    """A dashboard; `name` is that of its file, and the last word of its address."""
    dashboard = (
        Dashboard(f"Switchhook / {title}")
        .uid(f"switchhook-{name}")
        .description(about)
        .tags([TAG])
        .refresh("10s")
        .time("now-1h", "now")
        .timezone("browser")
        .timepicker(TimePicker().refresh_intervals(["5s", "10s", "30s", "1m", "5m"]))
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_names("pbx", "PBX", "switchhook_pbx_connected"))
        .with_variable(_names("endpoint", "Endpoint", "switchhook_deliveries_pending"))
        .annotations([_annotation(each) for each in MOMENTS])
        .link(_to_the_others())
    )
    for section in sections:
        dashboard.with_row(Row(section.title))
        for panel in section.panels:
            dashboard.with_panel(panel)
    return dashboard


def written(dashboard: Dashboard) -> str:
    """The text of its file; panels are numbered, because links to a panel name its number."""
    content = json.loads(json.dumps(dashboard.build(), cls=JSONEncoder))
    for place, panel in enumerate(content["panels"], start=1):
        panel["id"] = place
    texts = {each.name: each for each in MOMENTS}
    for annotation in content["annotations"]["list"]:
        # What Grafana's Prometheus reads of an annotation, and the builders do not know.
        moments = texts[annotation["name"]]
        annotation |= {"titleFormat": moments.name, "textFormat": moments.text, "useValueForTime": moments.is_time}
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _names(label: str, title: str, metric: str) -> QueryVariable:
    return (
        QueryVariable(label)
        .label(title)
        .datasource(PROMETHEUS)
        .query(f"label_values({metric}, {label})")
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(VariableOption(selected=True, text="All", value="$__all"))
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )


def _annotation(moments: Moments) -> AnnotationQuery:
    return (
        AnnotationQuery()
        .name(moments.name)
        .datasource(PROMETHEUS)
        .enable(True)
        .icon_color(moments.colour)
        .expr(moments.expr)
    )


def _to_the_others() -> DashboardLink:
    return (
        DashboardLink("Switchhook")
        .type(DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(False)
        .include_vars(True)
        .keep_time(True)
        .icon("dashboard")
        .tooltip("The other dashboards, with the same time, PBX and endpoint")
    )
