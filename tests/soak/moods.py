"""How an endpoint answers: kinds of answers, and how often each is given. Pure."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping


class Answer(StrEnum):
    """What an endpoint does with a request."""

    ACCEPTED = "accepted"
    FAILED = "failed"  # 500
    OVERLOADED = "overloaded"  # 429
    NOTHING = "nothing"  # until the sender gives up
    GARBAGE = "garbage"  # bytes that are not HTTP
    CUT = "cut"  # the connection is closed in the middle of a status


@dataclass(frozen=True, slots=True, kw_only=True)
class Mood:
    """Shares of bad answers, and how many in a thousand events are refused however often they come."""

    shares: Mapping[Answer, float] = field(default_factory=dict)
    never_accepted: int = 0

    def answer(self, event: str, dice: random.Random) -> Answer:
        """The answer to the event of this id."""
        if zlib.crc32(event.encode()) % 1_000 < self.never_accepted:
            return dice.choice([Answer.FAILED, Answer.OVERLOADED, Answer.GARBAGE])
        left = dice.random()
        for answer, share in self.shares.items():
            left -= share
            if left < 0:
                return answer
        return Answer.ACCEPTED


MOODY = Mood(
    shares={
        Answer.FAILED: 0.08,
        Answer.OVERLOADED: 0.05,
        Answer.NOTHING: 0.03,
        Answer.GARBAGE: 0.05,
        Answer.CUT: 0.04,
    },
    never_accepted=60,
)
HANGING = Mood(shares={Answer.NOTHING: 0.15})
FAILING = Mood(shares={Answer.FAILED: 0.2, Answer.OVERLOADED: 0.1}, never_accepted=40)
MOODS = (MOODY, FAILING, HANGING, Mood())
