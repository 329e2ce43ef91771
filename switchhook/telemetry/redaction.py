"""What must not reach a log: secrets, by the names of their keys and by their looks, and telephone numbers. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_HIDDEN = "***"
_SHOWN_DIGITS = 3

_SECRET_KEY = re.compile(
    r"(?:^|[_-])(?:secret|password|passwd|authorization|cookie|token|sig|signature|api[_-]?key)$", re.IGNORECASE
)
_NUMBER_KEYS = frozenset({"number", "outside_number", "caller", "callee", "did"})
# The values of such parameters in queries and forms, of such members in JSON, and credentials, as a server shows them
# that answers with the request.
_SECRET_TEXT = re.compile(
    r"""((?:\b|_)(?:sig|signature|access_token|refresh_token|client_secret|secret|password|token)=)[^&\s"'<>]+"""
    r"""|("(?:access_token|refresh_token|client_secret|secret|password|token)"\s*:\s*)"[^"]*\""""
    r"""|((?:\bBearer|\bauthorization\W{1,5}Basic)\s+)[^\s"',]+""",
    re.IGNORECASE,
)
# Every key and every value that is changed by `redacted_value` holds one of these, whatever its case.
_TRACES = ("sig", "token", "secret", "passw", "authorization", "cookie", "api", "bearer", 'number"', '"calle', '"did"')


def is_harmless(line: str) -> bool:
    """True for a JSON text in which surely nothing is to be hidden; much cheaper than looking at every value."""
    folded = line.casefold()
    for trace in _TRACES:  # noqa: SIM110 - a generator would take twice as long
        if trace in folded:
            return False
    return True


def mask(number: str) -> str:
    """The number with all but its last three characters hidden; shorter ones, such as extensions, stay."""
    return "*" * (len(number) - _SHOWN_DIGITS) + number[-_SHOWN_DIGITS:]


def redacted(text: str) -> str:
    """The text without the values of what looks like a secret."""
    return _SECRET_TEXT.sub(_hidden, text)


def redacted_value(key: str, value: object, *, numbers: bool) -> object:
    """A value that is logged under the key, made fit for JSON; `numbers` true leaves telephone numbers whole."""
    if _SECRET_KEY.search(key):
        return _HIDDEN
    if isinstance(value, str):
        return mask(value) if key in _NUMBER_KEYS and not numbers else redacted(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(name): redacted_value(str(name), item, numbers=numbers) for name, item in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes | bytearray):
        return [redacted_value(key, item, numbers=numbers) for item in value]
    return redacted(str(value))


def _hidden(match: re.Match[str]) -> str:
    parameter, member, bearer = match.groups()
    if member:
        return f'{member}"{_HIDDEN}"'
    return f"{parameter or bearer}{_HIDDEN}"
