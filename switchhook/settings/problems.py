"""From what a check found to a sentence with a path and a remedy: `pbx[0].url: must be http or https`."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from switchhook.settings.section import inner_table_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from switchhook.settings.section import Section

_SENTENCES = {
    "missing": "is missing",
    "literal_error": "must be {expected}",
    "tuple_type": 'must be a list, such as ["a", "b"]',
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "string_type": "must be a text in quotes",
    "path_type": "must be a path in quotes",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "byte_size": 'must be a size in quotes, such as "50GB"',
    "byte_size_unit": 'must be a size in quotes, such as "50GB"',
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
}


def problem(path: str, sentence: str) -> str:
    """One problem as it is shown."""
    return f"{path}: {sentence}" if path else sentence


def join_path(*steps: str | int) -> str:
    """`("pbx", 0, "url")` as `pbx[0].url`."""
    path = ""
    for step in steps:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path


def unknown(word: str, known: Iterable[str], *, what: str = "key") -> str:
    """The sentence about a word that nothing has as its name."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1)
    if near:
        return f"unknown {what} (did you mean {near[0]}?)"
    return f"unknown {what} (known: {', '.join(names) or 'none'})"


def problems_of(error: ValidationError, *, model: type[Section], path: str) -> Iterator[str]:
    """The problems of one section; `path` is where it stands."""
    details = error.errors(include_url=False, include_input=False)
    for detail in details:
        if _follows_from_another(detail, details):
            continue
        steps = [step for step in detail["loc"] if step != "[key]"]
        sentence = _unknown_key(steps, model) if _is_unknown(detail) else _sentence(detail)
        yield problem(".".join(filter(None, (path, join_path(*steps)))), sentence)


def _follows_from_another(detail: ErrorDetails, details: Sequence[ErrorDetails]) -> bool:
    """True for "too short" of a list whose entries are wrong: they are what it lacks."""
    place = detail["loc"]
    return detail["type"] == "too_short" and any(
        other["loc"][: len(place)] == place for other in details if other is not detail
    )


def _is_unknown(detail: ErrorDetails) -> bool:
    return detail["type"] == "extra_forbidden"


def _unknown_key(steps: Sequence[str | int], model: type[Section]) -> str:
    *outer, key = map(str, steps)
    for step in outer:
        model = inner_table_of(model.model_fields[step].annotation) or model
    return unknown(key, model.model_fields)


def _sentence(detail: ErrorDetails) -> str:
    context = detail.get("ctx", {})
    if detail["type"] == "value_error":
        return str(context["error"])
    template = _SENTENCES.get(detail["type"])
    return template.format(**context).replace("'", '"') if template else f"is wrong: {detail['msg']}"
