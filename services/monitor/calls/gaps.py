"""What frames did not tell: a snapshot of all legs, and what the call log has of a time that nobody watched."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.monitor.calls.frames import leg_gone, leg_seen
from services.monitor.calls.history import begins_anew, know_joins, missed_frames
from services.monitor.calls.renumbering import renumbered
from switchhook.events import DnKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime

    from services.monitor.calls.history import Segment
    from services.monitor.calls.legs import ActiveCall, Leg, LegKey
    from services.monitor.calls.live import LiveCall
    from services.monitor.calls.picture import Picture


_PIECE = 1_000  # frames that are told without a pause; some ten milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All visible legs and, after a gap, the active calls: asked for at `asked_at`, told at `at`."""

    legs: Sequence[Leg]
    rows: Sequence[ActiveCall] = ()
    asked_at: datetime
    at: datetime


def found_again(picture: Picture, snapshot: Snapshot, *, lost_at: datetime) -> None:
    """Applies the snapshot after a gap: what is gone was seen at `lost_at`, what is new is as old as its rows say."""
    with picture.in_gap(found=snapshot.rows):
        picture.vacancies.watched_again(snapshot.at)
        for call in renumbered(picture.register, snapshot.legs, snapshot.rows, picture.plan):
            logged = [picture.logged_ends[key] for key in call.legs if key in picture.logged_ends]
            picture.end(call, max(logged, default=lost_at))
        picture.logged_ends.clear()
        resync(picture, snapshot, gone_at=lost_at)


def resync(picture: Picture, snapshot: Snapshot, *, gone_at: datetime) -> None:
    """What was heard since the snapshot was asked for stays.

    Legs that are gone go first: whoever talks now may have the call from them. The others come in the order in
    which they began, over all calls: a consultation before the join that ended it.
    """
    register, asked_at, at = picture.register, snapshot.asked_at, snapshot.at
    shown = {leg.key for leg in snapshot.legs}
    for key in register.legs():
        if key not in shown and not register.is_settled_since(key, asked_at):
            leg_gone(picture, key, gone_at)
    news = [leg for leg in snapshot.legs if register.leg(leg.key) is not leg]
    since = _Beginnings(snapshot)
    for leg in sorted(news, key=lambda one: (one.kind is DnKind.EXTENSION, one.id)):
        if not register.is_settled_since(leg.key, asked_at):
            began_at = since.of(leg, register.by_number(leg.number))
            leg_seen(picture, leg, min(max(began_at or at, gone_at), at))


class _Beginnings:
    """Since when the legs of a snapshot are as they are, as far as the active calls tell."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._rows = {row.number: row for row in snapshot.rows}
        self._extensions = Counter(leg.number for leg in snapshot.legs if leg.kind is DnKind.EXTENSION)

    def of(self, leg: Leg, call: LiveCall | None) -> datetime | None:
        """None where only the moment of the snapshot is known."""
        row = self._rows.get(leg.number)
        if row is None:
            return None
        if leg.is_ringing_extension and call is not None:
            return None  # of a known call the list tells when its state changed, not since when one more phone rings
        is_first_talk = leg.is_talking_extension and (call is None or not call.talks)
        if is_first_talk and self._extensions[leg.number] > 1 and row.established_at is not None:
            # The state changed when the call was handed on, which is under way.
            return max(row.established_at, call.last_at) if call is not None else row.established_at
        return row.changed_at


def replay(
    picture: Picture, segments: Sequence[Segment], *, since: datetime, shown: Collection[LegKey]
) -> Iterator[None]:
    """Tells what the call log has of the time since `since`; a snapshot must follow.

    Calls that are known to be over, and those that ended earlier, are old news. The legs in `shown` live on: a segment
    also ends where a leg goes on in another role. Pauses again and again: a long gap has hundreds of thousands of rows.
    """
    picture.logged_ends.clear()
    with picture.in_gap():
        for place, frame in enumerate(missed_frames(segments, picture.register, picture.plan, since=since), 1):
            if (call := picture.register.by_number(frame.call.number)) is not None and begins_anew(frame.call, call):
                picture.end(call, call.vacant_since or frame.at)
            if frame.leg is not None:
                leg_seen(picture, frame.leg, frame.at)
            elif frame.key not in shown:
                leg_gone(picture, frame.key, frame.at)
            else:
                picture.logged_ends[frame.key] = frame.at
            if place % _PIECE == 0:
                yield
        know_joins(segments, picture.register)
