"""What happens in one call, as a value that can be drawn: how it comes in or goes out, who answers, who gets it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hypothesis import strategies as st

from simulator.transfers import ATTENDED_VARIANTS, BLIND_VARIANTS

CALLERS = ("0603111222", "0777333444")
SHARED = ("118", "119", "120")
"""Extensions that are in several calls at once. They never consult: nothing shows from which call it would be."""
LINES = tuple(tuple(str(1000 + 3 * line + place) for place in range(3)) for line in range(12))
"""Extensions of one call, who may consult. More than there are calls: who dials a colleague inside in the very moment
in which his caller is gone might as well consult."""


class Arrival(StrEnum):
    """How a call begins; the last four have no routing through an IVR or a queue."""

    QUEUE = "queue"
    RING_ALL = "ring-all"
    GROUP = "group"
    IVR_ONLY = "ivr-only"
    DIRECT = "direct"
    OUTBOUND = "outbound"
    MAKECALL = "makecall"
    INTERNAL = "internal"


class Move(StrEnum):
    """What happens to a call in which somebody talks."""

    TALK = "talk"
    BLIND = "blind"
    BLIND_TO_QUEUE = "blind-to-queue"
    ATTENDED = "attended"
    CONSULT = "consult"


@dataclass(frozen=True, slots=True)
class Turn:
    """One move; `order` is the place of its variant, `to` that of the extension that is called."""

    move: Move
    order: int
    to: int

    @property
    def blind(self) -> str:
        """The order of frames of a blind transfer."""
        return BLIND_VARIANTS[self.order % len(BLIND_VARIANTS)]

    @property
    def attended(self) -> str:
        """The order of frames of an attended transfer."""
        return ATTENDED_VARIANTS[self.order % len(ATTENDED_VARIANTS)]


@dataclass(frozen=True, slots=True)
class Script:
    """A call; `refusals` extensions ring in vain before one answers, if one does."""

    arrival: Arrival
    caller: str
    is_shared: bool
    refusals: int
    is_answered: bool
    has_voicemail: bool
    is_referrer_shown: bool
    turns: tuple[Turn, ...]

    @property
    def may_share(self) -> bool:
        """Whether its extensions may be in other calls: two of them who talk inside would consult."""
        return self.is_shared and self.arrival is not Arrival.INTERNAL


def scripts() -> st.SearchStrategy[Script]:
    """Any call."""
    turn = st.builds(Turn, st.sampled_from(Move), st.integers(0, 4), st.integers(0, 5))
    return st.builds(
        Script,
        st.sampled_from(Arrival),
        st.sampled_from(CALLERS),
        st.booleans(),
        st.integers(0, 2),
        st.booleans(),
        st.booleans(),
        st.booleans(),
        st.lists(turn, max_size=3).map(tuple),
    )
