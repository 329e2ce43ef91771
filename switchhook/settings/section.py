"""What every table of the configuration has in common: immutable, and no unknown keys."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, SecretStr

if TYPE_CHECKING:
    from collections.abc import Iterator


class Section(BaseModel):
    """A table of the configuration file; attribute names are the keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @classmethod
    def secret_keys(cls) -> tuple[str, ...]:
        """The keys whose value may stand in a file of its own, named by `<key>_file`."""
        return tuple(key for key in cls.model_fields if f"{key}_file" in cls.model_fields)


def table_of(annotation: Any) -> type[Section] | None:
    """The section that a `[table]` of this type holds, else None."""
    return annotation if isinstance(annotation, type) and issubclass(annotation, Section) else None


def entry_of(annotation: Any) -> type[Section] | None:
    """The section that each `[[entry]]` of this type holds, else None."""
    return table_of(get_args(annotation)[0]) if get_origin(annotation) is tuple else None


def inner_table_of(annotation: Any) -> type[Section] | None:
    """The section that a table within an entry holds, where it may be left out; else None."""
    if get_origin(annotation) not in {Union, types.UnionType}:
        return None
    return next(filter(None, map(table_of, _choices(annotation))), None)


def is_list(annotation: Any) -> bool:
    """True for a type that is written as a list of plain values."""
    return any(get_origin(choice) is tuple for choice in _choices(annotation)) and entry_of(annotation) is None


def is_mapping(annotation: Any) -> bool:
    """True for a type that is written as a table with keys of the user's own."""
    return any(get_origin(choice) is dict for choice in _choices(annotation))


def is_secret(annotation: Any) -> bool:
    """True for a type that must never be printed, or a list of it."""
    return any(
        _plain(choice) is SecretStr or (get_origin(choice) is tuple and is_secret(_plain(get_args(choice)[0])))
        for choice in _choices(annotation)
    )


def _plain(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _choices(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) in {Union, types.UnionType}:
        yield from get_args(annotation)
    else:
        yield annotation
