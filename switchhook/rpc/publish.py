"""The producer's end of the contract: hand a backlog over to one sink, in order, until cancelled.

Whatever breaks, the stream is opened again and everything that was not answered is sent again; a position is
acknowledged to the backlog only after the sink has answered for it. Losing the sink and getting it back are logged, and
told to `on_state`, once each.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING, Protocol

from switchhook.errors import PublishError
from switchhook.rpc.channel import open_channel
from switchhook.rpc.stream import PublishStream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from switchhook.rpc.encryption import Encryption

log = logging.getLogger(__name__)

_FIRST_PAUSE = 0.1  # seconds between two streams; doubles
_LONGEST_PAUSE = 5.0


class Backlog(Protocol):
    """What the sink has not acknowledged, in order. Positions count up; gaps are allowed."""

    async def pending(self, *, after: int, limit: int) -> list[tuple[int, bytes]]:
        """At most `limit` (position, encoded event) after the position, and none that is acknowledged."""

    async def acknowledge(self, position: int) -> None:
        """The sink has everything up to and including the position."""

    async def changed(self) -> None:
        """Wait until there may be more than the last `pending` gave."""


class Measure(Protocol):
    """Who is told how a sink does."""

    is_traced: bool

    def answered(self, seconds: float, traceparents: Sequence[str]) -> None:
        """A batch was acknowledged so long after it was sent; those of its events, where `is_traced`."""

    def connected(self, is_connected: bool) -> None:
        """The sink takes events, or does not any more."""


class Unmeasured:
    """Nobody wants to know."""

    is_traced = False

    def answered(self, seconds: float, traceparents: Sequence[str]) -> None:
        """See `Measure.answered`."""

    def connected(self, is_connected: bool) -> None:
        """See `Measure.connected`."""


class Publisher:
    """Publishes to one sink. Errors of the backlog are not the sink's: they end `run`."""

    def __init__(
        self,
        target: str,
        backlog: Backlog,
        *,
        on_state: Callable[[str | None], None],
        encryption: Encryption | None = None,
        measure: Measure | None = None,
    ) -> None:
        """`on_state` gets a sentence when the sink is lost, and None when it is (back) in order."""
        self._target = target
        self._backlog = backlog
        self._on_state = on_state
        self._encryption = encryption
        self._measure = measure or Unmeasured()
        self._is_known = False
        self._lost_at: float | None = None
        self._pause = _FIRST_PAUSE

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            try:
                async with open_channel(self._target, self._encryption) as channel:
                    stream = PublishStream(channel, self._backlog, on_order=self._restored, measure=self._measure)
                    await stream.run()
            except PublishError as broken:
                reason = str(broken)
            except OSError as error:
                reason = f"{error.filename} cannot be read"
            # Said after the pause: services that are stopped together lose each other a moment before they end.
            await asyncio.sleep(self._pause * random.uniform(0.8, 1.0))  # noqa: S311 - spreads reconnects, no secret
            self._lost(reason)
            self._pause = min(_LONGEST_PAUSE, self._pause * 2)

    def _lost(self, reason: str) -> None:
        if self._lost_at is not None:
            return
        self._lost_at = time.monotonic()
        self._measure.connected(False)
        log.warning("publish.lost", extra={"sink": self._target, "reason": reason})
        self._on_state(f"{self._target} does not take events ({reason}): they are kept and sent again")

    def _restored(self) -> None:
        self._pause = _FIRST_PAUSE
        if self._is_known and self._lost_at is None:
            return
        outage = 0.0 if self._lost_at is None else time.monotonic() - self._lost_at
        event = "publish.connected" if self._lost_at is None else "publish.restored"
        log.info(event, extra={"sink": self._target, "outage_seconds": round(outage, 3)})
        self._is_known, self._lost_at = True, None
        self._measure.connected(True)
        self._on_state(None)
