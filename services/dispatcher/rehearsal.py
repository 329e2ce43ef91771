"""A rehearsal of templates: each is rendered with sample events, so that its faults are found before a call.

What is found are problems of the configuration: `endpoint[0].template.body line 3: 'callr' is undefined (call.ended)`.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import orjson

from services.dispatcher.endpoints import Endpoint, Format, gets
from services.dispatcher.formats import TemplateError, render
from services.dispatcher.own_events import OwnType
from services.dispatcher.samples import awkward_events, sample_events
from switchhook.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from switchhook.events import Event
    from switchhook.settings import Settings


def demand_good_templates(settings: Settings) -> None:
    """Raise ConfigError when a template of an endpoint has a fault, with a sentence for each.

    A sentence holds the path, the line and the types of events that show the fault.
    """
    problems = [
        problem
        for place, entry in enumerate(settings.endpoint)
        if entry.template is not None
        for problem in _problems_of(Endpoint.from_settings(entry, settings.dispatcher), f"endpoint[{place}].template")
    ]
    if problems:
        raise ConfigError(problems)


def own_event_risks(settings: Settings) -> Iterator[str]:
    """A sentence when the operator's endpoint expects something else than what own events look like."""
    for entry in settings.endpoint:
        if entry.name == settings.dispatcher.operator_endpoint and Format(entry.format) is not Format.STANDARD:
            what = f'{", ".join(OwnType)} as JSON ({{"type", "timestamp", "data"}})'
            yield f"endpoint {entry.name}: is told {what}, not in its format {entry.format}"


def _problems_of(endpoint: Endpoint, path: str) -> Iterator[str]:
    types_by_fault: dict[str, dict[str, None]] = {}
    for event in chain(sample_events(), awkward_events()):
        if gets(endpoint, event.type) and (fault := _fault(event, endpoint)) is not None:
            types_by_fault.setdefault(fault, {})[event.type.value] = None
    for fault, types in types_by_fault.items():
        yield f"{path}.{fault} ({', '.join(types)})"


def _fault(event: Event, endpoint: Endpoint) -> str | None:
    try:
        request = render(event, endpoint, _unsigned)
    except TemplateError as error:
        return str(error)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip()
    if request.body is not None and (media_type == "application/json" or media_type.endswith("+json")):
        try:
            orjson.loads(request.body)
        except orjson.JSONDecodeError as error:
            place = f"{error.msg}, at line {error.lineno} of what it makes"
            return f"body: makes no JSON: write texts as {{{{ … |tojson }}}}, without quotes around ({place})"
    return None


def _unsigned(path: str, *, pbx: str, recipient: str, expires_at: datetime | None) -> str:
    """An address as good as any for a look at a template."""
    expiry = 0 if expires_at is None else int(expires_at.timestamp())
    return f"https://recordings.example.com{path}?pbx={pbx}&to={recipient}&exp={expiry}"
