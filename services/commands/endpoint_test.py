"""`switchhook endpoints test`: sends an endpoint a sample of every event that it gets, and says what it made of each.

The operator's endpoint gets samples of own events, too. The requests are made, signed and sent exactly as the
dispatcher does it, but once, and nothing of them is kept. They carry the header `webhook-test`, so that a receiver can
tell them from calls.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import typer

from services.commands.configuration import FAILED
from services.dispatcher.addresses import sample_addresses
from services.dispatcher.attempt import Connections
from services.dispatcher.endpoints import Endpoint, gets
from services.dispatcher.formats import TemplateError, render
from services.dispatcher.outcome import ADVICE_BY_REASON, Delivered, Failure, Reason, Response, classify, reason_of
from services.dispatcher.own_events import OwnType, own_request
from services.dispatcher.own_samples import sample_own_events
from services.dispatcher.samples import PBX, sample_events
from switchhook.errors import ConfigError
from switchhook.runtime.clock import utc_now
from switchhook.settings.problems import unknown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from services.dispatcher.formats import FileAddress, HttpRequest
    from switchhook.events import Event, EventType
    from switchhook.runtime.clock import Clock
    from switchhook.settings import EndpointSettings, Settings

MARK: Mapping[str, str] = {"webhook-test": "true"}
AGO = timedelta(minutes=5)  # when the sample call began: all of it has happened


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One sample event and what came of it; `duration` is that of the whole attempt."""

    type: EventType | OwnType
    result: Response | Failure
    duration: timedelta

    @property
    def is_accepted(self) -> bool:
        """True when a real event would be delivered."""
        return isinstance(classify(self.result), Delivered)

    def __str__(self) -> str:
        verdict = "accepted" if self.is_accepted else "refused"
        status = str(self.result.status) if isinstance(self.result, Response) else "-"
        line = f"{self.type:<20}  {verdict:<8}  {status:>3}  {self.duration / timedelta(milliseconds=1):>7.0f} ms"
        return line if self.is_accepted else f"{line}  {self._why()}"

    def _why(self) -> str:
        reason = reason_of(classify(self.result))
        if isinstance(self.result, Failure) and reason is Reason.FORBIDDEN_ADDRESS:
            return f"{reason}: {self.result.detail}"  # which says what to do, and more exactly
        said = self.result.excerpt if isinstance(self.result, Response) else self.result.detail
        return f"{reason}: {ADVICE_BY_REASON[reason]}" + (f" ({said})" if said else "")


def try_endpoint(settings: Settings, name: str, *, clock: Clock = utc_now) -> int:
    """Print a line for every event; the exit code is 0 when all were accepted. Raises ConfigError."""
    entry = _entry(settings, name)
    return asyncio.run(_print_trials(settings, entry, clock))


async def _print_trials(settings: Settings, entry: EndpointSettings, clock: Clock) -> int:
    code = 0
    async for trial in _trials(settings, entry, clock):
        typer.echo(str(trial))
        code = code if trial.is_accepted else FAILED
    return code


async def _trials(settings: Settings, entry: EndpointSettings, clock: Clock) -> AsyncIterator[Trial]:
    endpoint = Endpoint.from_settings(entry, settings.dispatcher)
    pbx = next(iter((*entry.pbx, *(each.name for each in settings.pbx))), PBX)
    links, arrived_at = sample_addresses(settings), clock() - AGO
    async with Connections(endpoint, connect_timeout=settings.dispatcher.connect_timeout, limit=1) as connections:
        for event in sample_events(pbx=pbx, at=arrived_at):
            if gets(endpoint, event.type):
                started_at = clock()
                result = await _attempt(connections, event, endpoint, links=links, clock=clock)
                yield Trial(type=event.type, result=result, duration=clock() - started_at)
        is_operators = entry.name == settings.dispatcher.operator_endpoint
        for kind, own in sample_own_events(pbx=pbx, at=arrived_at) if is_operators else ():
            started_at = clock()
            request = _marked(own_request(own.payload, endpoint))
            result = await connections.attempt(request, event_id=own.id, now=started_at)
            yield Trial(type=kind, result=result, duration=clock() - started_at)


async def _attempt(
    connections: Connections, event: Event, endpoint: Endpoint, *, links: FileAddress, clock: Clock
) -> Response | Failure:
    try:
        request = render(event, endpoint, links)
    except TemplateError as error:
        return Failure(reason=Reason.TEMPLATE, detail=str(error))
    return await connections.attempt(_marked(request), event_id=event.id, now=clock())


def _marked(request: HttpRequest) -> HttpRequest:
    return replace(request, headers={**request.headers, **MARK})


def _entry(settings: Settings, name: str) -> EndpointSettings:
    for entry in settings.endpoint:
        if entry.name == name:
            return entry
    names = [entry.name for entry in settings.endpoint]
    raise ConfigError((f'endpoint: "{name}" is an {unknown(name, names, what="endpoint")}',))
