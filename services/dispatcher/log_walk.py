"""The way through the delivery log: which rows are looked at, in which order, and by which SQL. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.dispatcher.logged import COLUMNS
from switchhook.storage.times import micros

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from services.dispatcher.selection import Selection

WINDOW = 2_000  # numbers of events looked at in one question

DOWNWARDS = """deliveries.event >= ? AND deliveries.event <= ? AND (deliveries.event < ? OR deliveries.endpoint < ?)%s
ORDER BY deliveries.event DESC, deliveries.endpoint DESC LIMIT ?"""
UPWARDS = """deliveries.event >= ? AND deliveries.event <= ? AND (deliveries.event > ? OR deliveries.endpoint > ?)%s
ORDER BY deliveries.event, deliveries.endpoint LIMIT ?"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: the number of an event and the name of an endpoint."""

    event: int
    endpoint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A way through the numbers of events, window by window; `is_narrow` makes all of it one window.

    A place lies between rows: before the first row of its event while it names no endpoint.
    """

    lowest: int
    highest: int
    is_narrow: bool
    newest_first: bool

    @property
    def start(self) -> Place:
        """Where it begins."""
        return Place(self.highest + 1) if self.newest_first else Place(self.lowest)

    @property
    def end(self) -> Place:
        """Where it is over."""
        return Place(self.lowest) if self.newest_first else Place(self.highest + 1)

    def is_over(self, place: Place) -> bool:
        """True when nothing lies beyond the place."""
        if self.newest_first:
            return (place.event, place.endpoint) <= (self.lowest, "")
        return place.event > self.highest

    def edge(self, place: Place) -> int:
        """The last number of the window that begins at the place."""
        if self.newest_first:
            return self.lowest if self.is_narrow else max(place.event - WINDOW, self.lowest)
        return self.highest if self.is_narrow else min(place.event + WINDOW, self.highest)

    def window(self, place: Place) -> tuple[int, int]:
        """The numbers between which to look."""
        edge = self.edge(place)
        return (edge, place.event) if self.newest_first else (place.event, edge)

    def sql(self, where: str) -> str:
        """The question for one window, with these further conditions."""
        return COLUMNS + (DOWNWARDS if self.newest_first else UPWARDS) % where


def filters(selection: Selection, *, pbx_names: Sequence[str]) -> tuple[str, list[object]]:
    """What the deliveries' own columns can tell, as SQL."""
    parts: list[str] = []
    parameters: list[object] = []

    def add(sql: str, values: Sequence[object]) -> None:
        parts.append(f" AND {sql}")
        parameters.extend(values)

    if selection.states:
        add(is_in("deliveries.status", selection.states), sorted(selection.states))
    if selection.endpoints:
        add(is_in("deliveries.endpoint", selection.endpoints), sorted(selection.endpoints))
    if selection.since is not None:
        add("events.accepted_at >= ?", (micros(selection.since),))
    if selection.until is not None:
        add("events.accepted_at <= ?", (micros(selection.until),))
    keys = calls_of(selection, pbx_names=pbx_names)
    if keys:
        add(is_in("events.call", keys), keys)
    elif selection.call:
        add("deliveries.call LIKE ? ESCAPE '!'", (f"%/{_literal(selection.call)}",))
    if selection.pbx:
        likes = " OR ".join("deliveries.call LIKE ? ESCAPE '!'" for _ in selection.pbx)
        add(f"({likes})", [f"{_literal(name)}/%" for name in sorted(selection.pbx)])
    return "".join(parts), parameters


def calls_of(selection: Selection, *, pbx_names: Sequence[str]) -> list[str]:
    """The keys that the wanted call can have; none when no call is wanted or any PBX could have had it."""
    if not selection.call or "/" in selection.call:
        return [selection.call] if selection.call else []
    return [f"{name}/{selection.call}" for name in sorted(selection.pbx or pbx_names)]


def is_in(column: str, values: Collection[object]) -> str:
    """The condition that the column has one of so many values."""
    return f"{column} IN ({', '.join('?' * len(values))})"


def _literal(text: str) -> str:
    """The text as `LIKE … ESCAPE '!'` takes it: as it is."""
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
