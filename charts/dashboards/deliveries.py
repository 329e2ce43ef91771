"""Every endpoint by itself: how fast, how late, which errors, what waits, what was given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from charts.dashboards.frame import Section, framed
from charts.dashboards.panels import GREEN, GREY, RED, Limits, Query, heat, lines, number, states
from charts.dashboards.queries import ENDPOINT, buckets, per_second, quantile_by

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard
    from grafana_foundation_sdk.cog.builder import Builder
    from grafana_foundation_sdk.models.dashboard import Panel

ATTEMPTS = "switchhook_delivery_attempts_total"
LATENCY = "switchhook_delivery_latency_seconds"
FAILED = f'{ENDPOINT}, outcome!="delivered"'
# Every dispatcher tells the whole backlog: they share one table.
PENDING = f"max by (endpoint) (switchhook_deliveries_pending{{{ENDPOINT}}})"


def deliveries() -> Dashboard:
    """Choose one endpoint above, or look at all."""
    return framed(
        "deliveries",
        "Deliveries",
        "Webhooks by endpoint: choose one above. `switchhook deliveries list --endpoint NAME` shows single ones.",
        Section(title="Now", panels=_figures()),
        Section(title="Attempts", panels=_attempts()),
        Section(title="Latency", panels=_latency()),
        Section(title="What waits, and what was given up", panels=_backlog()),
    )


def _figures() -> list[Builder[Panel]]:
    succeeded = per_second(ATTEMPTS, f'{ENDPOINT}, outcome="delivered"')
    return [
        number(
            "Delivered",
            Query(succeeded),
            unit="reqps",
            about="Webhooks that were answered with 2xx, a second.",
        ),
        number(
            "Successful attempts",
            Query(f"{succeeded} / ({per_second(ATTEMPTS, ENDPOINT)} > 0) or vector(1)"),
            unit="percentunit",
            about="Share of attempts that were answered with 2xx.",
        ),
        number(
            "Backlog",
            Query(f"sum({PENDING})"),
            unit="short",
            about="Webhooks that are not finished, those between two tries included.",
        ),
        number(
            "Oldest due",
            Query(f"max(switchhook_delivery_oldest_due_age_seconds{{{ENDPOINT}}})"),
            unit="s",
            limits=Limits(amber=10, red=60),
            about="Since when the first of them should have gone out. Runbook: SwitchhookDeliveriesOverdue.",
        ),
        number(
            "Dead",
            Query(f"round(sum(increase(switchhook_deliveries_dead_total{{{ENDPOINT}}}[$__range])))"),
            unit="short",
            limits=Limits(red=1),
            about="Given up in the time that is shown. `switchhook deliveries replay` sends them again. "
            "Runbook: SwitchhookDeliveriesDead.",
        ),
        number(
            "Expired",
            Query(f"round(sum(increase(switchhook_deliveries_expired_total{{{ENDPOINT}}}[$__range])))"),
            unit="short",
            limits=Limits(amber=1),
            about="Were too late to be of use in the time that is shown, and not sent: a `ringing` after a minute.",
        ),
    ]


def _attempts() -> list[Builder[Panel]]:
    return [
        lines(
            "Attempts by endpoint",
            Query(per_second(ATTEMPTS, ENDPOINT, by="endpoint"), "{{endpoint}}"),
            unit="reqps",
            about="Requests a second to each endpoint, whatever their outcome.",
        ),
        lines(
            "Errors by reason",
            Query(
                f"{per_second(ATTEMPTS, FAILED, by='endpoint, reason')} > 0",
                "{{endpoint}} {{reason}}",
            ),
            unit="reqps",
            is_stacked=True,
            about="Attempts that failed. `timeout`, `connect`, `dns`, `tls` are the way there; `auth`, `client_error`, "
            "`server_error` are the receiver's answers. Empty is good.",
        ),
        states(
            "Breaker",
            Query(
                f'max by (endpoint) (switchhook_endpoint_state{{{ENDPOINT}, state="open"}}) + '
                f'2 * max by (endpoint) (switchhook_endpoint_state{{{ENDPOINT}, state="paused"}})',
                "{{endpoint}}",
            ),
            names={0: ("active", GREEN), 1: ("open", RED), 2: ("paused", GREY), 3: ("paused", GREY)},
            about="`open`: it mostly failed; one attempt every half a minute, the rest waits. "
            "`paused`: nothing is sent until `switchhook endpoints resume`.",
        ),
        lines(
            "Parked",
            Query(f"max by (endpoint) (switchhook_deliveries_parked{{{ENDPOINT}}})", "{{endpoint}}"),
            unit="short",
            about="Webhooks that wait for an endpoint that is open or paused. They go out when it is back.",
        ),
    ]


def _latency() -> list[Builder[Panel]]:
    return [
        lines(
            "Latency by endpoint, p95",
            quantile_by(0.95, LATENCY, ENDPOINT, by="endpoint"),
            unit="s",
            width=8,
            about="From the PBX's word to the 2xx: 95 % of the webhooks of an endpoint came within this time.",
        ),
        lines(
            "The receiver's part, p95",
            quantile_by(0.95, "switchhook_delivery_attempt_seconds", ENDPOINT, by="endpoint"),
            unit="s",
            width=8,
            about="One request, whatever came of it. Latency far above this is waiting: for a retry, or for a turn.",
        ),
        lines(
            "Latency by kind of event, p95",
            quantile_by(0.95, LATENCY, ENDPOINT, by="event_class"),
            unit="s",
            width=8,
            about="The same by kind of event. `recording` does not count the conversion: it begins when it is ready.",
        ),
        heat(
            "Latency",
            buckets(LATENCY, ENDPOINT, has_exemplars=True),
            unit="s",
            width=24,
            about="How many webhooks took how long, over the chosen endpoints. A dot is one webhook: its trace.",
        ),
    ]


def _backlog() -> list[Builder[Panel]]:
    return [
        lines(
            "Backlog",
            Query(PENDING, "{{endpoint}}"),
            unit="short",
            about="Webhooks that are not finished. A backlog by itself is no fault: look at the age beside it.",
        ),
        lines(
            "Oldest due delivery",
            Query(f"max by (endpoint) (switchhook_delivery_oldest_due_age_seconds{{{ENDPOINT}}})", "{{endpoint}}"),
            unit="s",
            about="Since when the first one should have gone out; those that wait for their next try are not due.",
        ),
        lines(
            "Dead, last five minutes",
            Query(
                f"round(sum by (endpoint) (increase(switchhook_deliveries_dead_total{{{ENDPOINT}}}[5m])))",
                "{{endpoint}}",
            ),
            unit="short",
            about="Webhooks that were given up: the schedule of tries is over, or the receiver asked to abort.",
        ),
        lines(
            "Expired, last five minutes",
            Query(
                f"round(sum by (endpoint) (increase(switchhook_deliveries_expired_total{{{ENDPOINT}}}[5m])))",
                "{{endpoint}}",
            ),
            unit="short",
            about="Webhooks whose deadline passed before they could be delivered.",
        ),
    ]
