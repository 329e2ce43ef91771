"""How the interpreter shares the processor between threads, and how often it looks for garbage."""

from __future__ import annotations

import gc
import sys

# Seconds. A thread that commits needs the interpreter for a moment at each statement; with Python's own 5 ms a busy
# event loop would let it have two hundred such moments a second, and commits would take seconds.
_SWITCH_INTERVAL = 0.0005
# Objects that refer to others, made and not yet freed, before the youngest are looked through for cycles, of which
# events and requests make none; Python's own 700 cost a tenth of the processor, and moments of tens of milliseconds.
_YOUNG = 10_000
# Such looks until the next older ones, then of these until all that lives is looked through, which takes a tenth of a
# second where twenty thousand calls live.
_ROUNDS = 20
_OLDER_ROUNDS = 50


def tune_interpreter() -> None:
    """For a process that serves: to be called when what it needs is loaded, which is never looked through again."""
    sys.setswitchinterval(_SWITCH_INTERVAL)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _ROUNDS, _OLDER_ROUNDS)
