"""The Jinja2 in which operators write their own requests: everything undefined is an error, and nothing gets out.

Templates see plain data, call only what is listed here, and have a budget. So a template can be wrong, but neither
escape nor fill the memory nor go on for long. Pure.
"""

from __future__ import annotations

import functools
from itertools import islice
from typing import TYPE_CHECKING, Any

from jinja2 import StrictUndefined, Undefined, nodes, pass_environment
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS as JINJA_FILTERS
from jinja2.runtime import LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from services.dispatcher.formats.budget import (
    CALL_WORK,
    NODE_WORK,
    NUMBER_BITS,
    STEPS,
    Budget,
    LimitExceeded,
    a_rendering,
    budget,
    checked,
)
from services.dispatcher.formats.filters import FILTERS
from services.dispatcher.formats.limits import COUNTED, JOINED, PIECE, REPEATED, WEIGHED, Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from jinja2 import Environment, Template
    from jinja2.runtime import Context

RANGE_LIMIT = 1_000

_JINJA_FILTERS = (
    "abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float", "groupby", "int",
    "items", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "reverse", "select",
    "selectattr", "sort", "string", "sum", "title", "trim", "truncate", "unique", "upper",
)  # fmt: skip
_TEXT_FILTERS = ("capitalize", "e", "escape", "lower", "replace", "string", "title", "trim", "upper")
_TEXT_METHODS = frozenset(
    {
        "capitalize", "count", "endswith", "find", "isalnum", "isalpha", "isdigit", "lower", "lstrip", "removeprefix",
        "removesuffix", "rfind", "rstrip", "split", "splitlines", "startswith", "strip", "title", "upper",
    }
)  # fmt: skip
_TABLE_METHODS = frozenset({"get", "items", "keys", "values"})
_LOOP_METHODS = frozenset({"changed", "cycle"})


class TemplateEnvironment(ImmutableSandboxedEnvironment):
    """Compiles and renders; there is one, because compiled templates are kept."""

    intercepted_binops = frozenset({"*", "**", "%", "+"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False, finalize=_printed)
        kept: dict[str, Any] = {name: JINJA_FILTERS[name] for name in _JINJA_FILTERS} | dict(FILTERS)
        kept |= {name: _of_text(kept[name]) for name in _TEXT_FILTERS}
        kept |= {"sum": _sum, JOINED: str, PIECE: _piece, WEIGHED: _same}
        self.filters = {name: _bounded(function) for name, function in kept.items()}
        self.filters |= {COUNTED: _counted, REPEATED: _repeated}
        tests: dict[str, Any] = dict(self.tests)
        self.tests = {name: _bounded(test) for name, test in tests.items()}
        self.globals = {"range": _range, "namespace": Namespace}

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        Limits().visit(tree)
        return tree

    def is_safe_callable(self, obj: Any) -> bool:
        """True for what is listed above, and for the template's own macros and loops."""
        if obj is _range or obj is Namespace or isinstance(obj, Macro | LoopContext):
            return True
        owner, name = getattr(obj, "__self__", None), getattr(obj, "__name__", "")
        match owner:
            case str():
                return name in _TEXT_METHODS
            case dict():
                return name in _TABLE_METHODS
            case LoopContext():
                return name in _LOOP_METHODS
            case _:
                return False

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call what is safe, within the budget."""
        budget().step()
        if isinstance(__obj, Undefined):
            str(__obj)  # raises, and says what is not defined
        if not __self.is_safe_callable(__obj):
            raise SecurityError(f"{getattr(__obj, '__name__', type(__obj).__name__)} cannot be called here")
        owner = getattr(__obj, "__self__", None)
        if isinstance(owner, str | dict):
            budget().spend(len(owner))
        return checked(super().call(__context, __obj, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Numbers as usual, as long as they stay small; texts and lists can be joined, and nothing else."""
        is_numeric = isinstance(left, int | float) and isinstance(right, int | float)
        if operator != "+" and not is_numeric:
            raise SecurityError(f"{operator} is for numbers alone")
        if operator == "**" and not (abs(left) <= NUMBER_BITS and abs(right) <= NUMBER_BITS):
            raise LimitExceeded("a number that is too large")
        return checked(super().call_binop(context, operator, left, right))


def render_text(template: Template, context: Mapping[str, object]) -> str:
    """The text of a compiled template. Raises whatever the template does wrong."""
    written, pieces = Budget(), []
    with a_rendering():
        for piece in template.generate(dict(context)):
            written.write(len(piece))
            pieces.append(piece)
    return "".join(pieces)


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter or a test that is paid for by what it is given, and by what it makes."""

    @functools.wraps(function)  # which also takes over what Jinja2 has noted on it
    def call(*args: Any, **kwargs: Any) -> Any:
        paid = budget()  # outside of a rendering this raises: so nothing is worked out while a template is compiled
        paid.spend(CALL_WORK)
        values = [paid.weigh(value) for value in args]
        return checked(function(*values, **{name: paid.weigh(value) for name, value in kwargs.items()}))

    return call


def _of_text(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(value: Any, *args: Any, **kwargs: Any) -> Any:
        return function(_piece(value), *args, **kwargs)

    return call


def _piece(value: Any) -> Any:
    """What a value adds to a text: null adds nothing."""
    return "" if value is None else value


def _same(value: Any) -> Any:
    return value


def _repeated(part: tuple[int, int]) -> None:
    """One more time the body of a loop or a macro: so many parts, so many characters as they stand."""
    parts, characters = part
    budget().spend(parts * NODE_WORK)
    budget().write(characters)


def _counted(iterable: Iterable[Any]) -> list[Any]:
    entries = list(islice(iterable, STEPS + 1))
    budget().step(len(entries))
    return entries


def _printed(value: Any) -> str:
    """What `{{ }}` writes: nothing for null. Counted here too, because a block may keep what it writes."""
    text = str(_piece(budget().weigh(value)))
    budget().write(len(text))
    return text


@pass_environment
def _sum(environment: Environment, values: Iterable[Any], attribute: str | int | None = None, start: Any = 0) -> Any:
    """Of numbers alone: lists would be copied again and again."""
    if not isinstance(start, int | float):
        raise SecurityError("sum is for numbers alone")
    return JINJA_FILTERS["sum"](environment, values, attribute, start)


def _range(*args: int) -> range:
    numbers = range(*args)
    if len(numbers) > RANGE_LIMIT:
        raise LimitExceeded(f"a range of more than {RANGE_LIMIT}")
    return numbers
