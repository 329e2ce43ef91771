"""The whole examination: everything at once, each part with time limits of its own; in the order of the subjects."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from services.commands.doctor.endpoints import examine_endpoint
from services.commands.doctor.findings import Subject, parted
from services.commands.doctor.keeping import examine_data_dir, examine_database, examine_storage
from services.commands.doctor.pbxs import examine_pbx
from services.commands.doctor.running import look_around
from services.commands.doctor.surroundings import (
    examine_certificates,
    examine_ffmpeg,
    examine_fileserver,
    examine_link_key,
)
from services.dispatcher.access import demand_usable_files
from services.dispatcher.rehearsal import demand_good_templates, own_event_risks
from switchhook.errors import ConfigError
from switchhook.settings import risks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Iterator

    from services.commands.doctor.findings import Finding
    from services.commands.doctor.running import Running
    from switchhook.runtime.clock import Clock
    from switchhook.settings import Settings

_AT_ONCE = 20  # PBXs and endpoints, of which there may be hundreds
_LIMIT = 30.0  # seconds for each part, which has shorter limits of its own
_OWN_SUBJECTS = ("pbx ", "endpoint ")  # problems that are told with their subjects


async def examine(settings: Settings, *, clock: Clock) -> list[Finding]:
    """Every finding; what cannot be reached is one, not an error."""
    running = await look_around(settings)
    turn = asyncio.Semaphore(_AT_ONCE)

    async def in_turn(name: str, examination: Awaitable[list[Finding]]) -> list[Finding]:
        async with turn:
            return await _limited(Subject(name), examination)

    parts = await asyncio.gather(
        *(in_turn(f"pbx {pbx.name}", examine_pbx(pbx, settings, running, clock=clock)) for pbx in settings.pbx),
        *(
            in_turn(f"endpoint {entry.name}", examine_endpoint(entry, settings, running, clock=clock))
            for entry in settings.endpoint
        ),
        _limited(Subject("data_dir"), asyncio.to_thread(examine_data_dir, settings)),
        _limited(Subject("database"), examine_database(settings)),
        _limited(Subject("storage"), examine_storage(settings)),
        _limited(Subject("ffmpeg"), examine_ffmpeg(settings)),
        _limited(Subject("fileserver"), examine_fileserver(settings, running)),
        _limited(Subject("fileserver"), asyncio.to_thread(lambda: list(examine_link_key(settings)))),
        _limited(Subject("rpc"), asyncio.to_thread(lambda: list(examine_certificates(settings, clock=clock)))),
    )
    known = [*_configuration(settings), *_services(running), *(finding for part in parts for finding in part)]
    return list(_by_subject(known))


async def _limited(subject: Subject, examination: Awaitable[list[Finding]]) -> list[Finding]:
    try:
        async with asyncio.timeout(_LIMIT):
            return await examination
    except TimeoutError:
        return [subject.failed("address", f"its examination did not end within {_LIMIT:.0f} s", "look at its load")]
    except OSError as error:  # a folder that this user may not enter: the other parts go on
        detail = f"{error.filename or subject.name} cannot be looked at ({error.strerror or error})"
        return [subject.failed("access", detail, "run doctor as the user of Switchhook")]


def misconfigured(error: ConfigError) -> list[Finding]:
    """The findings about a configuration that cannot be loaded: nothing else can be examined."""
    return [_problem(problem) for problem in error.problems]


def _configuration(settings: Settings) -> Iterator[Finding]:
    """What `switchhook check` says."""
    subject = Subject("configuration")
    found = []
    for demand in (demand_usable_files, demand_good_templates):
        try:
            demand(settings)
        except ConfigError as error:
            found += misconfigured(error)
    for risk in (*risks(settings), *own_event_risks(settings)):
        detail, remedy = parted(risk)
        found.append(subject.warning("risk", detail or risk, remedy or "change it, if that is not meant"))
    yield from found or [subject.ok("file", "valid, and all its secrets and certificates can be read")]


def _problem(problem: str) -> Finding:
    return Subject("configuration").failed("file", problem, "correct it in the configuration, file or environment")


def _services(running: Running) -> Iterator[Finding]:
    subject = Subject("services")
    if not running.url:
        if running.services:
            names = ", ".join(sorted(running.services))
            detail = f"{names} at work, but nothing answers at admin.listen"
            yield subject.warning("running", detail, "name the address of their admin port in admin.listen")
        else:
            yield subject.warning("running", "no service runs with this configuration", "start it: switchhook run")
        return
    unready = [name for name, is_ready in running.ready.items() if not is_ready]
    if unready:
        yield subject.failed("running", f"not ready: {', '.join(unready)}", "see below; its log says more")
    else:
        yield subject.ok("running", f"{', '.join(running.ready)} ready at {running.url}")
    for name, problems in running.problems.items():
        for check, sentence in problems.items():
            if not check.startswith(_OWN_SUBJECTS):
                detail, remedy = parted(sentence)
                yield subject.failed(name, detail, remedy or "look at its log")


def _by_subject(findings: Iterable[Finding]) -> Iterator[Finding]:
    grouped: dict[str, list[Finding]] = {}
    for finding in findings:
        grouped.setdefault(finding.subject, []).append(finding)
    for group in grouped.values():
        yield from group
