"""Whether Switchhook runs beside the examination, and what it says of itself by its admin address.

It matters for tokens: a PBX keeps one live token for each API client, so whoever asks for one ends that of the running
product. Nothing is asked of a PBX here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

from services.commands.admin_client import admin_address
from services.registry import ServiceName
from switchhook.errors import ConfigError
from switchhook.storage import services_at_work

if TYPE_CHECKING:
    from collections.abc import Mapping

    from switchhook.settings import Settings

_TIMEOUT = aiohttp.ClientTimeout(total=5, sock_connect=2)
_CONNECTED = re.compile(r'^switchhook_pbx_connected\{pbx="([^"]*)"\} 1(?:\.0)?$', re.MULTILINE)
_USERS_OF_TOKENS = frozenset({ServiceName.MONITOR, ServiceName.RECORDER})


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """`services` are at work somewhere on this data; `ready` and `problems` are what this machine's process says.

    `problems` by service and check; `url` is the admin address that answered, empty when none did.
    """

    services: frozenset[str] = frozenset()
    url: str = ""
    ready: Mapping[str, bool] = field(default_factory=dict)
    problems: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    followed: frozenset[str] = frozenset()

    @property
    def uses_tokens(self) -> bool:
        """True when somebody may have the PBXs' live tokens."""
        return not _USERS_OF_TOKENS.isdisjoint(self.services)

    def problem(self, check: str) -> str:
        """What a service says of this; empty when nothing is wrong with it."""
        found = (problems[check] for problems in self.problems.values() if check in problems)
        return next(found, "")


async def look_around(settings: Settings) -> Running:
    """What runs now; never raises."""
    at_work = await services_at_work(settings.database.url, data_dir=settings.data_dir)
    try:
        url = admin_address(settings)
    except ConfigError:  # a port that nobody can know
        return Running(services=at_work)
    try:
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as http:
            async with http.get(f"{url}/readyz") as response:
                told = _services(orjson.loads(await response.read()))
            async with http.get(f"{url}/metrics") as response:
                followed = frozenset(_CONNECTED.findall(await response.text()))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return Running(services=at_work)
    return Running(
        services=at_work | told.keys(),
        url=url,
        ready={name: report["ready"] is True for name, report in told.items()},
        problems={
            name: {str(check): str(sentence) for check, sentence in report["problems"].items()}
            for name, report in told.items()
        },
        followed=followed,
    )


def _services(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = answer["services"]
    return {name: {"ready": report["ready"], "problems": dict(report["problems"])} for name, report in services.items()}
