"""The format `template`: a request in the operator's own words, from a sandboxed Jinja2. Pure.

A template sees `type`, `timestamp` and `data` as the format `standard` has them, and the words of the old formats in
lower case. Whatever is wrong in one is a `TemplateError` with its part and line.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jinja2 import Template, TemplateSyntaxError

from services.dispatcher.endpoints import CLASS_BY_TYPE, EventClass, wire_url
from services.dispatcher.formats.data import event_data, timestamp
from services.dispatcher.formats.request import HttpRequest
from services.dispatcher.formats.sandbox import TemplateEnvironment, render_text
from services.dispatcher.formats.target import target_url
from services.dispatcher.formats.titles import title
from services.dispatcher.formats.values import (
    TRANSFER_NAMES,
    caller_id,
    end_name,
    file_urls,
    finish_type,
    long_duration,
    start_name,
    transfer_flag,
    user_type,
)
from switchhook.errors import SwitchhookError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.dispatcher.endpoints import Endpoint
    from services.dispatcher.formats.request import FileAddress
    from switchhook.events import Event

COMPILED = 1024  # templates that are kept ready
SENTENCE = 160  # characters
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_TALKED_OF = frozenset({EventClass.ENDED, EventClass.COMPLETED, EventClass.RECORDING})

_ENVIRONMENT = TemplateEnvironment()


class TemplateError(SwitchhookError):
    """A template cannot be rendered.

    `part` is `url`, `body` or `headers.<name>`; `line` counts from 1 and is None where none is to blame.
    """

    def __init__(self, part: str, line: int | None, sentence: str) -> None:
        place = part if line is None else f"{part} line {line}"
        super().__init__(f"{place}: {sentence}")
        self.part = part
        self.line = line


def render_template(event: Event, endpoint: Endpoint, links: FileAddress) -> HttpRequest:
    """The request that tells the endpoint about the event. Raises `TemplateError`."""
    source = endpoint.template
    if source is None:
        raise ValueError(f"endpoint {endpoint.name} has no template")
    context = template_context(event, endpoint, links)
    body = _rendered("body", source.body, context).encode(errors="replace") if source.body else None
    headers = {name.lower(): _on_one_line(f"headers.{name}", text, context) for name, text in source.headers.items()}
    return HttpRequest(
        method=source.method,
        url=target_url(event, endpoint) if source.url is None else _address(source.url, context),
        headers=headers if body is None else headers | {"content-type": source.content_type},
        body=body,
    )


def template_context(event: Event, endpoint: Endpoint, links: FileAddress) -> dict[str, Any]:
    """What a template can name. The words of the old formats are texts, empty where the event has no such thing."""
    event_class = CLASS_BY_TYPE[event.type]
    is_end = event_class in _TALKED_OF
    return {
        "type": event.type.value,
        "timestamp": timestamp(event.occurred_at),
        "data": event_data(event, endpoint, links),
        "event": _old_name(event),
        "callerid": caller_id(event),
        "user": event.user,
        "usertype": user_type(event.user_kind) if event.user else "",
        "trtype": TRANSFER_NAMES[event.transfer] if event_class is EventClass.STARTED else "",
        "finishtype": finish_type(event) if is_end else "",
        "transfer": transfer_flag(event) if is_end else "",
        "did": event.call.did,
        "title": title(event, endpoint.titles) if is_end else "",
        "duration": long_duration(event) if is_end else "",
        "id": f"{event.call.id}-{event.link}",
        "fileurls": file_urls(event, endpoint, links),
    }


def _old_name(event: Event) -> str:
    match CLASS_BY_TYPE[event.type]:
        case EventClass.STARTED:
            return start_name(event)
        case EventClass.ENDED:
            return end_name(event)
        case event_class:
            return event_class.value


def _address(written: str, context: Mapping[str, object]) -> str:
    rendered = _on_one_line("url", written, context)
    try:
        return wire_url(rendered)
    except ValueError as error:
        raise TemplateError("url", None, f"makes no address: {error}") from error


def _on_one_line(part: str, written: str, context: Mapping[str, object]) -> str:
    """Control characters become a space: what stands in a call cannot add a header, nor lose its webhook."""
    return _CONTROL.sub(" ", _rendered(part, written, context)).strip()


def _rendered(part: str, written: str, context: Mapping[str, object]) -> str:
    try:
        return render_text(_compiled(written), context)
    except TemplateSyntaxError as error:
        raise TemplateError(part, error.lineno, _sentence(error)) from error
    except Exception as error:  # a template is a program of somebody else's, and may raise anything
        raise TemplateError(part, _line(error), _sentence(error)) from error


@lru_cache(maxsize=COMPILED)
def _compiled(written: str) -> Template:
    return _ENVIRONMENT.from_string(written)


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= SENTENCE else f"{text[:SENTENCE]}…"


def _line(error: Exception) -> int | None:
    """The line of the template, which Jinja2 writes into the traceback."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
