"""Who may listen: judges a request by its address alone, before anything is looked up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from services.fileserver.callers import Forgers, caller_address
from services.fileserver.refusals import Refusal
from switchhook.links import RECORDING_ROUTE, RecordingName, Verdict, read_claims, verify_link

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Network, IPv6Network

    from aiohttp import web

    from services.fileserver.revoked import Revoked
    from switchhook.links import LinkKey
    from switchhook.runtime.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """Who may listen to what; `recipient` is empty for an open link, `address` that of the listener."""

    pbx: str
    name: RecordingName
    recipient: str
    address: str


class Admittance:
    """With `keys` only the holder of a signed link is admitted, without (None) whoever knows the path."""

    def __init__(
        self,
        keys: Sequence[LinkKey] | None,
        *,
        revoked: Revoked,
        trusted_proxies: Sequence[IPv4Network | IPv6Network],
        clock: Clock,
    ) -> None:
        self._keys = keys
        self._revoked = revoked
        self._trusted = trusted_proxies
        self._clock = clock
        self._forgers = Forgers()

    def judge(self, request: web.BaseRequest, path: str) -> Admitted | Refusal:
        """Whether this request may have what it asks for, if it is there."""
        query = request.rel_url.raw_query_string
        # Of all lines: a proxy may add one of its own after those of the client.
        forwarded_for = ", ".join(request.headers.getall("X-Forwarded-For", ()))
        address = caller_address(request.remote, forwarded_for, self._trusted)
        if self._keys is None:
            pbx, recipient = read_claims(query).pbx, ""
        else:
            verdict, claims = verify_link(path, query, keys=self._keys, now=self._clock())
            refusal = self._refusal(verdict, address)
            if refusal is not None:
                return refusal
            pbx, recipient = claims.pbx, claims.recipient
        name = RecordingName.parse(path.removeprefix(RECORDING_ROUTE))
        if name is None:
            return Refusal.unknown("")
        admitted = Admitted(pbx=pbx, name=name, recipient=recipient, address=address)
        if self._keys is not None and self.has_revoked(admitted, pbx):
            return Refusal.revoked()
        return admitted

    def has_revoked(self, admitted: Admitted, pbx: str) -> bool:
        """Whether an operator took the link back; `pbx` is that of its recording, which an open link need not name."""
        return self._revoked.covers(pbx=pbx, recipient=admitted.recipient, call=admitted.name.call_id)

    def _refusal(self, verdict: Verdict, address: str) -> Refusal | None:
        match verdict:
            case Verdict.GENUINE:
                return None
            case Verdict.EXPIRED:
                return Refusal.expired()
            case Verdict.MISSING | Verdict.FORGED:
                wait = self._forgers.tried(address, asyncio.get_running_loop().time())
                if wait:
                    return Refusal.too_many(wait)
                return Refusal.missing() if verdict is Verdict.MISSING else Refusal.forged()
            case _:
                assert_never(verdict)
