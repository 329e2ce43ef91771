"""How a call is over: exactly one final end event, answered or missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from switchhook.events import Direction, DnKind, EventType, Transfer

if TYPE_CHECKING:
    from datetime import datetime

    from services.monitor.calls.live import LiveCall


def over(call: LiveCall, at: datetime) -> None:
    """The call is over since `at`; says its final end unless the call was never one to report."""
    call.is_over = True
    if call.direction is Direction.OUTBOUND and not call.is_dialled:
        call.is_dialled = True
        call.say(EventType.DIALING, at, user=call.last_rung)
    for talk in call.talks:
        talk.leave(at)
    untold = [talk for talk in call.talks if not talk.is_told]
    for talk in untold[:-1]:
        talk.is_told = True
        call.say(EventType.ENDED, at, user=talk.user, talk=talk, transfer=Transfer.NONE, transferred=True)
    if untold:
        last = untold[-1]
        last.is_told = True
        call.say(EventType.ENDED, at, user=last.user, talk=last)
        return
    user, kind = _missed_by(call)
    call.say(EventType.ENDED, at, user=user, user_kind=kind)


def _missed_by(call: LiveCall) -> tuple[str, DnKind]:
    """Whose miss it was: the queue's, else the extension's that rang last, else the IVR's.

    After a conversation the miss is that of a transfer's target: the extension that rang last.
    """
    if call.queue and not call.talks:
        return call.queue, DnKind.QUEUE
    if call.last_rung:
        return call.last_rung, DnKind.EXTENSION
    if call.queue:
        return call.queue, DnKind.QUEUE
    if call.ivr:
        return call.ivr, DnKind.IVR
    held = call.participants[-1] if call.participants else None
    return (held.dn, held.kind) if held else ("", DnKind.UNKNOWN)
