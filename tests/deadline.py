"""Waiting for a fact, with a deadline, instead of sleeping for luck."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_PAUSE = 0.01  # seconds


async def eventually(predicate: Callable[[], object], within: float = 5.0, message: str = "it did not happen") -> None:
    """Return once the predicate is true; fail with the message when it is not within so many seconds.

    An `AssertionError` of the predicate means "not yet", and is the failure's text at the end.
    """
    deadline = time.monotonic() + within
    while True:
        try:
            if predicate():
                return
            failure: AssertionError | None = None
        except AssertionError as error:
            failure = error
        if time.monotonic() > deadline:
            raise AssertionError(f"{message} (within {within} s)") from failure
        await asyncio.sleep(_PAUSE)
