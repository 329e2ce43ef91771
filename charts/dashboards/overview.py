"""The first look: is every PBX watched, what is up, is anything late, and whose fault is it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from charts.dashboards.frame import Section, framed
from charts.dashboards.panels import AMBER, GREEN, RED, Limits, Query, heat, lines, number, rows, states
from charts.dashboards.queries import ENDPOINT, PBX, buckets, per_minute, per_second, quantiles

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.dashboard import Dashboard
    from grafana_foundation_sdk.cog.builder import Builder
    from grafana_foundation_sdk.models.dashboard import Panel

LATENCY = "switchhook_delivery_latency_seconds"


def overview() -> Dashboard:
    """Everything on one page."""
    return framed(
        "overview",
        "Overview",
        "Whoever is on duty begins here: the first row is green, or its figure says where to look on.",
        Section(title="Now", panels=[*_figures()]),
        Section(title="Calls", panels=[_links(), _trouble(), *_calls()]),
        Section(title="Webhooks", panels=[*_webhooks()]),
        Section(title="Recordings", panels=[*_recordings()]),
    )


def _figures() -> list[Builder[Panel]]:
    return [
        number(
            "PBXs not followed",
            Query(f"sum(max by (pbx) (switchhook_pbx_connected{{{PBX}}}) == bool 0)"),
            unit="short",
            limits=Limits(red=1),
            about="PBXs whose link is down. Their calls are told later, from the call log. Runbook: SwitchhookPbxLost.",
        ),
        number(
            "Calls up",
            Query(f"sum(switchhook_concurrent_calls{{{PBX}}})"),
            unit="short",
            about="Calls that have been reported and are not over, at this moment.",
        ),
        number(
            "Oldest due webhook",
            Query(f"max(switchhook_delivery_oldest_due_age_seconds{{{ENDPOINT}}})"),
            unit="s",
            limits=Limits(amber=10, red=60),
            about="How long the webhook that should have gone out first has been waiting, over all endpoints. "
            "Webhooks between two tries are not due. Runbook: SwitchhookDeliveriesOverdue.",
        ),
        number(
            "Events waiting",
            Query("max(switchhook_outbox_oldest_age_seconds)"),
            unit="s",
            limits=Limits(amber=10, red=120),
            about="How long the oldest event has been waiting for dispatcher or recorder to take it. "
            "Runbook: SwitchhookOutboxGrows.",
        ),
        number(
            "Oldest recording owed",
            Query("max(switchhook_recorder_oldest_job_age_seconds)"),
            unit="s",
            limits=Limits(amber=300, red=900),
            about="How long the oldest recording is owed whose outcome is not told. Runbook: SwitchhookRecordingsLate.",
        ),
        number(
            "Alerts",
            Query('count(ALERTS{alertname=~"Switchhook.+", alertstate="firing"}) or vector(0)'),
            unit="short",
            limits=Limits(red=1),
            about="Alerts of Switchhook that fire; the table below names them.",
        ),
    ]


def _links() -> Builder[Panel]:
    return states(
        "Links to the PBXs",
        Query(f"max by (pbx) (switchhook_pbx_connected{{{PBX}}})", "{{pbx}}"),
        names={0: ("lost", RED), 1: ("followed", GREEN)},
        about="Whether a PBX is followed, by whichever monitor. What happens meanwhile is told when it is back.",
    )


def _trouble() -> Builder[Panel]:
    return rows(
        "What is broken, and whose fault it is",
        Query('ALERTS{alertname=~"Switchhook.+", alertstate="firing"}'),
        hidden=("alertstate", "Value", "job", "instance"),
        unit="short",
        about="The alerts that fire. `fault` says who has to act: the PBX, the endpoint, the machine that it runs on, "
        "or Switchhook itself. Each has a section of its own in docs/operations.md.",
    )


def _calls() -> list[Builder[Panel]]:
    return [
        lines(
            "Concurrent calls",
            Query(f"sum by (pbx, direction) (switchhook_concurrent_calls{{{PBX}}})", "{{pbx}} {{direction}}"),
            unit="short",
            width=8,
            is_stacked=True,
            about="Calls that live, by PBX and direction.",
        ),
        lines(
            "What they do",
            Query(f"sum by (state) (switchhook_concurrent_calls{{{PBX}}})", "{{state}}"),
            unit="short",
            width=8,
            is_stacked=True,
            about="The same calls: `waiting` in a queue or an IVR, `ringing`, or `talking`.",
        ),
        lines(
            "Calls a minute, by outcome",
            Query(per_minute("switchhook_calls_total", PBX, by="outcome"), "{{outcome}}"),
            unit="cpm",
            width=8,
            is_stacked=True,
            about="Calls that are over. `missed`: nobody ever talked. None all day: is it the right PBX?",
        ),
    ]


def _webhooks() -> list[Builder[Panel]]:
    return [
        lines(
            "From the PBX to the endpoint's 2xx",
            *quantiles(LATENCY, ENDPOINT, has_exemplars=True),
            unit="s",
            about="Delivery latency over all chosen endpoints: half, 95 % and 99 % of the webhooks came within this "
            "time after the PBX's word. A dot is one webhook; it opens its trace.",
        ),
        heat(
            "Delivery latency",
            buckets(LATENCY, ENDPOINT, has_exemplars=True),
            unit="s",
            about="How many webhooks took how long. A band that climbs: a receiver that answers ever slower. "
            "A dot is one webhook: its trace.",
        ),
        lines(
            "Oldest due delivery",
            Query(f"max by (endpoint) (switchhook_delivery_oldest_due_age_seconds{{{ENDPOINT}}})", "{{endpoint}}"),
            unit="s",
            about="Since when the first webhook of an endpoint should have gone out. Above a minute it is late.",
        ),
        lines(
            "Webhooks, by outcome",
            Query(per_second("switchhook_delivery_attempts_total", ENDPOINT, by="outcome"), "{{outcome}}"),
            unit="reqps",
            is_stacked=True,
            colours={"delivered": GREEN, "retry": AMBER, "rejected": RED},
            about="Attempts a second. `retry` comes again by itself; `rejected` is given up.",
        ),
    ]


def _recordings() -> list[Builder[Panel]]:
    return [
        lines(
            "Recordings a minute, by outcome",
            Query(per_minute("switchhook_recordings_total", by="outcome"), "{{outcome}}"),
            unit="cpm",
            is_stacked=True,
            colours={"ready": GREEN, "failed": RED},
            about="What became of the recordings that were owed. `absent`: the PBX has none, or one without sound.",
        ),
        lines(
            "From the end of a call to its link",
            *quantiles("switchhook_recording_ready_lag_seconds"),
            unit="s",
            about="How long after the end of a call its recording was ready and told.",
        ),
    ]
