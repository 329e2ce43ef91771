"""What a request to the admin API asks for: from its parameters to values, or to a sentence about one of them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.dispatcher.log_walk import Place
from services.dispatcher.replay_order import Progress, ReplayOrder
from services.dispatcher.selection import FIELDS, Selection, invalid, parse_selection
from switchhook.storage.times import micros, moment

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

DEFAULT_LIMIT, HIGHEST_LIMIT = 100, 1_000
MOST_IDS = 1_000
LOWEST_RATE, HIGHEST_RATE = 0.01, 10_000.0
LIST_FIELDS = tuple(name for name in FIELDS if name != "id")
LARGEST = 2**62
_NO_CURSOR = "cursor: use the one of the page before"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuestion:
    """Which page of which list; `numbers` asks for whole telephone numbers."""

    selection: Selection
    limit: int
    after: Place | None
    numbers: bool


def parse_list(query: Mapping[str, Sequence[str]], *, now: datetime) -> ListQuestion:
    """Raises `AdminRefused`."""
    _demand_known(query, (*LIST_FIELDS, "limit", "cursor", "numbers"))
    limit = query.get("limit", (str(DEFAULT_LIMIT),))[-1]
    if not (_is_number(limit) and 1 <= int(limit) <= HIGHEST_LIMIT):
        raise invalid(f"limit: must be a whole number from 1 to {HIGHEST_LIMIT}")
    cursor = query.get("cursor", ("",))[-1]
    return ListQuestion(
        selection=parse_selection(query, now=now),
        limit=int(limit),
        after=_place(cursor.split(".")) if cursor else None,
        numbers=query.get("numbers", ("",))[-1] == "true",
    )


def parse_replay(body: Mapping[str, object], *, now: datetime) -> tuple[ReplayOrder, Progress]:
    """The order, and how far it came in former requests. Raises `AdminRefused`."""
    _demand_known(body, (*FIELDS, "to", "rate", "dry_run", "cursor"))
    selection = parse_selection({name: _texts(body[name], name) for name in FIELDS if name in body}, now=now)
    if selection.is_everything:
        raise invalid("say which deliveries are meant: id, call, event, endpoint, pbx, since or until")
    if len(selection.ids) > MOST_IDS:
        raise invalid(f"id: at most {MOST_IDS} at once")
    is_dry_run = body.get("dry_run", False)
    if not isinstance(is_dry_run, bool):
        raise invalid("dry_run: must be true or false")
    to = _text(body, "to")
    order = ReplayOrder(selection=selection, to=to or None, rate=_rate(body.get("rate")), is_dry_run=is_dry_run)
    cursor = _text(body, "cursor")
    return order, _progress(cursor) if cursor else Progress(started_at=now, due_at=now)


def replay_cursor(progress: Progress) -> str:
    """How far a replay came, as the API hands it out."""
    place = progress.place or Place(0)
    return f"{micros(progress.started_at)}.{micros(progress.due_at)}.{place.event}.{place.endpoint}"


def _progress(cursor: str) -> Progress:
    parts = cursor.split(".")
    if len(parts) != 4:  # noqa: PLR2004 - two times and a place
        raise invalid(_NO_CURSOR)
    started_at, due_at, *place = parts
    try:
        return Progress(started_at=moment(_number(started_at)), due_at=moment(_number(due_at)), place=_place(place))
    except OverflowError:
        raise invalid(_NO_CURSOR) from None


def _place(parts: Sequence[str]) -> Place:
    if len(parts) != 2:  # noqa: PLR2004 - an event and an endpoint
        raise invalid(_NO_CURSOR)
    return Place(_number(parts[0]), parts[1])


def _number(written: str) -> int:
    if not (_is_number(written) and int(written) < LARGEST):
        raise invalid(_NO_CURSOR)
    return int(written)


def _is_number(written: str) -> bool:
    # Thousands of digits are more than `int` takes.
    return written.isascii() and written.isdigit() and len(written) <= len(str(LARGEST))


def _rate(given: object) -> float | None:
    if given is None:
        return None
    if isinstance(given, int | float) and not isinstance(given, bool) and LOWEST_RATE <= given <= HIGHEST_RATE:
        return float(given)
    raise invalid(f"rate: must be deliveries a second, from {LOWEST_RATE:g} to {HIGHEST_RATE:g}")


def _texts(given: object, name: str) -> list[str]:
    texts: list[str] = []
    for value in given if isinstance(given, list) else [given]:
        if not isinstance(value, str):
            raise invalid(f"{name}: must be a text or a list of texts")
        texts.append(value)
    return texts


def _text(body: Mapping[str, object], name: str) -> str:
    given = body.get(name)
    if given is not None and not isinstance(given, str):
        raise invalid(f"{name}: must be a text")
    return given or ""


def _demand_known(given: Iterable[str], known: Collection[str]) -> None:
    for name in given:
        if name not in known:
            raise invalid(f"{name}: is unknown here (known: {', '.join(known)})")
