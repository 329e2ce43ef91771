"""The Jinja2 in which operators write their own requests: everything undefined is an error, and nothing gets out.

Templates see plain data, call only what is listed here, and have a budget: iterations and calls together, the length
of any text, the length of the whole. So a template can be wrong, but neither escape nor fill the memory nor go on for
ever. Pure.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from jinja2 import StrictUndefined, Undefined, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS as JINJA_FILTERS
from jinja2.runtime import LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

from services.dispatcher.formats.filters import FILTERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from jinja2 import Template
    from jinja2.runtime import Context

OUTPUT_LIMIT = 1024 * 1024  # characters of one rendered template
TEXT_LIMIT = 256 * 1024  # characters of any text on the way there
LIST_LIMIT = 10_000
RANGE_LIMIT = 1_000
STEPS = 20_000  # iterations and calls of one rendering
NUMBER_BITS = 512

# Names with a space, which no template can write.
_BUDGET = "the budget"
_COUNTED = "counted iteration"
_JOINED = "joined text"
_PIECE = "piece of a text"

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


class LimitExceeded(Exception):
    """A template asked for more than it may have."""


@dataclass(slots=True)
class _Budget:
    steps: int = STEPS
    characters: int = OUTPUT_LIMIT

    def step(self, count: int = 1) -> None:
        self.steps -= count
        if self.steps < 0:
            raise LimitExceeded(f"more than {STEPS} iterations and calls")

    def write(self, text: str) -> str:
        self.characters -= len(text)
        if self.characters < 0:
            raise LimitExceeded(f"more than {OUTPUT_LIMIT} characters")
        return text


class TemplateEnvironment(ImmutableSandboxedEnvironment):
    """Compiles and renders; there is one, because compiled templates are kept."""

    intercepted_binops = frozenset({"*", "**", "%", "+"})

    def __init__(self) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=False, finalize=_printed)
        kept: dict[str, Any] = {name: JINJA_FILTERS[name] for name in _JINJA_FILTERS} | dict(FILTERS)
        kept |= {name: _of_text(kept[name]) for name in _TEXT_FILTERS} | {_JOINED: str, _PIECE: _piece}
        self.filters = {name: _bounded(function) for name, function in kept.items()} | {_COUNTED: _counted}
        self.globals = {"range": _range, "namespace": Namespace}

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        _Limits().visit(tree)
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
        __context.resolve(_BUDGET).step()
        if isinstance(__obj, Undefined):
            str(__obj)  # raises, and says what is not defined
        if not __self.is_safe_callable(__obj):
            raise SecurityError(f"{getattr(__obj, '__name__', type(__obj).__name__)} cannot be called here")
        return _checked(super().call(__context, __obj, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Numbers as usual, as long as they stay small; texts and lists can be joined, and nothing else."""
        is_numeric = isinstance(left, int | float) and isinstance(right, int | float)
        if operator != "+" and not is_numeric:
            raise SecurityError(f"{operator} is for numbers alone")
        if operator == "**" and not (abs(left) <= NUMBER_BITS and abs(right) <= NUMBER_BITS):
            raise LimitExceeded("a number that is too large")
        return _checked(super().call_binop(context, operator, left, right))


class _Limits(NodeTransformer):
    """Puts the iterations of a template under its budget, and the texts that it joins under their limit."""

    def visit_For(self, node: nodes.For) -> nodes.For:
        self.generic_visit(node)
        node.iter = _filtered(node.iter, _COUNTED)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:
        self.generic_visit(node)
        node.nodes = [_filtered(piece, _PIECE) for piece in node.nodes]
        return _filtered(node, _JOINED)


def render_text(template: Template, context: Mapping[str, object]) -> str:
    """The text of a compiled template. Raises whatever the template does wrong."""
    budget = _Budget()
    written = _Budget()
    return "".join(written.write(piece) for piece in template.generate({**context, _BUDGET: budget}))


def _filtered(node: nodes.Node, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno, environment=node.environment)


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)  # which also takes over what Jinja2 has noted on it
    def call(*args: Any, **kwargs: Any) -> Any:
        return _checked(function(*args, **kwargs))

    return call


def _of_text(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(value: Any, *args: Any, **kwargs: Any) -> Any:
        return function(_piece(value), *args, **kwargs)

    return call


def _piece(value: Any) -> Any:
    """What a value adds to a text: null adds nothing."""
    return "" if value is None else value


def _checked(value: Any) -> Any:
    match value:
        case str() if len(value) > TEXT_LIMIT:
            raise LimitExceeded(f"a text of more than {TEXT_LIMIT} characters")
        case list() | tuple() if len(value) > LIST_LIMIT:
            raise LimitExceeded(f"a list of more than {LIST_LIMIT} entries")
        case int() if value.bit_length() > NUMBER_BITS:
            raise LimitExceeded("a number that is too large")
    return value


@pass_context
def _counted(context: Context, iterable: Iterable[Any]) -> list[Any]:
    entries = list(islice(iterable, STEPS + 1))
    context.resolve(_BUDGET).step(len(entries))
    return entries


@pass_context
def _printed(context: Context, value: Any) -> str:
    """What `{{ }}` writes: nothing for null. Counted here too, because a block may keep what it writes."""
    text: str = context.resolve(_BUDGET).write(str(_piece(value)))
    return text


def _range(*args: int) -> range:
    numbers = range(*args)
    if len(numbers) > RANGE_LIMIT:
        raise LimitExceeded(f"a range of more than {RANGE_LIMIT}")
    return numbers
