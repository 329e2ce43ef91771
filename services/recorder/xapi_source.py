"""Recordings through the PBX's REST interface: the list that it keeps of them, and the files themselves.

Downloads go to disk piece by piece. What the PBX says of a single file (not there yet, broken off, refused) is a
value; what it says of itself or of our rights is a `PbxError`.
"""

from __future__ import annotations

import asyncio
from datetime import UTC
from typing import TYPE_CHECKING

from services.recorder.jobs import Reason
from services.recorder.rows import parse_row
from services.recorder.source import Ahead, Fetched, NotFetched
from switchhook.errors import PbxAnswer, PbxNotFound, PbxUnreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from services.recorder.rows import RecordingRow
    from services.recorder.source import Window
    from switchhook.pbx import PbxSession

PAGE_SIZE = 100  # the most that a PBX gives

_LIST = "/xapi/v1/Recordings"
_NOT_THERE = "FILE_NOT_FOUND"


class XapiSource:
    """A `RecordingSource`; marks are ids. Every method raises `PbxError`."""

    def __init__(self, session: PbxSession) -> None:
        self._session = session

    async def newest_mark(self) -> int:
        """The highest id in the list; 0 when it is empty."""
        listed = await self._page({"$orderby": "Id desc", "$top": 1})
        return max((row.id for row in self._rows(listed)), default=0)

    def listed_after(self, mark: int) -> AsyncIterator[list[RecordingRow]]:
        """The rows above the id, page by page."""
        return self._pages("Id gt {last_id}", last_id=mark)

    def ahead(self) -> Ahead:
        """Nothing: a row is listed with its first byte, and at once."""
        return Ahead()

    def listed_within(self, window: Window) -> AsyncIterator[list[RecordingRow]]:
        """The rows of recordings that began in the window, page by page, in the order of their ids."""
        ahead = self._session.clock_ahead
        begin, end = _literal(window.begin + ahead), _literal(window.end + ahead)
        return self._pages(f"Id gt {{last_id}} and StartTime ge {begin} and StartTime le {end}", last_id=0)

    async def download(self, row: RecordingRow, target: Path) -> Fetched | NotFetched:
        """Write the file to `target`, replacing what is there."""
        path = f"{_LIST}/Pbx.DownloadRecording(recId={row.id})"
        try:
            async with self._session.download(path) as download:
                return await _written(download, target)
        except PbxNotFound as error:
            return NotFetched(Reason.FILE_NOT_FOUND, str(error))
        except PbxAnswer as error:
            reason = Reason.FILE_NOT_FOUND if _NOT_THERE in error.detail else Reason.REFUSED
            return NotFetched(reason, error.detail)

    async def run(self, _stir: Callable[[], None]) -> None:
        """Nothing goes on between two questions."""
        await asyncio.Event().wait()  # until cancelled

    async def _pages(self, condition: str, *, last_id: int) -> AsyncIterator[list[RecordingRow]]:
        while True:
            filter_text = condition.format(last_id=last_id)
            listed = await self._page({"$filter": filter_text, "$orderby": "Id asc", "$top": PAGE_SIZE})
            rows = [row for row in self._rows(listed) if row.id > last_id]
            if rows:
                yield rows
                last_id = max(row.id for row in rows)
            # Where a full page brings nothing new, the PBX does not do what it is asked.
            if len(listed) < PAGE_SIZE or not rows:
                return

    async def _page(self, query: Mapping[str, str | int]) -> list[object]:
        answer = await self._session.get_json(_LIST, query)
        listed = answer.get("value") if isinstance(answer, dict) else None
        if not isinstance(listed, list):
            raise PbxAnswer(200, "the PBX's list of recordings has no value")
        return listed

    def _rows(self, listed: Sequence[object]) -> list[RecordingRow]:
        rows = (parse_row(fields) for fields in listed if isinstance(fields, dict))
        ahead = self._session.clock_ahead
        return [row.earlier(ahead) for row in rows if row is not None]


async def _written(pieces: AsyncIterable[bytes], target: Path) -> Fetched | NotFetched:
    file = await asyncio.to_thread(target.open, "wb")
    try:
        async for piece in pieces:
            await asyncio.to_thread(file.write, piece)
    except PbxUnreachable as error:
        # The PBX began to answer: what ends in the middle counts against the file, or it would be tried for ever.
        return NotFetched(Reason.TRUNCATED, str(error))
    finally:
        await asyncio.to_thread(file.close)
    return Fetched()


def _literal(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
