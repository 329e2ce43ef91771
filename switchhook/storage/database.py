"""What a service may ask of its database, whichever engine is behind it. SQL text and rows; no object mapping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement with `?` placeholders. Keep the number of different texts small: they are prepared once."""

    sql: str
    parameters: Sequence[object] = ()


class Database(Protocol):
    """One service's own tables. `is_shared`: other processes may write them at the same time."""

    is_shared: bool

    async def write(self, statements: Sequence[Statement]) -> list[list[Row]]:
        """Run the statements as one atomic unit; give each statement's rows (those of `RETURNING`).

        Comes back only once the unit is durable. Units of concurrent callers share a commit and are applied in the
        order of the calls. A caller that is cancelled while it waits does not know whether its unit was kept.

        Raises `ConstraintViolated` (this unit only), `StorageFull` or `StorageBroken`; then nothing of the unit is
        kept, and the database can be used again.
        """

    async def read(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """Sees every unit whose `write` has returned, and nothing that is not committed. Raises `StorageBroken`."""

    async def close(self) -> None:
        """Finish what was asked so far, then let go of the files or connections."""
