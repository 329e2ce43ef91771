"""Calls that one of several recorders accepted, on their way to the one that reads their PBX's list (PostgreSQL only).

A row is deleted by whoever owns the PBX in that moment. A call does not depend on its row: whoever becomes the owner
looks for all calls of which something is owed. A row also says which recordings the PBX's call log names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from switchhook.storage import Statement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.recorder.fence import Fence
    from switchhook.storage import Database

_ADD = "INSERT INTO arrivals (pbx, call_id, ids) VALUES (?, ?, ?)"
# One statement sees one moment: a row that it takes was there while the PBX still was ours.
_TAKE = """
DELETE FROM arrivals WHERE pbx IN (
    SELECT pbx FROM pbx_owners WHERE owner = ? AND EXISTS (SELECT 1 FROM replicas WHERE number = pbx_owners.owner))
RETURNING number, pbx, call_id, ids"""
_FORGET = "DELETE FROM arrivals WHERE pbx = ?"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A call, and the ids of its recordings where the call log told them."""

    pbx: str
    call_id: str
    ids: tuple[int, ...] = ()


def arriving(pbx: str, call_id: str, ids: Sequence[int] = ()) -> Statement:
    """Let whoever reads the PBX's list know."""
    return Statement(_ADD, (pbx, call_id, orjson.dumps(list(ids)).decode() if ids else ""))


def forgetting(pbx: str) -> Statement:
    """Nobody reads the PBX's list."""
    return Statement(_FORGET, (pbx,))


async def take_arrivals(database: Database, fence: Fence) -> list[Arrival]:
    """Those of the PBXs that are ours, in the order in which they were accepted. Raises `StorageError`."""
    [rows] = await database.write([Statement(_TAKE, (fence.number,))])
    return [Arrival(pbx, call_id, tuple(orjson.loads(ids)) if ids else ()) for _, pbx, call_id, ids in sorted(rows)]
