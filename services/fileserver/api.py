"""The admin API of the fileserver: revoked links, and who listened to what, as JSON over HTTP.

Its addresses exist as long as the process does; while the fileserver does not run, they say so. Who may ask is the
admin server's business.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from services.fileserver.revoked import new_revocation
from switchhook.errors import AdminRefused
from switchhook.runtime.api import json_response
from switchhook.settings import parse_moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from services.fileserver.register import Listen, Register
    from services.fileserver.revocations import Revocation
    from services.fileserver.revoked import Revoked
    from switchhook.runtime.clock import Clock

ROOT = "/api/v1"
DEFAULT_LIMIT, HIGHEST_LIMIT = 100, 1_000
_REVOKED_BY = ("recipient", "pbx", "call", "since", "until")
_LISTENED = ("call", "recipient", "since", "limit")
_LONG_AGO = timedelta(days=36500)


class FileserverApi:
    """`opened` while the fileserver runs."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._desk: tuple[Revoked, Register] | None = None

    @property
    def routes(self) -> Sequence[web.RouteDef]:
        """All addresses."""
        return (
            web.get(f"{ROOT}/links/revocations", self._list),
            web.post(f"{ROOT}/links/revocations", self._revoke),
            web.delete(f"{ROOT}/links/revocations/{{id}}", self._restore),
            web.get(f"{ROOT}/listens", self._listens),
        )

    @contextmanager
    def opened(self, revoked: Revoked, register: Register) -> Iterator[None]:
        """While the context lasts, questions are answered."""
        self._desk = revoked, register
        try:
            yield
        finally:
            self._desk = None

    def _open_desk(self) -> tuple[Revoked, Register]:
        if self._desk is None:
            raise AdminRefused(503, "starting", "the fileserver does not run yet: try again in a moment")
        return self._desk

    async def _list(self, _: web.Request) -> web.Response:
        revoked, _register = self._open_desk()
        await revoked.read()
        return json_response({"revocations": [_document(one) for one in revoked.revocations]})

    async def _revoke(self, request: web.Request) -> web.Response:
        revoked, _ = self._open_desk()
        given = _texts(await _body(request), _REVOKED_BY)
        now = self._clock()
        wanted = new_revocation(
            made_at=now,
            recipient=given["recipient"],
            pbx=given["pbx"],
            call=given["call"],
            since=_moment(given, "since", now),
            until=_moment(given, "until", now),
        )
        if wanted.is_of_everything:
            raise _invalid("say which links: recipient, pbx, call, since or until; for all, since 36500d")
        return json_response(_document(await revoked.add(wanted)))

    async def _restore(self, request: web.Request) -> web.Response:
        revoked, _ = self._open_desk()
        key = request.match_info["id"]
        if not await revoked.remove(key):
            raise AdminRefused(404, "no_such_revocation", f"there is no revocation {key}: list them first")
        return json_response({"restored": key})

    async def _listens(self, request: web.Request) -> web.Response:
        _, register = self._open_desk()
        given = _texts(request.query, _LISTENED)
        limit = given["limit"] or str(DEFAULT_LIMIT)
        if not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= HIGHEST_LIMIT):
            raise _invalid(f"limit: must be a whole number from 1 to {HIGHEST_LIMIT}")
        now = self._clock()
        since = _moment(given, "since", now) or now - _LONG_AGO
        listens = await register.listens(
            call=given["call"], recipient=given["recipient"], since=since, limit=int(limit)
        )
        return json_response({"listens": [_listen(one) for one in listens]})


async def _body(request: web.Request) -> Mapping[str, object]:
    try:
        body = orjson.loads(await request.read() or b"{}")
    except orjson.JSONDecodeError as error:
        raise _invalid(f"the body is no JSON: {error}") from None
    if not isinstance(body, dict):
        raise _invalid("the body must be a JSON object")
    return body


def _texts(given: Mapping[str, object], known: Sequence[str]) -> dict[str, str]:
    for name, value in given.items():
        if name not in known:
            raise _invalid(f"{name}: is unknown here (known: {', '.join(known)})")
        if not isinstance(value, str):
            raise _invalid(f"{name}: must be a text")
    return {name: str(given.get(name, "")) for name in known}


def _moment(given: Mapping[str, str], name: str, now: datetime) -> datetime | None:
    if not given[name]:
        return None
    try:
        return parse_moment(given[name], now)
    except ValueError as error:
        raise _invalid(f"{name}: {error}") from None


def _invalid(sentence: str) -> AdminRefused:
    return AdminRefused(400, "invalid", sentence)


def _document(one: Revocation) -> dict[str, object]:
    return {
        "id": one.id,
        "made_at": one.made_at,
        "recipient": one.recipient or None,
        "pbx": one.pbx or None,
        "call": one.call or None,
        "since": one.since,
        "until": one.until,
    }


def _listen(one: Listen) -> dict[str, object]:
    return {
        "at": one.at,
        "pbx": one.pbx,
        "call": one.call,
        "recording": one.recording,
        "recipient": one.recipient or None,
        "address": one.address,
        "status": one.status,
        "bytes": one.sent,
        "complete": one.is_complete,
    }
