"""The parts of XAPI that tell of calls: live ones, recordings and the call log."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from simulator.call_log import REPORT_ROW_LIMIT, CallLog, Period
from simulator.columns import ACTIVE_CALL_COLUMNS, CALL_LOG_COLUMNS, RECORDING_COLUMNS
from simulator.faults import Fault, Faults
from simulator.functions import report_arguments
from simulator.odata import whole
from simulator.wire import active_call_row, utc_text
from simulator.xapi_answers import XapiError, collection, single

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from simulator.actions import Actions
    from simulator.exchange import Exchange
    from simulator.model import Call
    from simulator.recordings import Recordings
    from simulator.wire import Row

_ID_FILTER = re.compile(r"^\(*Id eq \d+\)*(?: or \(*Id eq \d+\)*)*$")
_ABOVE = re.compile(r"^Id gt (\d+)\b")
_NUMBERS = re.compile(r"\d+")


class Reports:
    """Answers about calls; raises XapiError and QueryError."""

    def __init__(
        self,
        exchange: Exchange,
        call_log: CallLog,
        recordings: Recordings,
        *,
        actions: Actions,
        faults: Faults,
        now: Callable[[], float],
    ) -> None:
        self._exchange = exchange
        self._log = call_log
        self._listed = recordings
        self._actions = actions
        self._faults = faults
        self._now = now

    def active_calls(self, query: Mapping[str, str]) -> web.Response:
        now = utc_text(self._now())
        calls = {number: call for number, call in self._exchange.calls.items() if not call.hidden}
        text = query.get("$filter", "")
        if _ID_FILTER.match(text) and len(query) == 1:
            wanted = {int(number) for number in _NUMBERS.findall(text)}
            rows = self._live([calls[callid] for callid in sorted(wanted & calls.keys())], now)
            return collection("ActiveCalls", rows, {}, ACTIVE_CALL_COLUMNS)
        return collection("ActiveCalls", self._live(calls.values(), now), query, ACTIVE_CALL_COLUMNS)

    def _live(self, calls: Iterable[Call], now: str) -> list[Row]:
        rows = [active_call_row(call, now) for call in calls]
        if self._faults.on(Fault.UNKNOWN_WORDS):
            return [{**row, "Status": "Pondering", "Mood": "calm"} for row in rows]
        return rows

    def drop_call(self, callid: int) -> web.Response:
        call = self._exchange.calls.get(callid)
        if call is None:
            raise XapiError(HTTPStatus.NOT_FOUND, "Not found")
        self._actions.drop_call(call)
        return web.Response(status=HTTPStatus.NO_CONTENT)

    def recordings(self, query: Mapping[str, str]) -> web.Response:
        self._demand_right(Fault.NO_RECORDINGS_RIGHT)
        rows = self._listed.rows
        text = query.get("$filter", "")
        above = _ABOVE.match(text)
        if above is not None and " or " not in text:
            rows = self._listed.rows_after(int(above[1]))  # what a poller has seen already needs not even be looked at
        return collection("Recordings", rows, query, RECORDING_COLUMNS)

    async def download(self, identity: int) -> web.Response:
        self._demand_right(Fault.NO_RECORDINGS_RIGHT)
        recording = self._listed.readable(identity, self._now())
        if recording is None:
            missing = {"error": {"code": "400", "message": "WARNINGS.XAPI.FILE_NOT_FOUND"}}
            body = orjson.dumps(missing)
            return web.Response(status=HTTPStatus.BAD_REQUEST, body=body, content_type="application/json")
        sound = await asyncio.to_thread(recording.sound)
        plain = recording.name.replace('"', "")
        disposition = {"Content-Disposition": f'attachment; filename="{plain}"'}
        return web.Response(body=sound, content_type="audio/x-wav", headers=disposition)

    def call_log(self, arguments: str, query: Mapping[str, str]) -> web.Response:
        self._log.asked += 1
        given = report_arguments(arguments)
        if given is None:
            raise XapiError(HTTPStatus.NOT_FOUND, "Not found")
        self._demand_right(Fault.NO_CALL_LOG)
        answered = {"1": True, "2": False}.get(given["callsType"])
        period = Period(
            begin=_epoch(given["periodFrom"]),
            end=_epoch(given["periodTo"]),
            answered=answered,
            written_before=self._now() - self._faults.seconds(Fault.LATE_CALL_LOG),
        )
        if query.get("$filter") or query.get("$orderby"):
            rows, _ = self._log.rows(period)
            return collection("ReportCallLogData", rows, query, CALL_LOG_COLUMNS)
        # Only the page is built: a busy hour has thousands of rows.
        skip, top = whole(query, "$skip", 0), whole(query, "$top", REPORT_ROW_LIMIT)
        rows, count = self._log.rows(period, skip=skip, top=top)
        rest = {name: value for name, value in query.items() if name not in {"$skip", "$top"}}
        return collection("ReportCallLogData", rows, rest, CALL_LOG_COLUMNS, count=count)

    def last_call(self) -> web.Response:
        return single({"LastCdrStartedAt": utc_text(self._log.last_started_at or 0.0), "LastChatMessageTimeSent": None})

    def _demand_right(self, missing: Fault) -> None:
        if self._faults.on(missing):
            raise XapiError(HTTPStatus.FORBIDDEN, "Forbidden")


def _epoch(text: str) -> float:
    try:
        told = datetime.fromisoformat(text)
    except ValueError:  # the vendor does not expect it either
        raise XapiError(HTTPStatus.INTERNAL_SERVER_ERROR, "An error has occurred.") from None
    return (told if told.tzinfo is not None else told.replace(tzinfo=UTC)).timestamp()
