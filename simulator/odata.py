"""A small, honest part of OData v4: $filter, $search, $orderby, $select, $top, $skip and $count over rows. Pure.

Known: eq ne gt ge lt le, and, or, not, parentheses, contains/startswith/endswith, text, numbers, times, true, false,
null. What is not known is an error (400 at the PBX), never an answer that is silently wrong.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from simulator.columns import Column, Columns
from simulator.wire import Row

Predicate: TypeAlias = Callable[[Row], bool]

_TOKEN = re.compile(
    r"\s*(?:(?P<time>\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d))|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<text>'(?:[^']|'')*')|(?P<name>[A-Za-z_][\w/]*)|(?P<mark>[(),]))"
)
_COMPARISONS: Mapping[str, Callable[[object, object], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": lambda left, right: _ordered(left, right) > 0,
    "ge": lambda left, right: _ordered(left, right) >= 0,
    "lt": lambda left, right: _ordered(left, right) < 0,
    "le": lambda left, right: _ordered(left, right) <= 0,
}
_TEXT_TESTS: Mapping[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "startswith": str.startswith,
    "endswith": str.endswith,
}
_CONSTANTS: Mapping[str, object] = {"true": True, "false": False, "null": None}
_OPTIONS = frozenset({"$top", "$skip", "$search", "$filter", "$count", "$orderby", "$select", "$expand"})


class QueryError(Exception):
    """The query is not understood; the PBX answers 400."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a query selects. `count` is None unless it was asked for."""

    rows: list[Row]
    count: int | None


def select(rows: Iterable[Row], query: Mapping[str, str], *, columns: Columns) -> Page:
    """The rows that the query asks for. Raises QueryError."""
    unknown = [name for name in query if name.startswith("$") and name not in _OPTIONS]
    if unknown:
        raise QueryError(f"The query parameter '{unknown[0]}' is not supported.")
    narrowed({}, query, columns=columns)  # what is asked for is checked also when there is no row
    found = list(rows)
    if query.get("$filter"):
        keep = parse_filter(query["$filter"], columns=columns)
        found = [row for row in found if keep(row)]
    if sought := query.get("$search", "").strip('" ').lower():
        found = [row for row in found if any(sought in text.lower() for text in row.values() if isinstance(text, str))]
    counted = query.get("$count", "false").lower()
    if counted not in ("true", "false"):
        raise QueryError(f"Invalid value '{counted}' for $count.")
    count = len(found) if counted == "true" else None
    for clause in reversed([part for part in query.get("$orderby", "").split(",") if part.strip()]):
        column, _, way = clause.strip().partition(" ")
        _known(column, columns)
        if way.strip() not in ("", "asc", "desc"):
            raise QueryError(f"Syntax error at '{way.strip()}' in $orderby.")
        found.sort(key=lambda row, name=column: _sortable(row.get(name)), reverse=way.strip() == "desc")  # type: ignore[misc] # name is bound for the loop
    skip, top = whole(query, "$skip", 0), whole(query, "$top", len(found))
    page = found[skip : skip + top]
    return Page(rows=[narrowed(row, query, columns=columns) for row in page], count=count)


def narrowed(row: Row, query: Mapping[str, str], *, columns: Columns) -> Row:
    """The row with the columns that $select asks for; all of them without it. Raises QueryError."""
    for name in _names(query, "$expand"):
        if columns.get(name) is not Column.OBJECT:
            raise QueryError(f"Property '{name}' is not a navigation property.")
    names = [_known(name, columns) for name in _names(query, "$select")]
    return {name: row[name] for name in names if name in row} if names else row


def parse_filter(text: str, *, columns: Columns) -> Predicate:
    """Raises QueryError."""
    parser = _Parser(_tokens(text), columns)
    predicate = parser.alternatives()
    parser.expect_end()
    return predicate


def whole(query: Mapping[str, str], name: str, default: int) -> int:
    """A number among the query options. Raises QueryError."""
    text = query.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit():
        raise QueryError(f"Invalid value '{text}' for {name}.")
    return int(text)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


