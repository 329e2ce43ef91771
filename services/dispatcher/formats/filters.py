"""Filters of templates that are other than Jinja2's: stricter where text lands in JSON or in an address; bounded."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import orjson
from jinja2 import Undefined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_LONGEST = 256 * 1024  # characters
_DECIMAL_PLACES = 15


def _tojson(value: Any, *, indent: bool = False) -> str:
    """Any value as JSON: a text with its quotes, null for None. Not escaped for HTML."""
    _demand(value)
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 if indent else None).decode()


def _urlencode(value: Any) -> str:
    """A text as it may stand in one segment of a path or one value of a query; a table as a query; null as nothing."""
    _demand(value)
    match value:
        case None:
            return ""
        case dict():
            return urlencode(
                {key: "" if item is None else item for key, item in value.items()}, quote_via=quote, safe=""
            )
        case _:
            return quote(str(value), safe="")


def _join(values: Iterable[Any], separator: str = "") -> str:
    """The values as one text, the separator between them."""
    texts, length = [], 0
    for value in values:
        texts.append("" if value is None else str(value))
        length += len(texts[-1]) + len(separator)
        _demand_short(length)
    return separator.join(texts)


def _replace(value: Any, old: str, new: str) -> str:
    """The text with every `old` as `new`."""
    text = str(value)
    _demand_short(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


def _round(value: float, precision: int = 0) -> float:
    """The nearest number with so many decimal places; a whole number without any."""
    if abs(precision) > _DECIMAL_PLACES:
        raise ValueError(f"more than {_DECIMAL_PLACES} decimal places")
    return round(value, precision) if precision else round(value)


FILTERS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {"tojson": _tojson, "urlencode": _urlencode, "join": _join, "replace": _replace, "round": _round}
)


def _demand(value: Any) -> None:
    if isinstance(value, Undefined):
        str(value)  # raises, with the name of what is not defined


def _demand_short(length: int) -> None:
    if length > _LONGEST:
        raise ValueError(f"a text of more than {_LONGEST} characters")
