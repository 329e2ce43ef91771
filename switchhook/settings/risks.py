"""What is allowed but rarely meant: sentences for the operator, never errors."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from switchhook.settings.addresses import is_loopback_host, parse_tcp
from switchhook.settings.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from switchhook.settings.sections import Settings


def risks(settings: Settings) -> Iterator[str]:
    """One sentence per risky setting, each with its path."""
    if not settings.pbx:
        yield "pbx: there is none, so nothing is watched: add [[pbx]]"
    if not settings.endpoint:
        yield "endpoint: there is none, so nobody is told: add [[endpoint]]"
    for place, pbx in enumerate(settings.pbx):
        if _is_open_http(pbx.url):
            yield f"pbx[{place}].url: is http, so the client secret travels unencrypted: use https"
    yield from _endpoint_risks(settings)
    yield from _link_risks(settings)
    yield from _retry_risks(settings)
    if settings.storage.endpoint is not None and _is_open_http(settings.storage.endpoint):
        yield "storage.endpoint: is http, so recordings and keys travel unencrypted: use https"
    if not parse_tcp(settings.admin.listen).is_loopback:
        yield "admin.listen: health and metrics are open to every machine that reaches this address"
        if settings.admin.token is not None:
            yield "admin.listen: the admin API's token travels unencrypted: put a proxy with https in front"
    if settings.telemetry.log_numbers:
        yield "telemetry.log_numbers: logs carry whole phone numbers"


def _endpoint_risks(settings: Settings) -> Iterator[str]:
    for place, endpoint in enumerate(settings.endpoint):
        if _is_open_http(endpoint.url):
            yield f"endpoint[{place}].url: is http, so calls are told unencrypted: use https"
        if endpoint.format in {"standard", "cloudevents"} and not endpoint.secret:
            yield f"endpoint[{place}].secret: is unset, so the receiver cannot tell your webhooks from forged ones"


def _link_risks(settings: Settings) -> Iterator[str]:
    fileserver = settings.fileserver
    if fileserver.links == "open" and not parse_tcp(fileserver.listen).is_loopback:
        yield 'fileserver.links: "open" on every interface: whoever guesses a path may listen: use "signed"'
    if _is_open_http(fileserver.public_url):
        yield "fileserver.public_url: is http, so recordings travel unencrypted: set tls_cert or use a proxy with https"
    elif is_loopback_host(_host(fileserver.public_url)) and any(
        not is_loopback_host(_host(endpoint.url)) for endpoint in settings.endpoint
    ):
        yield "fileserver.public_url: links work on this machine only: set the address that receivers reach"


def _retry_risks(settings: Settings) -> Iterator[str]:
    dispatcher = settings.dispatcher
    is_chosen = dispatcher.model_fields_set & {"timeout", "retry_schedule"}
    if is_chosen and dispatcher.retry_schedule and dispatcher.timeout > dispatcher.retry_schedule[0]:
        first = format_duration(dispatcher.retry_schedule[0])
        yield f"dispatcher.timeout: is longer than the first retry's delay ({first}): a slow receiver gets repeats soon"
    for place, endpoint in enumerate(settings.endpoint):
        schedule = dispatcher.retry_schedule if endpoint.retry_schedule is None else endpoint.retry_schedule
        if not schedule:
            yield f"endpoint[{place}].retry_schedule: is empty, so one failed attempt loses the webhook"


def _is_open_http(address: str) -> bool:
    return address.startswith("http:") and not is_loopback_host(_host(address))


def _host(address: str) -> str:
    return urlsplit(address).hostname or ""
