"""What the old plug-ins' settings mean in the words of `switchhook.toml`. Pure.

`WebhooksApi.ini` has one address for everything. `TCXWebAPI.ini` has one for call events and one for recordings, both a
second time for the users of a list, and a third time as a mirror that gets everything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from services.commands.ini import is_true

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_POST_KEYS = ("WEBHOOK_POST_ENABLED", "HTTP_REQUEST_METHOD_POST", "POST")
_DETAILS_KEY = "RECORDING_FULL_INFO"
_NAME_BY_SUFFIX = {"": "crm", "_2": "crm-2", "_MONITOR": "mirror"}
_DAYS = re.compile(r"(?:.*_)?DAYS(?:_.*)?")
_LONGEST_DAYS = 36500
_FILL_IN = "https://crm.example.com/fill-in"
_ADDRESS_CHARACTERS = "%!#$&'()*+,/:;=?@[]~"  # what quoting leaves as it is


@dataclass(frozen=True, slots=True, kw_only=True)
class OldSettings:
    """One `.ini` file and the `Users.csv` beside it (None: there is none)."""

    file: str
    values: Mapping[str, str]
    users: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertedEndpoint:
    """One `[[endpoint]]`; `notes` are sentences about what could not be taken over as it was."""

    name: str
    url: str
    recording_url: str
    format: str
    events: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    recording_details: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """All endpoints, the recordings' retention in days (None: not said), and the keys that mean nothing here."""

    files: tuple[str, ...]
    endpoints: tuple[ConvertedEndpoint, ...]
    retention_days: int | None
    unknown: tuple[tuple[str, str], ...]


def convert(old: Sequence[OldSettings]) -> Conversion:
    """Everything that the files say; `unknown` holds pairs of file and key."""
    endpoints: list[ConvertedEndpoint] = []
    for endpoint in (endpoint for settings in old for endpoint in _endpoints(settings)):
        endpoints.append(replace(endpoint, name=_free_name(endpoint.name, {other.name for other in endpoints})))
    return Conversion(
        files=tuple(settings.file for settings in old),
        endpoints=tuple(endpoints),
        retention_days=max((days for settings in old for days in _days(settings.values)), default=None),
        unknown=tuple((settings.file, key) for settings in old for key in settings.values if not _is_known(key)),
    )


def _endpoints(old: OldSettings) -> Iterator[ConvertedEndpoint]:
    values = old.values
    is_post = any(is_true(values.get(key, "")) for key in _POST_KEYS)
    for suffix, name in _NAME_BY_SUFFIX.items():
        url, recording_url = values.get(f"WEBHOOK_URL{suffix}", ""), values.get(f"WEBHOOK_POST_URL{suffix}")
        if not url and not recording_url:
            continue
        users, notes = _users(old) if suffix == "_2" else ((), ())
        address, more = _address(url or recording_url or "")
        recording_address, even_more = _address(recording_url) if url and recording_url else ("", ())
        yield ConvertedEndpoint(
            name=name,
            url=address,
            recording_url=recording_address if recording_address != address else "",
            format="post" if is_post else "get",
            events=_events(url, recording_url),
            users=users,
            recording_details=is_true(values.get(_DETAILS_KEY, "")),
            notes=(*notes, *more, *even_more),
        )


def _events(url: str, recording_url: str | None) -> tuple[str, ...]:
    """Which events the addresses get; none named means all. An address that is there but empty gets nothing."""
    if not url:
        return ("recording",)
    return ("ringing", "dialing", "started", "ended") if recording_url == "" else ()


def _users(old: OldSettings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if old.users:
        return old.users, ()
    lack = "there is no Users.csv beside it" if old.users is None else "its Users.csv names no extension"
    return (), (f"{old.file}: {lack}, so this endpoint gets the calls of every user: fill in users",)


def _address(written: str) -> tuple[str, tuple[str, ...]]:
    """The address as `switchhook.toml` needs it, and what was wrong with the old one."""
    notes: tuple[str, ...] = ()
    if not written.lower().startswith(("http://", "https://")):
        notes = (f"the old address {written!r} did not begin with http:// or https://: check it",)
        written = f"https://{written.partition('://')[2] or written.lstrip('/')}"
    address = quote(written, safe=_ADDRESS_CHARACTERS)
    try:
        parts = urlsplit(address)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        return _FILL_IN, (f"the old address {written!r} is no web address: fill in the right one",)
    return address, notes


def _free_name(name: str, taken: set[str]) -> str:
    number, free = 2, name
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free


def _days(values: Mapping[str, str]) -> Iterator[int]:
    for key, value in values.items():
        if _DAYS.fullmatch(key) and value.isdecimal() and 0 < int(value) <= _LONGEST_DAYS:
            yield int(value)


def _is_known(key: str) -> bool:
    addresses = (f"{stem}{suffix}" for stem in ("WEBHOOK_URL", "WEBHOOK_POST_URL") for suffix in _NAME_BY_SUFFIX)
    return key in {*addresses, *_POST_KEYS, _DETAILS_KEY} or _DAYS.fullmatch(key) is not None
