"""A live call as bytes and back: what survives a restart of the monitor. Events that were said are kept elsewhere."""

from __future__ import annotations

from datetime import datetime
from operator import attrgetter
from typing import Any

import orjson

from services.monitor.calls.legs import Leg, LegStatus
from services.monitor.calls.live import LiveCall, Talk
from switchhook.events import CallId, Direction, DnKind, Origin, Participant, Transfer

_TRANSIENT = ("said", "is_over", "reconciled")
_TIMES = ("arrived_at", "last_at", "vacant_since", "ask_at")


_KEPT = tuple(name for name in LiveCall.__slots__ if name not in _TRANSIENT)
_kept_of = attrgetter(*_KEPT)


def dump(call: LiveCall) -> bytes:
    """The call as JSON."""
    kept = dict(zip(_KEPT, _kept_of(call), strict=True))
    kept["legs"] = list(call.legs.values())
    return orjson.dumps(kept)


def load(raw: bytes) -> LiveCall:
    """The call that `dump` wrote; a field that it did not have yet has its default."""
    kept: dict[str, Any] = orjson.loads(raw)
    for name in _TIMES:
        kept[name] = _time(kept.get(name))
    kept["id"] = CallId(kept["id"])
    kept["direction"] = Direction(kept["direction"]) if kept["direction"] else None
    kept["origin"] = Origin(kept["origin"])
    legs = [_leg(one) for one in kept["legs"]]
    kept["legs"] = {leg.key: leg for leg in legs}
    kept["participants"] = [_participant(one) for one in kept["participants"]]
    kept["talks"] = [_talk(one) for one in kept["talks"]]
    return LiveCall(**kept)


def _leg(kept: dict[str, Any]) -> Leg:
    kept["kind"] = DnKind(kept["kind"])
    kept["status"] = LegStatus(kept["status"])
    kept["party_kind"] = DnKind(kept["party_kind"]) if kept["party_kind"] else None
    return Leg(**kept)


def _participant(kept: dict[str, Any]) -> Participant:
    return Participant(
        dn=kept["dn"],
        kind=DnKind(kept["kind"]),
        joined_at=datetime.fromisoformat(kept["joined_at"]),
        answered_at=_time(kept["answered_at"]),
        left_at=_time(kept["left_at"]),
    )


def _talk(kept: dict[str, Any]) -> Talk:
    return Talk(
        number=kept["number"],
        user=kept["user"],
        transfer=Transfer(kept["transfer"]),
        started_at=datetime.fromisoformat(kept["started_at"]),
        left_at=_time(kept["left_at"]),
        is_told=kept["is_told"],
    )


def _time(kept: str | None) -> datetime | None:
    return datetime.fromisoformat(kept) if kept else None
