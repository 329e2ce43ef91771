"""/xapi/v1: which path and method gives what. Directory entities are answered here, calls by simulator.reports."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from simulator.faults import Fault, Faults
from simulator.odata import QueryError
from simulator.xapi_answers import XapiError, collection, single

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simulator.listings import Listings
    from simulator.reports import Reports
    from simulator.wire import Row

_USERS_PAGE_LIMIT = 100
_KEYED = re.compile(r"^(\w+)\((\d+)\)$")
_DROP = re.compile(r"^ActiveCalls\((\d+)\)/Pbx\.DropCall$")
_CLIENT = re.compile(r"^ServicePrincipals\((\d+)\)$")
_DOWNLOAD = re.compile(r"^Recordings/Pbx\.DownloadRecording\(recId=(\d+)\)$")
_CALL_LOG = re.compile(r"^ReportCallLogData/Pbx\.GetCallLogData\((.*)\)$")


class Xapi:
    """Answers requests below /xapi/v1."""

    def __init__(self, listings: Listings, reports: Reports, faults: Faults, *, status: Callable[[], Row]) -> None:
        self._listings = listings
        self._reports = reports
        self._faults = faults
        self._status = status
        self._sets: Mapping[str, Callable[[], list[Row]]] = {
            "Peers": listings.peers,
            "Users": listings.users,
            "Queues": listings.queues,
            "RingGroups": listings.ring_groups,
            "Receptionists": listings.receptionists,
            "Trunks": listings.trunks,
            "DidNumbers": listings.did_numbers,
            "InboundRules": listings.inbound_rules,
            "ServicePrincipals": listings.service_principals,
        }

    async def serve(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        if self._faults.on(Fault.NO_XAPI):
            return XapiError(HTTPStatus.FORBIDDEN, "Forbidden").response()
        try:
            if request.method == "GET":
                return await self._get(path, request.query)
            return await self._change(request.method, path, request)
        except XapiError as error:
            return error.response()
        except QueryError as error:
            return XapiError(HTTPStatus.BAD_REQUEST, str(error)).response()

    async def _get(self, path: str, query: Mapping[str, str]) -> web.Response:
        match path:
            case "ActiveCalls":
                return self._reports.active_calls(query)
            case "Recordings":
                return self._reports.recordings(query)
            case "SystemStatus":
                return single(self._status())
            case "LastCdrAndChatMessageTimestamp":
                return self._reports.last_call()
        if download := _DOWNLOAD.match(path):
            return await self._reports.download(int(download[1]))
        if log := _CALL_LOG.match(path):
            return self._reports.call_log(log[1], query)
        return self._entities(path, query)

    async def _change(self, method: str, path: str, request: web.Request) -> web.Response:
        dropped = _DROP.match(path)
        if dropped and method == "POST":
            return self._reports.drop_call(int(dropped[1]))
        if _CLIENT.match(path) and method == "PATCH":
            return await self._choose_peers(request)
        raise XapiError(HTTPStatus.METHOD_NOT_ALLOWED, "Method not allowed")

    def _entities(self, path: str, query: Mapping[str, str]) -> web.Response:
        keyed = _KEYED.match(path)
        rows = self._sets.get(keyed[1] if keyed else path)
        if rows is None:
            raise XapiError(HTTPStatus.NOT_FOUND, "Not found")
        if keyed:
            found = next((row for row in rows() if row.get("Id") == int(keyed[2])), None)
            if found is None:
                raise XapiError(HTTPStatus.NOT_FOUND, "Not found")
            return single(found)
        top = query.get("$top", "")
        if path == "Users" and top.isdigit() and int(top) > _USERS_PAGE_LIMIT:
            raise QueryError(f"The limit of '{_USERS_PAGE_LIMIT}' for Top query has been exceeded.")
        listed = rows()
        return collection(path, listed, query, frozenset(listed[0]))

    async def _choose_peers(self, request: web.Request) -> web.Response:
        """{"Peers": [{"Number": ...} or {"Id": ...}]}: from now on the client sees these."""
        try:
            asked = orjson.loads(await request.read())
            chosen = [(peer.get("Number"), peer.get("Id")) for peer in asked["Peers"]]
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            raise XapiError(HTTPStatus.BAD_REQUEST, "Peers is missing") from None
        self._listings.choose_monitored(chosen)
        return web.Response(status=HTTPStatus.NO_CONTENT)
