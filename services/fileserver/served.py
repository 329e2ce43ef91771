"""A download that is over, as it is told of: one canonical line, one span, and a row for the audit.

A recording that is heard soon after its call stands in the call's trace; one that is heard later has a trace of its
own, linked to that.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from services.fileserver.register import Listen
from switchhook.links import SELF_CHECK
from switchhook.telemetry.traceparent import parse_traceparent, trace_id_of
from switchhook.telemetry.tracing import NEARBY

if TYPE_CHECKING:
    from datetime import datetime

    from aiohttp import web

    from services.fileserver.admittance import Admitted
    from services.fileserver.library import Recording
    from switchhook.telemetry.tracing import Tracing

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """`parent` is the traceparent of what led to it, `took` from the request's arrival to its last byte."""

    recording: Recording
    admitted: Admitted
    parent: str
    status: int
    sent: int
    is_complete: bool
    at: datetime
    took: timedelta

    @property
    def is_self_check(self) -> bool:
        """The recorder tried the link before it told anybody."""
        return self.admitted.recipient == SELF_CHECK

    def listen(self) -> Listen:
        """For the audit."""
        return Listen(
            at=self.at,
            pbx=self.recording.pbx,
            call=self.recording.name.call_id,
            recording=str(self.recording.name),
            recipient=self.admitted.recipient,
            address=self.admitted.address,
            status=self.status,
            sent=self.sent,
            is_complete=self.is_complete,
        )

    def log(self) -> None:
        """The canonical line."""
        log.info(
            "link.served",
            extra={
                "pbx": self.recording.pbx,
                "call_id": self.recording.name.call_id,
                "recording": str(self.recording.name),
                "recipient": self.admitted.recipient,
                "address": self.admitted.address,
                "status": self.status,
                "sent": self.sent,
                "complete": self.is_complete,
                "duration_ms": round(self.took / timedelta(milliseconds=1), 1),
                "trace_id": trace_id_of(self.parent),
            },
        )

    def trace(self, tracing: Tracing) -> None:
        """The span."""
        if not tracing.is_on:
            return
        is_near = self.is_self_check or self._age <= NEARBY
        tracing.record(
            "link.served",
            tracing.under(self.parent) if is_near else tracing.apart(self.parent),
            parent=self.parent if is_near else "",
            link="" if is_near else self.parent,
            began=self.at - self.took,
            ended=self.at,
            attributes={
                "pbx": self.recording.pbx,
                "recording": str(self.recording.name),
                "recipient": self.admitted.recipient,
                "status": self.status,
                "sent": self.sent,
            },
        )

    @property
    def _age(self) -> timedelta:
        """Since the end of what was recorded."""
        card = self.recording.card
        return timedelta() if card is None else self.at - (card.started_at + card.duration)


def leading_to(request: web.BaseRequest, recording: Recording, admitted: Admitted) -> str:
    """The traceparent of what a download follows: the recorder says it of its own, of others it is the recording's.

    What strangers say is not believed: they could fill other calls' traces.
    """
    if admitted.recipient == SELF_CHECK:
        said = request.headers.get("traceparent", "")
        return said if parse_traceparent(said) is not None else ""
    return "" if recording.card is None else recording.card.traceparent
