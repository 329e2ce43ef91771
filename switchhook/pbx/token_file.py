"""The file through which processes share the one live token that a PBX keeps for each API client.

Asking for a token of one's own would end the other process's. So the file is read before the PBX is asked, and whoever
asks holds the lock file while doing so. The token file is replaced whole, and readable by its owner alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
from datetime import datetime
from typing import TYPE_CHECKING

import orjson

from switchhook.errors import PbxUnreachable, StorageBroken
from switchhook.pbx.token import Token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

log = logging.getLogger(__name__)

_LOCK_TIMEOUT = 60.0  # seconds; a holder needs two requests' time at most
_LOCK_PAUSE = 0.05


def token_path(data_dir: Path, client: str) -> Path:
    """Where the token of an API client stands; the one that the services share is called by the PBX's name."""
    return data_dir / "tokens" / f"{client}.json"


class TokenFile:
    """The token of one API client of one PBX. File access is short and local, so it is not moved to a thread."""

    def __init__(self, path: Path, *, client: str) -> None:
        """`client` names PBX and API client: a file that was written for another is not believed."""
        self._path = path
        self._client = client

    @contextlib.asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Keep other processes, and other users of the file in this one, from asking for a token meanwhile.

        Raises `StorageBroken` when the folder cannot be written, `PbxUnreachable` when others take too long.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path.with_name(f"{self._path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StorageBroken(f"{self._path.parent}: cannot be written ({error.strerror}): check data_dir") from error
        try:
            await _lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    async def read(self) -> Token | None:
        """The token that was written last; None when there is none to be believed."""
        try:
            content = orjson.loads(self._path.read_bytes())
            if content["client"] != self._client:
                return None
            return Token(
                value=content["token"],
                obtained_at=datetime.fromisoformat(content["obtained_at"]),
                expires_at=datetime.fromisoformat(content["expires_at"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    async def write(self, token: Token) -> None:
        """Replace the file. A failure is logged: this process has its token, and others will ask for theirs."""
        content = {
            "client": self._client,
            "token": token.value,
            "obtained_at": token.obtained_at.isoformat(),
            "expires_at": token.expires_at.isoformat(),
        }
        draft = self._path.with_name(f"{self._path.name}.new")
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(orjson.dumps(content))
            draft.replace(self._path)
        except OSError as error:
            log.warning("pbx.token_not_shared", extra={"file": str(self._path), "reason": error.strerror})


async def _lock(descriptor: int) -> None:
    """Poll for the lock: a thread that waits for it could not be cancelled."""
    try:
        async with asyncio.timeout(_LOCK_TIMEOUT):
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    await asyncio.sleep(_LOCK_PAUSE)
                else:
                    return
    except TimeoutError as error:
        raise PbxUnreachable("another process has been asking the PBX for a token for too long") from error
