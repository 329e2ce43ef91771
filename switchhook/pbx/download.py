"""A file on its way from the PBX."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from switchhook.errors import PbxError

_CHUNK_SIZE = 64 * 1024  # bytes


class Download:
    """Iterate over it once, inside the context that gave it."""

    def __init__(self, response: aiohttp.ClientResponse, translated: Callable[[Exception], PbxError]) -> None:
        self._response = response
        self._translated = translated

    @property
    def size(self) -> int | None:
        """Bytes, if the PBX says so beforehand."""
        return self._response.content_length

    @property
    def media_type(self) -> str:
        """Such as `audio/x-wav`."""
        return self._response.content_type

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Pieces of at most 64 KiB. Raises `PbxUnreachable` when the rest does not come."""
        try:
            async for chunk in self._response.content.iter_chunked(_CHUNK_SIZE):
                yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._translated(error) from error
