"""The revocations as this replica knows them: read at the start, after every change here, and again every second.

When the database cannot be asked, what was known last goes on to hold.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from services.fileserver.revocations import Revocation, arrivals
from switchhook.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from services.fileserver.register import Register
    from switchhook.runtime.health import ServiceHealth
    from switchhook.settings import PbxSettings

log = logging.getLogger(__name__)

_READ_EVERY = 1.0  # seconds
_CHECK = "revocations"


class Revoked:
    """Asked for every link. Run `run` in a task after `read`."""

    def __init__(self, register: Register, pbx: Sequence[PbxSettings], *, health: ServiceHealth) -> None:
        self._register = register
        self._timezones = {one.name: ZoneInfo(one.timezone) for one in pbx}
        self._health = health
        self._all: list[Revocation] = []

    def covers(self, *, pbx: str, recipient: str, call: str) -> bool:
        """True for a link that does not work any more."""
        if not self._all:
            return False
        arrived_at = arrivals(call, pbx, self._timezones)
        return any(one.covers(pbx=pbx, recipient=recipient, call=call, arrived_at=arrived_at) for one in self._all)

    @property
    def revocations(self) -> Sequence[Revocation]:
        """All that are known, the oldest first."""
        return self._all

    async def read(self) -> None:
        """Learn what the others changed. Raises `StorageError`."""
        self._all = await self._register.revocations()

    async def run(self) -> None:
        """Read again and again until cancelled."""
        while True:
            await asyncio.sleep(_READ_EVERY)
            try:
                await self.read()
            except StorageError as error:
                self._health.problem(_CHECK, f"new revocations of links are not learnt: {error}")
            else:
                self._health.solved(_CHECK)

    async def add(self, wanted: Revocation) -> Revocation:
        """Holds here at once, and at every replica within two seconds. Raises `StorageError`."""
        await self._register.revoke(wanted)
        await self.read()
        log.info(
            "links.revoked",
            extra={"revocation": wanted.id, "recipient": wanted.recipient, "pbx": wanted.pbx, "call_id": wanted.call},
        )
        return wanted

    async def remove(self, revocation_id: str) -> bool:
        """Takes one back; False when there is none of that id. Raises `StorageError`."""
        is_removed = await self._register.restore(revocation_id)
        await self.read()
        if is_removed:
            log.info("links.restored", extra={"revocation": revocation_id})
        return is_removed


def new_revocation(
    *, made_at: datetime, recipient: str, pbx: str, call: str, since: datetime | None, until: datetime | None
) -> Revocation:
    """A revocation with an id of its own."""
    key = secrets.token_hex(4)
    return Revocation(id=key, made_at=made_at, recipient=recipient, pbx=pbx, call=call, since=since, until=until)
