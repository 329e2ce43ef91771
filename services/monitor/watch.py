"""The watch over one PBX: connects, takes the truth, follows the frames, and begins again whatever breaks.

After every connection: open the socket and hold its frames back, take a snapshot, repair the picture, then let the
frames in. Whatever the tracker made of them is kept before it is published. A fault is logged on its edges.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from services.monitor.aftermath import Aftermath
from services.monitor.calls.numbering import NumberingPlan
from services.monitor.calls.tracker import CallTracker
from services.monitor.feed import Feed, LegUpdate, Witness
from services.monitor.ledger import CallLedger
from services.monitor.polls import Gap, Polls
from services.monitor.standing import facts_of
from services.monitor.turns import Turns
from services.monitor.unknowns import Unknown, Unknowns
from services.monitor.wakefulness import Wakefulness
from switchhook.errors import PbxError, PbxUnreachable, causes_of
from switchhook.events import Event, is_final
from switchhook.runtime.backoff import backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from services.monitor.ledger import Ledger
    from services.monitor.metrics import MonitorMetrics
    from switchhook.pbx.session import PbxSession
    from switchhook.runtime.clock import Clock
    from switchhook.runtime.health import Complaints
    from switchhook.settings import MonitorSettings, PbxSettings

log = logging.getLogger(__name__)

_FIRST_PAUSE = timedelta(milliseconds=250)
_LONGEST_PAUSE = timedelta(seconds=30)
_KEPT_AT_MOST_EVERY = 0.005  # seconds; frames that come close together are kept by one unit, which costs no more
_SILENT_KEPT_WITHIN = 0.25  # seconds; what gives no event is kept with the next one, or alone after so long
_KEPT_AT_LEAST_EVERY = 5.0  # seconds; so old may the kept moment be until which the PBX was followed
_KEPT_WITHOUT_CALLS_EVERY = 30.0  # seconds; the same while no call lives that could be lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Observers:
    """Who is told of everything that a PBX shows: the tracker what it means, the witness how it looks."""

    tracker: CallTracker
    witness: Witness


def new_tracker(pbx: PbxSettings, settings: MonitorSettings) -> CallTracker:
    """A tracker of this PBX that knows no call yet."""
    return CallTracker(
        pbx.name,
        NumberingPlan(),
        timezone=ZoneInfo(pbx.timezone),
        report_internal=pbx.report_internal,
        grace=settings.end_grace,
    )


class PbxWatch:
    """Follows one PBX until cancelled."""

    def __init__(
        self,
        pbx: PbxSettings,
        settings: MonitorSettings,
        *,
        session: PbxSession,
        ledger: Ledger,
        metrics: MonitorMetrics,
        health: Complaints,
        clock: Clock,
        observers: Observers | None = None,
    ) -> None:
        """Without `observers` it has a tracker of its own, and counts what is unknown."""
        self._pbx = pbx
        self._health = health
        self._session = session
        self._ledger = ledger
        self._metrics = metrics
        self._clock = clock
        if observers is None:
            unknowns = Unknowns(self._unknown)
            session.tell(unknowns.answer)
            observers = Observers(tracker=new_tracker(pbx, settings), witness=unknowns)
        self._tracker = observers.tracker
        self._witness = observers.witness
        self._turns = Turns()
        self._wakefulness = Wakefulness(clock)
        self._due = asyncio.Event()
        self._due_later: asyncio.TimerHandle | None = None
        self._polls = Polls(pbx, session, self._tracker, settings, clock=clock, changed=self._stir, report=self._report)
        self._aftermath: Aftermath | None = None
        if isinstance(ledger, CallLedger):  # a capture tells nobody anything
            self._aftermath = Aftermath(
                pbx.name,
                self._tracker,
                polls=self._polls,
                ledger=ledger,
                metrics=metrics,
                proof_interval=settings.proof_interval,
                told=self._told,
                clock=clock,
            )
        self._lost_at: datetime | None = None
        self._lost_reason = ""
        self._is_followed = False
        self._followed_until: datetime | None = None
        self._first_at: datetime | None = None

    @property
    def is_busy(self) -> bool:
        """True while calls live."""
        return bool(self._tracker.calls)

    async def run(self, connected: Callable[[], None], *, turns: Turns | None = None) -> None:
        """Watches; calls `connected` whenever the PBX is followed (again). `turns` are those of all PBXs."""
        self._turns = turns or self._turns
        kept = await self._ledger.kept(self._clock())
        self._tracker.restore(kept.calls, kept.past, self._clock())
        self._followed_until, self._first_at = kept.followed_until, kept.first_followed_at
        self._metrics.restored(self._pbx.name, kept.calls)
        self._report("", f"connecting to {self._pbx.url}")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep())
            if self._aftermath is not None:
                self._aftermath.begin(kept)
                tasks.create_task(self._aftermath.run())
            tasks.create_task(self._follow(connected))

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        kept_at = 0.0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_KEPT_AT_LEAST_EVERY if self._tracker.live else _KEPT_WITHOUT_CALLS_EVERY):
                    await self._due.wait()
            if (early := kept_at + _KEPT_AT_MOST_EVERY - loop.time()) > 0:
                await asyncio.sleep(early)
            kept_at = loop.time()
            self._due.clear()
            if self._due_later is not None:
                self._due_later.cancel()
                self._due_later = None
            if self._is_followed:
                self._followed_until = self._wakefulness.awake_until
            self._told(await self._ledger.keep(self._tracker, self._followed_until if self._is_followed else None))

    def _told(self, events: Sequence[Event]) -> None:
        """These events are durable."""
        finals = [event for event in events if is_final(event)]
        now = self._clock()
        for event in events:
            self._metrics.published(event, at=now)
        for event in finals:
            log.info("call.ended", extra=facts_of(event))
        if finals and self._aftermath is not None:
            self._aftermath.owe(finals)

    async def _follow(self, connected: Callable[[], None]) -> None:
        attempt = 0
        while True:
            began_at = self._clock()
            error = await self._follow_once(connected)
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise asyncio.CancelledError  # Python 3.11 forgets it when a child of a TaskGroup fails meanwhile
            self._lost(error)
            attempt = 1 if self._clock() - began_at > _LONGEST_PAUSE else attempt + 1
            jitter = random.uniform(-0.2, 0.2)  # noqa: S311 - spreads reconnects
            pause = backoff(attempt, base=_FIRST_PAUSE, cap=_LONGEST_PAUSE, jitter=jitter)
            asked_for = error.retry_after if isinstance(error, PbxUnreachable) else None
            await asyncio.sleep(max(pause, asked_for or timedelta()).total_seconds())

    async def _follow_once(self, connected: Callable[[], None]) -> PbxError:
        """One connection; gives the reason of its end."""
        turn = await self._turns.take()
        try:
            await self._polls.know_plan()
            async with await self._session.websocket() as socket, asyncio.TaskGroup() as tasks:
                feed = Feed(
                    socket,
                    self._session.get_json,
                    plan=lambda: self._tracker.plan,
                    clock=self._clock,
                    count=self._metrics.frames_of(self._pbx.name),
                    witness=self._witness,
                )
                tasks.create_task(self._wakefulness.run())
                tasks.create_task(feed.run())
                await self._polls.repair(self._gap(), feed)
                feed.release(self._apply)
                turn.end()
                self._found()
                connected()
                # Awaited here and not as a task: Python 3.11 counts a failure of the feed as a cancellation of this
                # task, and takes it back only where the body of the group still runs.
                await self._polls.run()
        except PbxError as error:
            return error
        except BaseExceptionGroup as group:
            fault = _only_pbx_error(group)
            if fault is None:
                raise
            return fault
        finally:
            turn.end()
        return PbxUnreachable("the websocket was closed by the PBX")

    def _gap(self) -> Gap | None:
        """What nobody watched; None at the very first connection, from which on everything is to be told."""
        if self._followed_until is None:
            self._followed_until = self._first_at = self._clock()
            return None
        lost_at = min(self._followed_until, self._clock())  # the clock may have been set back since
        return Gap(lost_at=lost_at, not_before=self._first_at)

    def _apply(self, update: LegUpdate) -> None:
        if update.leg is None:
            self._tracker.leg_gone(update.key, update.at)
            self._polls.look()
        else:
            self._tracker.leg_seen(update.leg, update.at)
        self._stir()

    def _stir(self) -> None:
        """Something may have come of what the tracker was told; an event is kept, and published, at once."""
        if self._tracker.has_said:
            self._due.set()
        elif self._due_later is None:
            self._due_later = asyncio.get_running_loop().call_later(_SILENT_KEPT_WITHIN, self._due.set)

    def _unknown(self, what: Unknown, name: str, is_new: bool) -> None:
        self._metrics.unknowns.labels(self._pbx.name, what).inc()
        if is_new:
            log.warning("pbx.unknown", extra={"pbx": self._pbx.name, "what": what, "unknown": name})

    def _report(self, aspect: str, sentence: str | None) -> None:
        """What is wrong with the PBX, or with one kind of question to it; None when nothing is."""
        check = f"pbx {self._pbx.name} {aspect}".rstrip()
        if sentence is None:
            self._health.solved(check)
        else:
            self._health.problem(check, sentence)

    def _note_followed(self, is_followed: bool) -> None:
        self._is_followed = is_followed
        if self._aftermath is not None:
            self._aftermath.follow(is_followed)

    def _found(self) -> None:
        self._note_followed(True)
        self._report("", None)
        self._metrics.connected.labels(self._pbx.name).set(1)
        self._metrics.connections.labels(self._pbx.name).inc()
        outage = 0.0 if self._lost_at is None else (self._clock() - self._lost_at).total_seconds()
        log.info(
            "pbx.connected", extra={"pbx": self._pbx.name, "url": self._pbx.url, "outage_seconds": round(outage, 1)}
        )
        self._lost_at, self._lost_reason = None, ""

    def _lost(self, error: PbxError) -> None:
        if self._is_followed:
            self._followed_until = self._wakefulness.awake_until
        self._note_followed(False)
        self._report("", str(error))
        self._metrics.connected.labels(self._pbx.name).set(0)
        if str(error) != self._lost_reason:
            log.warning("pbx.lost", extra={"pbx": self._pbx.name, "reason": str(error)})
        self._lost_at = self._lost_at or self._clock()
        self._lost_reason = str(error)


def _only_pbx_error(group: BaseExceptionGroup[BaseException]) -> PbxError | None:
    """The PBX's fault that ended the tasks of a connection; None when there was another fault among them."""
    faults, others = group.split(PbxError)
    if others is not None or faults is None:
        return None
    first = next(causes_of(faults))
    return first if isinstance(first, PbxError) else None
