"""The examples in `docs/webhooks.md`, made by the formats themselves from sample events: `make docs`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import orjson

from services.dispatcher.endpoints import OLD_TYPES, ContentMode, Endpoint, Format
from services.dispatcher.formats import HttpRequest, render
from services.dispatcher.own_samples import sample_own_events
from services.dispatcher.samples import sample_events
from services.dispatcher.signing import signature_headers, signing_key
from switchhook.events import EventType
from switchhook.links import LinkKey, sign_link

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

BEGIN = "<!-- Made by `make docs` from here on; changes are overwritten. -->\n"
END = "<!-- Made by `make docs` up to here. -->\n"
WIDTH = 140  # characters

_URL = "https://crm.example.com/hooks"
_FILES = "https://pbx.example.com:5001"
_KEY = LinkKey("7837db80", b"the key of the examples")
_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - known to everybody
_EVENTS = {event.type: event for event in sample_events()}


def document_with_examples(document: str) -> str:
    """The document with current examples between the two marks."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{webhook_examples()}\n{END}{after}"


def webhook_examples() -> str:
    """An example of every event in every format, as Markdown."""
    parts = [*_standard(), *_cloudevents(), *_old_formats(), *_own_events(), *_signed_request()]
    return "\n".join(parts).rstrip() + "\n"


def laid_out(value: object, *, indent: int = 0) -> str:
    """JSON for people: what fits on a line stays on one."""
    line = _one_line(value)
    if indent + len(line) <= WIDTH or not isinstance(value, dict | list):
        return line
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        entries = [f"{_one_line(key)}: {laid_out(item, indent=indent + 2)}" for key, item in value.items()]
        opening, closing = "{", "}"
    else:
        entries = [laid_out(item, indent=indent + 2) for item in value]
        opening, closing = "[", "]"
    body = ",\n".join(f"{inner}{entry}" for entry in entries)
    return f"{opening}\n{body}\n{' ' * indent}{closing}"


def _one_line(value: object) -> str:
    match value:
        case dict():
            return f"{{{', '.join(f'{_one_line(key)}: {_one_line(item)}' for key, item in value.items())}}}"
        case list():
            return f"[{', '.join(map(_one_line, value))}]"
        case _:
            return orjson.dumps(value).decode()


def _standard() -> Iterator[str]:
    for kind in EventType:
        yield f"### `{kind}` in the format `standard`\n"
        yield from _block("json", laid_out(orjson.loads(_request(kind, Format.STANDARD).body or b"")))


def _cloudevents() -> Iterator[str]:
    yield "### `cloudevents`\n"
    yield "Structured; `data` is that of `standard`:\n"
    structured = orjson.loads(_request(EventType.RINGING_STOPPED, Format.CLOUDEVENTS).body or b"")
    yield from _block("json", laid_out(structured))
    yield "Binary; the body is `data` alone:\n"
    binary = _request(EventType.RINGING_STOPPED, Format.CLOUDEVENTS, ContentMode.BINARY)
    yield from _block("http", "\n".join(f"{name}: {value}" for name, value in binary.headers.items()))


def _old_formats() -> Iterator[str]:
    yield "### `post` and `get`\n"
    known = [kind for kind in EventType if kind in OLD_TYPES]
    yield from _block("json", "\n".join((_request(kind, Format.POST).body or b"").decode() for kind in known))
    yield from _block("http", "\n".join(_request_line(_request(kind, Format.GET)) for kind in known))


def _own_events() -> Iterator[str]:
    yield "### What operators are told\n"
    yield "The last one tells of everything that waited for an endpoint which was removed from the configuration.\n"
    for _, own in sample_own_events():
        yield from _block("json", laid_out(orjson.loads(own.payload)))


def _signed_request() -> Iterator[str]:
    yield "### A signed request\n"
    yield f"To try your own check with: signed with `{_SECRET}`, the body without a line feed at its end.\n"
    event = _EVENTS[EventType.RINGING]
    request = _request(event.type, Format.POST)
    headers = signature_headers(event.id, int(event.occurred_at.timestamp()), request.body, [signing_key(_SECRET)])
    lines = [f"{name}: {value}" for name, value in {**request.headers, **headers}.items()]
    yield from _block("http", "\n".join(["POST /hooks HTTP/1.1", *lines, "", (request.body or b"").decode()]))


def _request_line(request: HttpRequest) -> str:
    line = f"{request.method} {request.url.removeprefix('https://crm.example.com')}"
    return line if request.body is None else f"{line}\n\n{request.body.decode()}"


def _request(kind: EventType, format_: Format, mode: ContentMode = ContentMode.STRUCTURED) -> HttpRequest:
    endpoint = Endpoint(name="crm", url=_URL, format=format_, content_mode=mode)
    return render(_EVENTS[kind], endpoint, _link)


def _link(path: str, *, pbx: str, recipient: str, expires_at: datetime | None) -> str:
    if expires_at is None:
        return f"{_FILES}{path}"
    return f"{_FILES}{path}?{sign_link(path, pbx=pbx, recipient=recipient, expires_at=expires_at, key=_KEY)}"


def _block(language: str, text: str) -> Iterator[str]:
    yield f"```{language}\n{text}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(document_with_examples(sys.stdin.read()))
