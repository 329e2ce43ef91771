"""Asks each PBX all that the services ask, with a token that nobody misses.

Theory of operation. While services run, theirs is used: the file in `data_dir` through which they share it is read, and
never written; where it cannot be read nothing is asked that needs a token. Otherwise a token is asked for, and kept in
a temporary folder: nothing in `data_dir` changes, whoever runs this.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from datetime import timedelta
from enum import Enum, auto
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from services.commands.doctor.certificates import judged as certificate_judged
from services.commands.doctor.certificates import served_until
from services.commands.doctor.findings import Subject, is_healthy, parted
from services.commands.doctor.pbx_findings import Nothing, PbxSeen, Question, Token, judged
from services.monitor.active_calls import ActiveCalls
from services.monitor.call_log import read_call_log
from services.monitor.directory import read_numbering_plan
from services.monitor.payloads import rows
from services.recorder.sources import ApiClient, folder_of
from switchhook.errors import PbxAnswer, PbxError, PbxForbidden, PbxUnauthorised, PbxUnreachable
from switchhook.pbx import PbxSession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from services.commands.doctor.findings import Finding
    from services.commands.doctor.running import Running
    from services.monitor.calls.numbering import NumberingPlan
    from switchhook.runtime.clock import Clock
    from switchhook.settings import PbxSettings, Settings

_LIMIT = 12.0  # seconds for one question
_RECENT = timedelta(minutes=10)  # of the call log, and of a recording whose file may still be written
_FORBIDDEN = "(403)"
_LEFT_ALONE = "services run here, and their token cannot be shared: asking for another would end theirs"
_AS_THEM = "run doctor where they run, with their configuration and as their user"


class Wanted(Enum):
    """What an API client is for."""

    ALL = auto()
    CALLS = auto()
    RECORDINGS = auto()


class _LeftAlone(PbxError):
    """There is no token that could be used without ending somebody else's."""


async def examine_pbx(pbx: PbxSettings, settings: Settings, running: Running, *, clock: Clock) -> list[Finding]:
    """Every finding about one PBX."""
    subject = Subject(f"pbx {pbx.name}")
    findings = [finding async for finding in _address(subject, pbx, clock=clock)]
    recorders = ApiClient.from_settings(pbx, settings.data_dir)
    client, wanted = recorders, Wanted.ALL
    if pbx.recorder_client_id or settings.recorder.source != "xapi":
        plain = pbx.model_copy(update={"recorder_client_id": ""})
        client, wanted = ApiClient.from_settings(plain, settings.data_dir), Wanted.CALLS
    findings += await _examine_client(subject, pbx, client, running, wanted=wanted, clock=clock)
    if pbx.recorder_client_id:
        second = Subject(f"pbx {pbx.name} recorder")
        findings += await _examine_client(second, pbx, recorders, running, wanted=Wanted.RECORDINGS, clock=clock)
    findings += _folder(subject, pbx, settings)
    findings += _watched(subject, pbx, running, is_told=not is_healthy(findings))
    return findings


async def _address(subject: Subject, pbx: PbxSettings, *, clock: Clock) -> AsyncIterator[Finding]:
    """The certificate; that nothing can be connected to is said by whoever asks for a token."""
    parts = urlsplit(pbx.url)
    if parts.scheme == "https" and parts.hostname:
        until = await served_until(parts.hostname, parts.port or 443, name=parts.hostname)
        if until is not None:
            yield certificate_judged(subject, "certificate", until, now=clock(), whose="that of the PBX")


async def _examine_client(
    subject: Subject,
    pbx: PbxSettings,
    client: ApiClient,
    running: Running,
    *,
    wanted: Wanted,
    clock: Clock,
) -> list[Finding]:
    use = _use_of(client, running)
    try:
        async with _session(client, use, clock) as session:
            await _limited(session.authorise(), pbx)
            seen = await _Questions(session, pbx, running, clock=clock).seen(client.client_id, use, wanted)
            return [subject.ok("address", f"{pbx.url} answers"), *judged(subject, seen)]
    except _LeftAlone:
        return [subject.warning("token", _LEFT_ALONE, _AS_THEM)]
    except PbxUnreachable as error:
        return [subject.refused("address", error, otherwise="check url and firewall")]
    except PbxUnauthorised as error:
        return [subject.refused("token", error)]
    except PbxError as error:
        return [subject.refused("address", error, otherwise="look whether url is that of the PBX itself")]


def _use_of(client: ApiClient, running: Running) -> Token:
    if not running.uses_tokens:
        return Token.ASKED
    return Token.SHARED if os.access(client.token_file, os.R_OK) else Token.LEFT


@contextlib.asynccontextmanager
async def _session(client: ApiClient, use: Token, clock: Clock) -> AsyncIterator[PbxSession]:
    def leave() -> None:
        if use is not Token.ASKED:
            raise _LeftAlone

    with tempfile.TemporaryDirectory(prefix="switchhook-doctor-") as folder:
        path = Path(folder) / "token.json"
        if use is Token.SHARED:
            path.symlink_to(client.token_file.absolute())  # read through it, whoever renews the token meanwhile
        async with PbxSession(client, token_file=path, now=clock, demand=leave) as session:
            yield session


async def _limited(answer: Awaitable[object], pbx: PbxSettings) -> object:
    """The answer. Raises `PbxError`, also when it takes too long."""
    try:
        async with asyncio.timeout(_LIMIT):
            return await answer
    except TimeoutError as error:
        raise PbxUnreachable(
            f"pbx {pbx.name}: {pbx.url}: does not answer within {_LIMIT:.0f} s: look at its load"
        ) from error


