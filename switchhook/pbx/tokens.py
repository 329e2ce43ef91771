"""The API client's one live token, in this process: asked for once however many want it, and renewed in time.

Where other processes use the same client, the token stands where all of them see it: in a file, or wherever else.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

import aiohttp
import orjson

from switchhook.pbx.answers import not_json, retry_after, token_refusal, unreachable
from switchhook.pbx.patience import Patience
from switchhook.pbx.token import Token, token_from_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from switchhook.pbx.access import PbxAccess

_PATH = "/connect/token"
_TIMEOUT = aiohttp.ClientTimeout(total=20, sock_connect=5)


class TokenPlace(Protocol):
    """Where the token of one API client of one PBX is kept."""

    def locked(self) -> AbstractAsyncContextManager[None]:
        """Keep all others from asking for a token meanwhile. Raises `StorageError`, `PbxUnreachable`."""

    async def read(self) -> Token | None:
        """The token that was written last; None when there is none to be believed."""

    async def write(self, token: Token) -> None:
        """Let the others know. What fails is logged: they will ask for theirs."""


class Tokens:
    """Asks the PBX only when neither memory nor the place has a token that can be used."""

    def __init__(
        self,
        access: PbxAccess,
        place: TokenPlace,
        *,
        http: aiohttp.ClientSession,
        now: Callable[[], datetime],
        demand: Callable[[], None],
        used: Callable[[Token], None],
    ) -> None:
        """`demand` raises when this process may not ask for a token, which would end another one's.

        `used` is told of every token that comes into use.
        """
        self._access = access
        self._place = place
        self._http = http
        self._now = now
        self._demand = demand
        self._used = used
        self._patience = Patience(access.name)
        self._token: Token | None = None
        self._single_flight = asyncio.Lock()

    async def usable(self, *, rejected: frozenset[str] = frozenset()) -> tuple[str, bool]:
        """A token that is fresh and not among the rejected ones, and whether it was asked for just now.

        Raises `PbxUnauthorised`, `PbxUnreachable`, `PbxAnswer`, `StorageError` for the place, or what `demand`
        raises.
        """
        async with self._single_flight:
            if self._token is None or not self._may_use(self._token, rejected):
                async with self._place.locked():
                    self._token = await self._place.read()
                    if self._token is None or not self._may_use(self._token, rejected):
                        self._demand()
                        self._token = await self._ask()
                        await self._place.write(self._token)
                        self._used(self._token)
                        return self._token.value, True
                    self._used(self._token)
            return self._token.value, False

    def _may_use(self, token: Token, rejected: frozenset[str]) -> bool:
        return token.value not in rejected and token.is_fresh(self._now())

    async def _ask(self) -> Token:
        access = self._access
        self._patience.check(_PATH, self._now())
        form = {
            "client_id": access.client_id,
            "client_secret": access.client_secret.get_secret_value(),
            "grant_type": "client_credentials",
        }
        try:
            async with self._http.post(access.url.rstrip("/") + _PATH, data=form, timeout=_TIMEOUT) as response:
                body = await response.read()
                status, headers = response.status, response.headers
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise unreachable(access.name, access.url, error) from error
        if status != HTTPStatus.OK:
            now = self._now()
            wait = retry_after(headers, now=now)
            self._patience.asked_for(_PATH, now, wait)
            raise token_refusal(
                access.name,
                access.client_id,
                status,
                body=body.decode(errors="replace"),
                retry_after=wait,
            )
        token = token_from_answer(self._parsed(body), now=self._now())
        if token is None:
            raise not_json(access.name, f"POST {_PATH}")
        return token

    def _parsed(self, body: bytes) -> Mapping[str, object]:
        try:
            answer = orjson.loads(body)
        except ValueError as error:
            raise not_json(self._access.name, f"POST {_PATH}") from error
        return answer if isinstance(answer, dict) else {}
