"""Expressions that more than one panel needs; what the variables choose is in all of them.

`$__rate_interval` is Grafana's: at least four scrapes, whatever the time that is looked at.
"""

from __future__ import annotations

from charts.dashboards.panels import Query

PBX = 'pbx=~"$pbx"'
ENDPOINT = 'endpoint=~"$endpoint"'
OURS = "and on (job, instance) switchhook_build_info"
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def per_second(metric: str, chosen: str = "", *, by: str = "") -> str:
    """How often it happens, summed up over all replicas."""
    grouped = f"sum by ({by})" if by else "sum"
    return f"{grouped} (rate({metric}{{{chosen}}}[$__rate_interval]))"


def per_minute(metric: str, chosen: str = "", *, by: str = "") -> str:
    """The same, for what happens seldom."""
    return f"60 * {per_second(metric, chosen, by=by)}"


def quantiles(metric: str, chosen: str = "", *, has_exemplars: bool = False) -> list[Query]:
    """The usual three of a histogram; exemplars are asked for once."""
    buckets = per_second(f"{metric}_bucket", chosen, by="le")
    return [
        Query(f"histogram_quantile({share}, {buckets})", name, has_exemplars and name == "p99")
        for name, share in QUANTILES.items()
    ]


def quantile_by(share: float, metric: str, chosen: str = "", *, by: str, legend: str = "") -> Query:
    """One quantile for each value of some labels."""
    buckets = per_second(f"{metric}_bucket", chosen, by=f"{by}, le")
    return Query(f"histogram_quantile({share}, {buckets})", legend or f"{{{{{by}}}}}")


def buckets(metric: str, chosen: str = "", *, has_exemplars: bool = False) -> Query:
    """A histogram, for a heat map."""
    return Query(f"sum by (le) (increase({metric}_bucket{{{chosen}}}[$__rate_interval]))", "{{le}}", has_exemplars)