class _Questions:
    """To one PBX, over one session."""

    def __init__(self, session: PbxSession, pbx: PbxSettings, running: Running, *, clock: Clock) -> None:
        self._session = session
        self._pbx = pbx
        self._running = running
        self._clock = clock
        self._plan: NumberingPlan | None = None

    async def seen(self, client_id: str, token: Token, wanted: Wanted) -> PbxSeen:
        """All answers, and the errors among them."""
        ask: dict[Question, Callable[[], Awaitable[object]]] = {}
        if wanted is not Wanted.RECORDINGS:
            ask |= {
                Question.STATUS: self._status,
                Question.CALL_CONTROL: self._call_control,
                Question.WEBSOCKET: self._websocket,
                Question.ACTIVE_CALLS: self._active_calls,
                Question.CALL_LOG: self._call_log,
                Question.DIRECTORY: self._directory,
            }
        if wanted is not Wanted.CALLS:
            ask |= {Question.RECORDINGS: self._recordings, Question.DOWNLOAD: self._download}
        first, *others = ask
        # The first answer tells how far the clocks are apart, which the call log is asked by.
        answers = {first: await self._answer(ask[first])}
        given = await asyncio.gather(*(self._answer(ask[question]) for question in others))
        answers |= dict(zip(others, given, strict=True))
        unauthorised = [answer for answer in answers.values() if isinstance(answer, PbxUnauthorised | _LeftAlone)]
        if unauthorised:
            raise unauthorised[0]
        if isinstance(answers.get(Question.RECORDINGS), PbxError):
            del answers[Question.DOWNLOAD]
        return PbxSeen(
            client_id=client_id,
            token=token,
            answers=answers,
            plan=self._plan,
            clock_ahead=None if wanted is Wanted.RECORDINGS else self._session.clock_ahead,
        )

    async def _answer(self, ask: Callable[[], Awaitable[object]]) -> object:
        try:
            return await _limited(ask(), self._pbx)
        except PbxError as error:
            return error

    async def _status(self) -> object:
        return await self._session.get_json("/xapi/v1/SystemStatus")

    async def _call_control(self) -> object:
        return await self._session.get_json("/callcontrol")

    async def _websocket(self) -> object:
        if self._pbx.name in self._running.followed:
            return Nothing("the running monitor has it open")
        if "monitor" in self._running.services - self._running.ready.keys():
            return Nothing(
                "not tried: a monitor is at work that may have it open", "let admin.listen name its admin port"
            )
        await (await self._session.websocket()).close()
        return None

    async def _active_calls(self) -> object:
        return await ActiveCalls(self._session, self._clock).of([0], live=0)

    async def _call_log(self) -> object:
        now = self._clock()
        return await read_call_log(self._session, since=now - _RECENT, until=now)

    async def _directory(self) -> object:
        visible = None
        with contextlib.suppress(PbxForbidden):  # which CALL_CONTROL says
            visible = await self._call_control()
        plan, denied = await read_numbering_plan(self._session, visible=visible, configured_names={})
        if denied is not None:
            raise PbxForbidden(denied) if _FORBIDDEN in denied else PbxAnswer(HTTPStatus.OK, denied)
        self._plan = None if visible is None else plan
        return None

    async def _recordings(self) -> object:
        return await self._session.get_json("/xapi/v1/Recordings", {"$top": 1})

    async def _download(self) -> object:
        """The beginning of the newest file."""
        newest = rows(await self._session.get_json("/xapi/v1/Recordings", {"$orderby": "Id desc", "$top": 1}))
        if not newest or not isinstance(newest[0].get("Id"), int):
            return Nothing("there is no recording yet to try it with")
        path = f"/xapi/v1/Recordings/Pbx.DownloadRecording(recId={newest[0]['Id']})"
        async with self._session.download(path) as download:
            async for _ in download:
                break
            return f"the newest recording begins to come ({download.media_type})"


def _folder(subject: Subject, pbx: PbxSettings, settings: Settings) -> list[Finding]:
    """The source of recordings where it is a folder."""
    if settings.recorder.source != "folder":
        return []
    folder = folder_of(pbx, settings)
    if folder.is_dir() and os.access(folder, os.R_OK | os.X_OK):
        return [subject.ok("folder", f"{folder} can be read")]
    remedy = "mount the PBX's folder of recordings there, readable for the user that runs Switchhook"
    return [subject.failed("folder", f"{folder} cannot be read", remedy)]


def _watched(subject: Subject, pbx: PbxSettings, running: Running, *, is_told: bool) -> list[Finding]:
    """What the monitor of this machine says of the PBX; `is_told`: what it lacks was found already."""
    if "monitor" not in running.ready:
        return []
    checks = [subject.name, f"{subject.name} watch"]
    if not is_told:
        checks += [check for check in running.problems["monitor"] if check.startswith(f"{subject.name} ")]
    found = []
    for problem in dict.fromkeys(filter(None, map(running.problem, checks))):
        detail, remedy = parted(problem, subject.name)
        found.append(subject.failed("watched", f"the running monitor says: {detail}", remedy or "look at its log"))
    if found:
        return found
    if pbx.name in running.followed:
        return [subject.ok("watched", "by the running monitor")]
    return [subject.warning("watched", "not by the monitor that runs here", "look whether another monitor has it")]
