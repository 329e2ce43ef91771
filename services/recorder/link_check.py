"""Fetches what was stored through its public link, as a receiver would, before the link is told to anybody.

Where the public address cannot be reached from here, health says so and nobody waits for it: it is tried again every
now and then. It must answer within a fixed time, so that nothing hangs.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Self

import aiohttp

from services.recorder.link_verdict import LinkVerdict
from switchhook.links import SELF_CHECK, link_query

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from services.recorder.metrics import RecorderMetrics
    from services.recorder.trouble import Trouble
    from switchhook.events import RecordingFile
    from switchhook.links import LinkKey
    from switchhook.runtime.clock import Clock

_TIMEOUT = aiohttp.ClientTimeout(total=60, connect=5, sock_read=10)
_VALID = timedelta(minutes=5)
_SERVER_ERRORS = 500
_OK = 200
_CHUNK = 64 * 1024
_OFF = "or set recorder.verify_links = false where this machine cannot reach it"
_REASONS = {
    403: "the fileserver has another link key: give both fileserver.link_secret, or one data_dir",
    404: "the fileserver does not see the file: give both the same storage",
}


class LinkCheck:
    """An async context. `base` is `fileserver.public_url`; `key` None where links are open."""

    def __init__(
        self,
        base: str,
        key: LinkKey | None,
        *,
        is_only_pbx: bool,
        trouble: Trouble,
        metrics: RecorderMetrics,
        clock: Clock,
    ) -> None:
        self._base = base
        self._key = key
        self._is_only_pbx = is_only_pbx
        self._trouble = trouble
        self._metrics = metrics
        self._clock = clock
        self._is_away = False

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(timeout=_TIMEOUT, headers={"User-Agent": "Switchhook-Recorder"})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def verdict(self, pbx: str, files: Sequence[RecordingFile], *, traceparent: str = "") -> LinkVerdict:
        """Whether every file comes through its link as it was stored; the fileserver is told the `traceparent`."""
        if self._is_away and self._trouble.is_resting:
            return LinkVerdict.UNREACHABLE
        for file in files:
            verdict, sentence = await self._fetched(pbx, file, {"traceparent": traceparent} if traceparent else {})
            self._metrics.link_checked(verdict)
            self._is_away = verdict is LinkVerdict.UNREACHABLE
            if verdict is not LinkVerdict.WORKS:
                self._trouble.failed(f"{self._base}: {sentence}; {_OFF}")
                return verdict
        self._trouble.succeeded()
        return LinkVerdict.WORKS

    async def _fetched(self, pbx: str, file: RecordingFile, headers: Mapping[str, str]) -> tuple[LinkVerdict, str]:
        try:
            address = self._address(pbx, file)
            async with self._http.get(address, allow_redirects=True, headers=headers) as response:
                if response.status >= _SERVER_ERRORS:
                    return LinkVerdict.UNREACHABLE, f"answers {response.status}"
                if response.status != _OK:
                    reason = _REASONS.get(response.status, "it does not serve the recording")
                    return LinkVerdict.WRONG, f"answers {response.status}: {reason}"
                digest = hashlib.sha256()
                async for chunk in response.content.iter_chunked(_CHUNK):
                    digest.update(chunk)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return LinkVerdict.UNREACHABLE, f"cannot be reached from here ({_explained(error)})"
        if digest.hexdigest() != file.sha256:
            return LinkVerdict.WRONG, "answers with something else than the recording"
        return LinkVerdict.WORKS, ""

    def _address(self, pbx: str, file: RecordingFile) -> str:
        query = link_query(
            file.path,
            pbx=pbx,
            recipient=SELF_CHECK,
            expires_at=self._clock() + _VALID,
            key=self._key,
            is_only_pbx=self._is_only_pbx,
        )
        return f"{self._base}{file.path}{query}"


def _explained(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            return "its certificate is not trusted"
        case aiohttp.ClientConnectorError():
            return error.os_error.strerror or "no connection"
        case TimeoutError():
            return "it takes too long"
        case _:
            return type(error).__name__
