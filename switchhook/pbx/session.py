"""The authenticated session with one PBX: requests, downloads and the websocket, all under one shared token.

The token is asked for once, however many requests need it, is renewed before it expires, and is shared with other
processes through a file. A request that the PBX rejects (401) is repeated with a newer token. Everything else that goes
wrong is a `PbxError` whose sentence says what to do; nothing is retried here, and nothing is asked before the time that
the PBX told by `Retry-After`.
"""

from __future__ import annotations

import contextlib
import ssl
from datetime import timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar
from urllib.parse import quote, urlencode

import aiohttp
import orjson
from yarl import URL

from switchhook.errors import ConfigError, PbxError
from switchhook.pbx.answers import not_json, refusal, retry_after, token_rejected, too_long, unreachable
from switchhook.pbx.download import Download
from switchhook.pbx.patience import Patience
from switchhook.pbx.token_file import TokenFile
from switchhook.pbx.tokens import Tokens
from switchhook.pbx.websocket import Websocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from datetime import datetime
    from types import TracebackType

    from switchhook.pbx.access import PbxAccess
    from switchhook.pbx.token import Token
    from switchhook.pbx.tokens import TokenPlace

Answer = TypeVar("Answer")

_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=5, sock_read=30)
_DOWNLOAD_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=30)
_WEBSOCKET = "/callcontrol/ws"
_HEARTBEAT = 10.0  # seconds between pings of the websocket; unanswered, it is closed
_YEARS = range(1970, 2200)  # a clock outside of these is none, and calculating with it may overflow
_SAME_TIME = timedelta(seconds=3)  # the header tells whole seconds
_MAX_FRAME = 4 * 1024 * 1024  # bytes
_LONGEST_ANSWER = 64 * 1024 * 1024  # bytes; a page of a call log or a snapshot of 20,000 calls has a few of them
_QUOTED = 1000  # bytes of an error that are looked at
_PATH_SAFE = "/$'(),:@=;&+!*%"  # OData paths carry functions and their arguments
_QUERY_SAFE = "$'(),:@/"


