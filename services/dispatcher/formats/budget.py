"""What one rendering of a template may cost: steps, work and written characters, counted and never timed. Pure.

Work is what is read, made or compared: a unit for a character, several for an entry, and for a part of a template that
is evaluated in a loop. A list that holds another one twice weighs that one twice, as it would be written: nesting can
make more of a few objects than any memory holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from jinja2.utils import Namespace

OUTPUT_LIMIT = 1024 * 1024  # characters of one rendered template
TEXT_LIMIT = 256 * 1024  # characters of any text on the way there
LIST_LIMIT = 10_000
STEPS = 20_000  # iterations and calls of one rendering
WORK = 4_000_000
NODE_WORK = 16  # for each part of what a loop or a macro repeats
ENTRY_WORK = 4  # for each entry of a list that is looked at
CALL_WORK = 100  # for each filter and test
NUMBER_BITS = 512


class LimitExceeded(Exception):
    """A template asked for more than it may have."""


@dataclass(slots=True)
class Budget:
    """What is left of each."""

    steps: int = STEPS
    work: int = WORK
    characters: int = OUTPUT_LIMIT

    def step(self, count: int = 1) -> None:
        """So many iterations or calls more."""
        self.steps -= count
        if self.steps < 0:
            raise LimitExceeded(f"more than {STEPS} iterations and calls")

    def write(self, length: int) -> None:
        """So many characters more."""
        self.characters -= length
        if self.characters < 0:
            raise LimitExceeded(f"more than {OUTPUT_LIMIT} characters")

    def spend(self, work: int) -> None:
        """So much work more."""
        self.work -= work
        if self.work < 0:
            raise LimitExceeded("too much work: texts and lists that are too long, for too many times")

    def weigh(self, value: Any) -> Any:
        """The value, paid for as if every piece of it were looked at; an iterator is paid for as it goes."""
        if isinstance(value, Iterator):
            return self._metered(value)
        waiting = [value]
        while waiting:
            match waiting.pop():
                case str() as text:
                    self.spend(len(text))
                case list() | tuple() as entries:
                    self.spend(ENTRY_WORK * len(entries) + 1)
                    waiting += entries
                case dict() as table:
                    self.spend(2 * ENTRY_WORK * len(table) + 1)
                    waiting += table.keys()
                    waiting += table.values()
                case range() as numbers:
                    self.spend(len(numbers))
                case Namespace():
                    raise LimitExceeded("a namespace is no value: use what is in it")
                case _:
                    self.spend(1)
        return value

    def _metered(self, entries: Iterator[Any]) -> Iterator[Any]:
        for entry in entries:
            self.spend(ENTRY_WORK)
            yield entry


_BUDGET: ContextVar[Budget] = ContextVar("budget of the rendering")


def budget() -> Budget:
    """Of the rendering under way. Raises LookupError outside of one, as while a template is compiled."""
    return _BUDGET.get()


@contextmanager
def a_rendering() -> Iterator[None]:
    """A new budget for as long as it lasts."""
    token = _BUDGET.set(Budget())
    try:
        yield
    finally:
        _BUDGET.reset(token)


def checked(value: Any) -> Any:
    """What was made, paid for. Raises LimitExceeded when it is too large."""
    match value:
        case str() if len(value) > TEXT_LIMIT:
            raise LimitExceeded(f"a text of more than {TEXT_LIMIT} characters")
        case list() | tuple() if len(value) > LIST_LIMIT:
            raise LimitExceeded(f"a list of more than {LIST_LIMIT} entries")
        case int() if value.bit_length() > NUMBER_BITS:
            raise LimitExceeded("a number that is too large")
        case str() | list() | tuple():
            budget().spend(len(value))
        case Iterator():
            return budget().weigh(value)
    return value
