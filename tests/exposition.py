"""What `/metrics` says, read by the Prometheus client's own parsers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

if TYPE_CHECKING:
    from prometheus_client import Metric


def read_text(text: str) -> list[Metric]:
    """Prometheus text."""
    return list(parser.text_string_to_metric_families(text))


def read_openmetrics(text: str) -> list[Metric]:
    """OpenMetrics."""
    return list(openmetrics_parser.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]  # it has no types
