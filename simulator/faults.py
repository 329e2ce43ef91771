"""What can be made to go wrong, by name; switched on and off while the PBX runs.

Lasting faults are facts that the other modules ask for. One-shot faults are orders that simulator.server carries out.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Fault(StrEnum):
    DUPLICATE_UPSERTS = "duplicate-upserts"
    GONE_WHEN_READ = "gone-when-read"
    LOST_REMOVE = "lost-remove"
    REMOVE_BEFORE_TARGET = "remove-before-target"
    NEW_ID_ON_JOIN = "new-id-on-join"
    NO_REFERRED_BY = "no-referred-by"
    HIDDEN_ROUTING = "hidden-routing"
    ATTACHED_PARTICIPANT = "attached-participant"
    HIDDEN_CALLS = "hidden-calls"
    UNKNOWN_KIND = "unknown-kind"
    UNKNOWN_WORDS = "unknown-words"
    PHANTOM_LEGS = "phantom-legs"
    PARTY_DID = "party-did"
    NO_CALL_LOG = "no-call-log"
    LATE_CALL_LOG = "late-call-log"
    NO_RECORDINGS_RIGHT = "no-recordings-right"
    NO_XAPI = "no-xapi"
    NO_LICENCE = "no-licence"
    SLOW = "slow"
    ERROR_500 = "error-500"
    BUSY = "busy"
    LATE_RECORDINGS = "late-recordings"
    EMPTY_RECORDING = "empty-recording"
    TRUNCATED_RECORDING = "truncated-recording"
    NOT_WAV_RECORDING = "not-wav-recording"
    NO_RECORDING = "no-recording"
    QUOTA_REACHED = "quota-reached"
    SPLIT_RECORDING = "split-recording"
    DROP_SOCKET = "drop-socket"
    EXPIRE_TOKEN = "expire-token"  # noqa: S105 - a fault's name
    RESTART = "restart"


ONE_SHOT = frozenset({Fault.DROP_SOCKET, Fault.EXPIRE_TOKEN, Fault.RESTART})

_SECONDS = {Fault.SLOW: 1.0, Fault.BUSY: 2.0, Fault.LATE_RECORDINGS: 2.0, Fault.LATE_CALL_LOG: 3.0}
_FRACTIONS = {Fault.ERROR_500: 0.1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Of an active fault. `seconds`: how slow, or how late. `fraction`: how often, 0 to 1."""

    seconds: float
    fraction: float


class Faults:
    """Which faults are active."""

    def __init__(self, names: Iterable[str] = (), *, seed: int = 0) -> None:
        self._active: dict[Fault, Setting] = {}
        self._random = random.Random(seed)
        for name in names:
            self.switch_on(parse(name))

    def switch_on(self, fault: Fault, *, seconds: float | None = None, fraction: float | None = None) -> None:
        self._active[fault] = Setting(
            seconds=seconds if seconds is not None else _SECONDS.get(fault, 0.0),
            fraction=fraction if fraction is not None else _FRACTIONS.get(fault, 1.0),
        )

    def switch_off(self, fault: Fault) -> None:
        self._active.pop(fault, None)

    def on(self, fault: Fault) -> bool:
        return fault in self._active

    def strikes(self, fault: Fault) -> bool:
        """Whether the fault is active and chance, by its fraction, says: this time."""
        setting = self._active.get(fault)
        if setting is None:
            return False
        return setting.fraction >= 1.0 or self._random.random() < setting.fraction

    def seconds(self, fault: Fault) -> float:
        setting = self._active.get(fault)
        return setting.seconds if setting is not None else 0.0

    def names(self) -> list[str]:
        return sorted(self._active)


def parse(name: str) -> Fault:
    """The fault of that name; ValueError that lists the known ones."""
    try:
        return Fault(name)
    except ValueError:
        known = ", ".join(sorted(Fault))
        raise ValueError(f"unknown fault {name!r}; known: {known}") from None
