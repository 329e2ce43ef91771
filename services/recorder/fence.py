"""What keeps several recorders on one database out of each other's way: the demand that heads a unit.

A unit that keeps what was read of a PBX's list demands that the PBX is this replica's, one that settles a call that the
call is. Where the database is not shared there is nothing to demand, and the owner of everything has the number 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from switchhook.storage import Statement

if TYPE_CHECKING:
    from switchhook.storage import Lease

ALONE = 1  # the owner's number where there is only one

# Both raise `LeaseLost` through the write; see migration 0003.
_DEMAND_PBX = "SELECT demand_pbx(?, ?)"
_DEMAND_CALL = "SELECT demand_call(?, ?, ?)"


class Fence:
    """One lease's; without a lease, that of a recorder that is alone."""

    def __init__(self, lease: Lease | None = None) -> None:
        self._lease = lease
        self.is_shared = lease is not None and lease.is_shared

    @property
    def number(self) -> int:
        """What we own carries it."""
        return self._lease.number if self._lease is not None and self.is_shared else ALONE

    def demand(self) -> None:
        """Raises `LeaseLost` when nothing may be begun any more."""
        if self._lease is not None:
            self._lease.demand()

    def of_pbx(self, pbx: str) -> list[Statement]:
        """The head of what is kept of the PBX's list."""
        return [Statement(_DEMAND_PBX, (pbx, self.number))] if self.is_shared else []

    def of_call(self, pbx: str, call_id: str) -> list[Statement]:
        """The head of what is settled of the call."""
        return [Statement(_DEMAND_CALL, (pbx, call_id, self.number))] if self.is_shared else []
