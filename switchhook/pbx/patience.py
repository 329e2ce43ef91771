"""What a PBX asked for by `Retry-After`: until then it is not asked again, whoever would like to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from switchhook.errors import PbxUnreachable

if TYPE_CHECKING:
    from datetime import datetime, timedelta


class Patience:
    """By interface: a limit of the configuration API does not silence call control."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._pauses: dict[str, tuple[datetime, timedelta]] = {}

    def check(self, path: str, now: datetime) -> None:
        """Raises `PbxUnreachable`, with the rest of the wait, while a request would come too early."""
        pause = self._pauses.get(_interface(path))
        if pause is None:
            return
        began_at, wait = pause
        if now < began_at:  # the clock was set back: the pause begins anew, lest it last until the clock is there again
            began_at = now
            self._pauses[_interface(path)] = now, wait
        until = began_at + wait
        if now < until:
            moment = f"{until:%H:%M:%S}"
            raise PbxUnreachable(
                f"pbx {self._name}: /{_interface(path)}: the PBX asked for a pause until {moment} UTC", until - now
            )

    def asked_for(self, path: str, now: datetime, wait: timedelta | None) -> None:
        """The answer to a request had this `Retry-After`, if any."""
        if wait is not None:
            self._pauses[_interface(path)] = now, wait


def _interface(path: str) -> str:
    return path.strip("/").partition("/")[0]