class _Parser:
    def __init__(self, tokens: Sequence[_Token], columns: Columns) -> None:
        self._tokens = tokens
        self._columns = columns
        self._place = 0

    def alternatives(self) -> Predicate:
        parts = [self._conjunction()]
        while self._accept("or"):
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else lambda row: any(part(row) for part in parts)

    def expect_end(self) -> None:
        if self._place < len(self._tokens):
            raise QueryError(f"Syntax error at '{self._tokens[self._place].text}' in $filter.")

    def _conjunction(self) -> Predicate:
        parts = [self._term()]
        while self._accept("and"):
            parts.append(self._term())
        return parts[0] if len(parts) == 1 else lambda row: all(part(row) for part in parts)

    def _term(self) -> Predicate:
        if self._accept("not"):
            negated = self._term()
            return lambda row: not negated(row)
        if self._accept("("):
            inner = self.alternatives()
            self._demand(")")
            return inner
        name = self._next("name").text
        return self._text_test(_TEXT_TESTS[name]) if name in _TEXT_TESTS else self._comparison(name)

    def _text_test(self, test: Callable[[str, str], bool]) -> Predicate:
        self._demand("(")
        column = _known(self._next("name").text, self._columns)
        self._demand(",")
        part = _literal(self._next())
        if self._columns[column] is not Column.TEXT or not isinstance(part, str):
            raise QueryError(f"No function takes '{column}' and '{part}'.")
        self._demand(")")
        return lambda row: isinstance(row.get(column), str) and test(str(row[column]), part)

    def _comparison(self, column: str) -> Predicate:
        _known(column, self._columns)
        word = self._next("name").text
        compare = _COMPARISONS.get(word)
        if compare is None:
            raise QueryError(f"'{word}' is not an operator.")
        value = _literal(self._next())
        if not _fits(self._columns[column], value):
            raise QueryError(f"'{column}' and '{value}' are of types that cannot be compared.")
        if isinstance(value, datetime):
            return lambda row: compare(_time(row.get(column)), value)
        return lambda row: compare(row.get(column), value)

    def _next(self, kind: str = "") -> _Token:
        if self._place >= len(self._tokens):
            raise QueryError("$filter ends too early.")
        token = self._tokens[self._place]
        if kind and token.kind != kind:
            raise QueryError(f"Syntax error at '{token.text}' in $filter.")
        self._place += 1
        return token

    def _accept(self, text: str) -> bool:
        if self._place < len(self._tokens) and self._tokens[self._place].text == text:
            self._place += 1
            return True
        return False

    def _demand(self, text: str) -> None:
        if not self._accept(text):
            raise QueryError(f"'{text}' is missing in $filter.")


def _tokens(text: str) -> list[_Token]:
    tokens, place = [], 0
    text = text.strip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise QueryError(f"Syntax error at position {place} in $filter.")
        tokens.append(_Token(match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return tokens


def _literal(token: _Token) -> object:
    match token.kind:
        case "time":
            return _time(token.text)
        case "number":
            return float(token.text) if "." in token.text else int(token.text)
        case "text":
            return token.text[1:-1].replace("''", "'")
        case "name" if token.text in _CONSTANTS:
            return _CONSTANTS[token.text]
        case _:
            raise QueryError(f"'{token.text}' is not a value.")


def _fits(column: Column, value: object) -> bool:
    match value:
        case None:
            return True
        case bool():
            return column is Column.FLAG
        case int() | float():
            return column is Column.NUMBER
        case datetime():
            return column is Column.TIME
        case _:
            return column is Column.TEXT


def _names(query: Mapping[str, str], option: str) -> list[str]:
    return [name.strip() for name in query.get(option, "").split(",") if name.strip()]


def _known(column: str, columns: Columns) -> str:
    if column not in columns:
        raise QueryError(f"Could not find a property named '{column}'.")
    return column


def _time(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        raise QueryError(f"'{value}' is not a time.") from None


def _ordered(left: object, right: object) -> float:
    """Below, at or above zero; what cannot be compared is nan, which is neither."""
    match left, right:
        case (int() | float(), int() | float()):
            return left - right
        case (str(), str()):
            return (left > right) - (left < right)
        case (datetime(), datetime()):
            return (left - right).total_seconds()
        case _:
            return float("nan")


def _sortable(value: object) -> tuple[int, float, str]:
    match value:
        case None:
            return (0, 0.0, "")
        case int() | float():
            return (1, float(value), "")
        case _:
            return (2, 0.0, str(value))
