"""Traces, or nothing: without an endpoint no part of OpenTelemetry is imported, and nothing is made that nobody sees.

A span has a traceparent before it begins, because others refer to it, and is recorded when it is over. What is not
sampled passes through unchanged.
"""

from __future__ import annotations

import contextlib
import importlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime

    Attributes = Mapping[str, str | int | float | bool]

NEARBY = timedelta(hours=1)
"""What follows within this time belongs to the trace; what comes later is a trace of its own, linked to it."""


@dataclass(slots=True)
class OpenSpan:
    """A span that is under way; `attributes` may still be added to. `traceparent` is empty when traces are off."""

    traceparent: str
    attributes: dict[str, str | int | float | bool] = field(default_factory=dict)


class Tracing(Protocol):
    """Makes spans; one per process. Where traceparents are empty or not sampled, nothing is made."""

    is_on: bool

    def call(self, pbx: str, call_id: str) -> str:
        """The traceparent of a call's own span, under which all else stands; empty when traces are off."""

    def under(self, parent: str) -> str:
        """The traceparent of a new span in the parent's trace, to be recorded when it is over."""

    def apart(self, link: str) -> str:
        """The traceparent of a new trace, sampled as the one that it will be linked to."""

    def record(
        self,
        name: str,
        traceparent: str,
        *,
        began: datetime,
        ended: datetime,
        parent: str = "",
        link: str = "",
        attributes: Attributes | None = None,
    ) -> None:
        """The span is over. Without a parent it is the root of its trace."""

    def span(self, name: str, *, parent: str, attributes: Attributes | None = None) -> AbstractContextManager[OpenSpan]:
        """A span under the parent, as long as the context; an exception marks it as failed."""

    def shutdown(self) -> None:
        """Send what was not sent yet; blocks, for a few seconds at most."""


class _Off:
    """No traces; an event's own traceparent is passed on as it came."""

    is_on = False

    def call(self, pbx: str, call_id: str) -> str:
        return ""

    def under(self, parent: str) -> str:
        return parent

    def apart(self, link: str) -> str:
        return link

    def record(
        self,
        name: str,
        traceparent: str,
        *,
        began: datetime,
        ended: datetime,
        parent: str = "",
        link: str = "",
        attributes: Attributes | None = None,
    ) -> None:
        """Nobody wants it."""

    def span(self, name: str, *, parent: str, attributes: Attributes | None = None) -> AbstractContextManager[OpenSpan]:
        return contextlib.nullcontext(OpenSpan(parent))

    def shutdown(self) -> None:
        """Nothing was kept."""


OFF: Tracing = _Off()


def configure_tracing(otlp_endpoint: str | None, service: str, *, share: float = 1.0) -> Tracing:
    """Traces of a share of all calls to the OTLP endpoint (`http://host:4317`), under the service's name; or none."""
    if not otlp_endpoint:
        return OFF
    # Imported only now: OpenTelemetry and its exporter cost a good part of a second and tens of megabytes.
    otlp = importlib.import_module("switchhook.telemetry.otlp")
    tracing: Tracing = otlp.OtlpTracing(otlp_endpoint, service, share=share)
    return tracing
