"""Who of several replicas shall watch which PBX: what one of them should do next, given the table of owners. Pure.

Free PBXs, and those of the dead, are claimed up to a fair share. Whoever has less than others asks one of them for a
PBX, and that one hands it over: no PBX is given up without somebody who takes it, so nothing swings to and fro. While
any PBX is free nothing is asked for and nothing handed over.
"""

from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_ASKED_SHARE = 4  # a replica that lacks many asks for this part of them at a time, else for one


@dataclass(frozen=True, slots=True)
class Ownership:
    """A PBX with the numbers of the replica that watches it and of the one that asks for it; 0: none."""

    pbx: str
    owner: int = 0
    wanted_by: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """Names of PBXs: to be claimed, to be handed over to whoever asks, and to be asked for."""

    claim: Sequence[str] = ()
    hand_over: Sequence[str] = ()
    ask: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """Who asks: its number, the PBXs of its configuration, and those of them that nobody else seems to want."""

    number: int
    configured: Collection[str]
    left_over: Collection[str] = ()


def free(table: Sequence[Ownership], living: Collection[int], configured: Collection[str]) -> list[str]:
    """The configured PBXs that nobody alive watches."""
    return [one.pbx for one in table if one.pbx in configured and one.owner not in living]


def next_moves(table: Sequence[Ownership], living: Collection[int], replica: Replica) -> Moves:
    """What the replica, which is among the living, should do now."""
    count = Counter(one.owner for one in table if one.owner in living)
    mine = count[replica.number]
    unwatched = free(table, living, replica.configured)
    if unwatched:
        room = max(0, -(-len(replica.configured) // len(living)) - mine)
        # Each begins elsewhere, so that they do not all reach for the same ones.
        unwatched.sort(key=lambda pbx: zlib.crc32(f"{pbx} {replica.number}".encode()))
        claimed = unwatched[:room]
        return Moves(claim=claimed + [pbx for pbx in unwatched[room:] if pbx in replica.left_over])
    return Moves(
        hand_over=_to_hand_over(table, living, replica.number, count), ask=_to_ask(table, living, replica, count)
    )


def _to_hand_over(
    table: Sequence[Ownership], living: Collection[int], number: int, count: Counter[int]
) -> Sequence[str]:
    left = count.copy()
    moves = []
    for one in table:
        heir = one.wanted_by
        if one.owner == number and heir in living and _gives(left, number, heir):
            moves.append(one.pbx)
            left[number] -= 1
            left[heir] += 1
    return moves


def _to_ask(
    table: Sequence[Ownership], living: Collection[int], replica: Replica, count: Counter[int]
) -> Sequence[str]:
    left = count.copy()
    for one in table:
        if one.wanted_by == replica.number and _gives(left, one.owner, replica.number):
            left[replica.number] += 1  # on its way
            left[one.owner] -= 1
    asked = left[replica.number] - count[replica.number]
    lacking = len(replica.configured) // len(living) - count[replica.number]
    moves: list[str] = []
    while asked + len(moves) < max(1, lacking // _ASKED_SHARE):
        richest = max(living, key=lambda number: (left[number], number))
        if left[richest] < left[replica.number] + 2:
            break
        free_for_us = (
            one.pbx
            for one in table
            if one.owner == richest and one.pbx in replica.configured and one.pbx not in moves
            if one.wanted_by not in living or not _gives(count, richest, one.wanted_by)
        )
        pbx = next(free_for_us, None)
        if pbx is None:
            break
        moves.append(pbx)
        left[richest] -= 1
        left[replica.number] += 1
    return moves


def _gives(count: Counter[int], owner: int, heir: int) -> bool:
    """True when the owner hands over what the heir asks for; an old wish may have become one that he does not grant."""
    return owner != heir and count[owner] > count[heir] + 1