class PbxSession:
    """One PBX; an async context. Safe for any number of concurrent requests."""

    def __init__(
        self,
        access: PbxAccess,
        *,
        token_file: Path | TokenPlace,
        now: Callable[[], datetime],
        demand: Callable[[], None] = lambda: None,
        token_used: Callable[[Token], None] = lambda _token: None,
    ) -> None:
        """Sessions that use the same API client must share the `token_file`, or have it one after the other; where they
        have no file in common, it is another place.

        `demand` is called before a token is asked for, and raises when it is another one's turn. `token_used` is told
        of every token that comes into use.
        """
        self._access = access
        self._base = access.url.rstrip("/")
        self._now = now
        self._demand = demand
        self._token_used = token_used
        self._clock_ahead = timedelta()
        self._told: Callable[[str, object], None] | None = None
        self._patience = Patience(access.name)
        self._token_place = (
            TokenFile(token_file, client=f"{access.client_id} {self._base}")
            if isinstance(token_file, Path)
            else token_file
        )

    async def __aenter__(self) -> Self:
        """Raises `ConfigError` when `ca_file` cannot be used; does not talk to the PBX yet."""
        connector = aiohttp.TCPConnector(ssl=_tls(self._access), limit=64)
        self._http = aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT, ws_response_class=Websocket)
        self._tokens = Tokens(
            self._access,
            self._token_place,
            http=self._http,
            now=self._now,
            demand=self._demand,
            used=self._token_used,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def authorise(self) -> None:
        """Have a token that can be used, asking for one if need be. Raises `PbxError`, and what `demand` raises."""
        await self._tokens.usable()

    def tell(self, told: Callable[[str, object], None]) -> None:
        """From now on `told` gets the path and the answer of every `get_json`, or the `PbxError` instead of one."""
        self._told = told

    def answered(self, path: str, answer: object) -> None:
        """The same for an object that was read over the websocket."""
        if self._told is not None:
            self._told(path, answer)

    async def get_json(self, path: str, params: Mapping[str, str | int] | None = None) -> object:
        """The parsed answer to `GET path`. Raises `PbxError`."""
        if self._told is None:
            return await self._get_json(path, params)
        try:
            answer = await self._get_json(path, params)
        except PbxError as error:
            self._told(path, error)
            raise
        self._told(path, answer)
        return answer

    async def _get_json(self, path: str, params: Mapping[str, str | int] | None) -> object:
        self._patience.check(path, self._now())

        async def get(headers: Mapping[str, str]) -> tuple[int, bytes, Mapping[str, str]]:
            async with self._http.get(self._url(path, params), headers=headers) as response:
                return response.status, await self._body(response), response.headers

        asked_at = self._now()
        status, body, headers = await self._authorised(get, lambda answer: answer[0])
        self._compare_clocks(headers.get("Date"), asked_at)
        if status not in (HTTPStatus.OK, HTTPStatus.NO_CONTENT):
            raise self._refusal(path, status, body, headers)
        try:
            return orjson.loads(body) if body else None
        except ValueError as error:
            raise not_json(self._access.name, f"GET {path}") from error

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > _LONGEST_ANSWER:
                raise too_long(self._access.name, f"GET {response.url.path}", _LONGEST_ANSWER)
        return bytes(body)

    @property
    def clock_ahead(self) -> timedelta:
        """How far the PBX's clock is ahead of ours by its latest answer; zero while they agree to a few seconds."""
        return self._clock_ahead

    def _compare_clocks(self, date: str | None, asked_at: datetime) -> None:
        try:
            told = parsedate_to_datetime(date) if date else None
        except (ValueError, OverflowError):
            return
        if told is None or told.tzinfo is None or told.year not in _YEARS:
            return
        now = self._now()
        # An answer that was long under way says nothing against the PBX's clock.
        agrees = asked_at - _SAME_TIME <= told <= now + _SAME_TIME
        self._clock_ahead = timedelta() if agrees else told - now

    @contextlib.asynccontextmanager
    async def download(self, path: str, params: Mapping[str, str | int] | None = None) -> AsyncIterator[Download]:
        """The answer to `GET path` piece by piece: `async for chunk in download`. Raises `PbxError`, then and later."""

        self._patience.check(path, self._now())

        async def get(headers: Mapping[str, str]) -> aiohttp.ClientResponse:
            response = await self._http.get(self._url(path, params), headers=headers, timeout=_DOWNLOAD_TIMEOUT)
            if response.status == HTTPStatus.UNAUTHORIZED:
                response.release()
            return response

        response = await self._authorised(get, lambda answer: answer.status)
        async with response:
            if response.status != HTTPStatus.OK:
                try:
                    body = await response.content.read(_QUOTED)
                except (aiohttp.ClientError, TimeoutError, OSError) as error:
                    raise unreachable(self._access.name, self._base, error) from error
                raise self._refusal(path, response.status, body, response.headers)
            yield Download(response, lambda error: unreachable(self._access.name, self._base, error))

    async def websocket(self) -> aiohttp.ClientWebSocketResponse:
        """The open websocket of the call-control interface; the caller closes it. Raises `PbxError`."""

        self._patience.check(_WEBSOCKET, self._now())

        async def connect(
            headers: Mapping[str, str],
        ) -> aiohttp.ClientWebSocketResponse | aiohttp.WSServerHandshakeError:
            try:
                return await self._http.ws_connect(
                    self._url(_WEBSOCKET, None), headers=headers, heartbeat=_HEARTBEAT, max_msg_size=_MAX_FRAME
                )
            except aiohttp.WSServerHandshakeError as error:
                return error

        answer = await self._authorised(
            connect, lambda answer: answer.status if isinstance(answer, aiohttp.WSServerHandshakeError) else 101
        )
        if isinstance(answer, aiohttp.WSServerHandshakeError):
            raise self._refusal(_WEBSOCKET, answer.status, b"", answer.headers or {}) from answer
        return answer

    async def _authorised(
        self, request: Callable[[Mapping[str, str]], Awaitable[Answer]], status: Callable[[Answer], int]
    ) -> Answer:
        """Repeat the request while its token is rejected, until one that was asked for just now is."""
        rejected: frozenset[str] = frozenset()
        while True:
            token, is_new = await self._tokens.usable(rejected=rejected)
            try:
                answer = await request({"Authorization": f"Bearer {token}"})
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise unreachable(self._access.name, self._base, error) from error
            if status(answer) != HTTPStatus.UNAUTHORIZED:
                return answer
            if is_new:
                raise token_rejected(self._access.name, self._access.client_id)
            rejected |= {token}

    def _url(self, path: str, params: Mapping[str, str | int] | None) -> URL:
        # Spaces as %20: not every OData server reads a plus as a space.
        query = f"?{urlencode(params, quote_via=quote, safe=_QUERY_SAFE)}" if params else ""
        return URL(f"{self._base}{quote(path, safe=_PATH_SAFE)}{query}", encoded=True)

    def _refusal(self, path: str, status: int, body: bytes, headers: Mapping[str, str]) -> Exception:
        now = self._now()
        wait = retry_after(headers, now=now)
        self._patience.asked_for(path, now, wait)
        return refusal(self._access.name, f"GET {path}", status, body=body.decode(errors="replace"), retry_after=wait)


def _tls(access: PbxAccess) -> ssl.SSLContext:
    if access.ca_file is None:
        return _usual_tls()
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(access.ca_file)
    except OSError as error:  # includes ssl.SSLError
        raise ConfigError([f"pbx {access.name}: ca_file {access.ca_file}: not a PEM certificate ({error})"]) from error
    return context


@lru_cache(maxsize=1)
def _usual_tls() -> ssl.SSLContext:
    """Shared: each holds every authority of the system, which for hundreds of PBXs is seconds and much memory."""
    return ssl.create_default_context()
