"""A replay as values: what an operator orders, how far it came, and what came of it. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from services.dispatcher.arrivals import CallKey
    from services.dispatcher.log_walk import Place
    from services.dispatcher.selection import Selection


class Skipped(StrEnum):
    """Why a chosen delivery is not sent anew."""

    PENDING = "pending"
    ENDPOINT_REMOVED = "endpoint_removed"
    UNWANTED = "unwanted"
    UNREADABLE = "unreadable"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOrder:
    """What an operator asks for. `to` sends to another endpoint; `rate` is in deliveries a second, None: at once."""

    selection: Selection
    to: str | None = None
    rate: float | None = None
    is_dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a replay came: the place in the log, and when the next delivery may be due."""

    started_at: datetime
    due_at: datetime
    place: Place | None = None


@dataclass(slots=True)
class Replayed:
    """What came of an order, or of a part of it: `after` says where to go on, None that it is done."""

    matched: int = 0
    by_endpoint: Counter[str] = field(default_factory=Counter)
    skipped: Counter[Skipped] = field(default_factory=Counter)
    after: Progress | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayTarget:
    """A delivery that is sent anew: an event's number, its call, and an endpoint."""

    event: int
    call: CallKey
    endpoint: str
