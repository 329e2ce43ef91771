"""Reaches each endpoint by the very way that its webhooks go, with a request that means nothing: OPTIONS.

A HEAD or a GET is an event to receivers of the format `get`; to OPTIONS frameworks answer by themselves. Whatever is
answered, the endpoint is reachable. It is marked `webhook-test` and not signed.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from services.commands.doctor.certificates import judged, served_until
from services.commands.doctor.findings import Subject, parted
from services.commands.endpoint_test import MARK
from services.dispatcher.attempt import Connections
from services.dispatcher.endpoints import Endpoint
from services.dispatcher.formats.request import HttpRequest
from services.dispatcher.outcome import ADVICE_BY_REASON, Failure, Reason, Response, classify, reason_of
from switchhook.errors import ConfigError
from switchhook.events import EventId

if TYPE_CHECKING:
    from services.commands.doctor.findings import Finding
    from services.commands.doctor.running import Running
    from switchhook.runtime.clock import Clock
    from switchhook.settings import EndpointSettings, Settings

_PATIENCE = timedelta(seconds=10)
_ID = EventId("switchhook-doctor")
_OWN_WORDS_HELP = frozenset({Reason.TLS, Reason.PROTOCOL, Reason.PROXY, Reason.INVALID_URL})
_HINTS = frozenset({Reason.AUTH, Reason.GONE, Reason.RATE_LIMITED, Reason.REDIRECT, Reason.SERVER_ERROR})


async def examine_endpoint(
    entry: EndpointSettings, settings: Settings, running: Running, *, clock: Clock
) -> list[Finding]:
    """Every finding about one endpoint."""
    subject = Subject(f"endpoint {entry.name}")
    try:
        endpoint = Endpoint.from_settings(entry, settings.dispatcher)
    except ConfigError as error:
        return list(subject.misconfigured("access", error))
    probe = replace(endpoint, keys=(), timeout=min(endpoint.timeout, _PATIENCE))
    connect_timeout = min(settings.dispatcher.connect_timeout, _PATIENCE)
    urls = {"": probe.url} | ({"recording ": probe.recording_url} if probe.recording_url else {})
    async with Connections(probe, connect_timeout=connect_timeout, limit=2) as connections:
        results = await asyncio.gather(*(_asked(connections, url, clock) for url in urls.values()))
    findings = []
    for (prefix, url), (result, took) in zip(urls.items(), results, strict=True):
        findings += await _certificate(subject, prefix, url, result, is_direct=probe.access.proxy is None, clock=clock)
        if not (isinstance(result, Failure) and result.reason is Reason.TLS and _has_failed(findings)):
            findings.append(_answer(subject, f"{prefix}answer", url, result, took))
    return findings + _deliveries(subject, running)


async def _asked(connections: Connections, url: str, clock: Clock) -> tuple[Response | Failure, timedelta]:
    began_at = clock()
    request = HttpRequest(method="OPTIONS", url=url, headers=dict(MARK))
    result = await connections.attempt(request, event_id=_ID, now=began_at)
    return result, clock() - began_at


async def _certificate(
    subject: Subject, prefix: str, url: str, result: Response | Failure, *, is_direct: bool, clock: Clock
) -> list[Finding]:
    """Of the server at the address that the request went to; behind a proxy nobody sees it."""
    parts = urlsplit(url)
    host, _, port = result.address.rpartition(":")
    if parts.scheme != "https" or not parts.hostname or not host or not is_direct:
        return []
    until = await served_until(host.strip("[]"), int(port), name=parts.hostname)
    if until is None:
        return []
    return [judged(subject, f"{prefix}certificate", until, now=clock(), whose=f"that of {parts.hostname}")]


def _has_failed(findings: list[Finding]) -> bool:
    return bool(findings) and findings[-1].remedy != "" and findings[-1].verdict == "failed"


def _answer(subject: Subject, check: str, url: str, result: Response | Failure, took: timedelta) -> Finding:
    parts = urlsplit(url)
    place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    if isinstance(result, Failure):
        if result.reason is Reason.FORBIDDEN_ADDRESS:
            detail, remedy = parted(result.detail)
            return subject.failed(check, detail, remedy)
        what, remedy = parted(ADVICE_BY_REASON[result.reason])
        said = f" ({result.detail})" if result.reason in _OWN_WORDS_HELP and result.detail else ""
        return subject.failed(check, f"{place}: {what}{said}", remedy)
    reason = reason_of(classify(result))
    detail = f"reachable: {place} answers {result.status} to OPTIONS in {took / timedelta(milliseconds=1):.0f} ms"
    if reason in _HINTS:
        sentence = f"if webhooks are refused too: {ADVICE_BY_REASON[reason]}; switchhook endpoints test sends samples"
        return subject.warning(check, detail, sentence)
    return subject.ok(check, detail)


def _deliveries(subject: Subject, running: Running) -> list[Finding]:
    """What the dispatcher of this machine says of the endpoint."""
    if "dispatcher" not in running.ready:
        return []
    problem = running.problem(subject.name)
    if not problem:
        return [subject.ok("deliveries", "the running dispatcher has no complaint")]
    detail, remedy = parted(problem, subject.name)
    return [subject.failed("deliveries", f"the running dispatcher says: {detail}", remedy or "look at its log")]
