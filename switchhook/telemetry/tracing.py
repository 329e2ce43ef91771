"""Traces, or nothing: without an endpoint no part of OpenTelemetry is imported and a span is an empty context."""

from __future__ import annotations

import contextlib
import importlib
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    Attributes = Mapping[str, str | int | float | bool]


class Tracing(Protocol):
    """Makes spans; one per process."""

    def span(
        self, name: str, *, parent: str = "", link: str = "", attributes: Attributes | None = None
    ) -> AbstractContextManager[str]:
        """A span as long as the context; gives its traceparent, empty when traces are off.

        `parent` and `link` are traceparents: a parent is waited for, a link may lie hours back.
        """

    def shutdown(self) -> None:
        """Send what was not sent yet; blocks, for a few seconds at most."""


class _Off:
    """No traces; an event's own traceparent is passed on as it came."""

    def span(
        self,
        name: str,
        *,
        parent: str = "",
        link: str = "",
        attributes: Attributes | None = None,
    ) -> AbstractContextManager[str]:
        return contextlib.nullcontext(parent)

    def shutdown(self) -> None:
        """Nothing was kept."""


OFF: Tracing = _Off()


def configure_tracing(otlp_endpoint: str | None, service: str) -> Tracing:
    """Traces to the OTLP endpoint (`http://host:4317`), under the service's name; or none."""
    if not otlp_endpoint:
        return OFF
    # Imported only now: OpenTelemetry and its exporter cost a good part of a second and tens of megabytes.
    tracing: Tracing = importlib.import_module("switchhook.telemetry.otlp").OtlpTracing(otlp_endpoint, service)
    return tracing
