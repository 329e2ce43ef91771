"""/xapi/v1: which path and method gives what. Directory entities are answered here, calls by simulator.reports."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from simulator.columns import columns_of
from simulator.faults import Fault, Faults
from simulator.odata import QueryError
from simulator.xapi_answers import XapiError, collection, entity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simulator.listings import Listings
    from simulator.reports import Reports
    from simulator.wire import Row

_USERS_PAGE_LIMIT = 100
_KEYED = re.compile(r"^(\w+)\(([^()]*)\)$")
_DROP = re.compile(r"^ActiveCalls\(([^()]*)\)/Pbx\.DropCall$")
_CLIENT = re.compile(r"^ServicePrincipals\(([^()]*)\)$")
_DOWNLOAD = re.compile(r"^Recordings/Pbx\.DownloadRecording\(recId=([^,()]*)\)$")
_INT32 = re.compile(r"-?[0-9]{1,10}")
_LARGEST = 2**31 - 1
_OTHERS = ("ActiveCalls", "Recordings", "SystemStatus", "LastCdrAndChatMessageTimestamp")
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
                return entity(self._status(), query)
            case "LastCdrAndChatMessageTimestamp":
                return self._reports.last_call()
        if download := _DOWNLOAD.match(path):
            return await self._reports.download(_key(download[1]))
        if log := _CALL_LOG.match(path):
            return self._reports.call_log(log[1], query)
        return self._entities(path, query)

    async def _change(self, method: str, path: str, request: web.Request) -> web.Response:
        dropped, client = _DROP.match(path), _CLIENT.match(path)
        if dropped and method == "POST":
            return self._reports.drop_call(_key(dropped[1]))
        if client and method == "PATCH":
            self._entity(path)
            return await self._choose_peers(request)
        if not (dropped or self._is_readable(path)):
            raise XapiError(HTTPStatus.NOT_FOUND, "Not found")
        raise XapiError(HTTPStatus.METHOD_NOT_ALLOWED, "Method not allowed")

    def _is_readable(self, path: str) -> bool:
        """Whether there is such a path, and GET is its method."""
        keyed = _KEYED.match(path)
        known = (keyed[1] if keyed else path) in self._sets or path in _OTHERS
        return known or any(form.match(path) for form in (_DOWNLOAD, _CALL_LOG))

    def _entities(self, path: str, query: Mapping[str, str]) -> web.Response:
        if _DROP.match(path):
            raise XapiError(HTTPStatus.METHOD_NOT_ALLOWED, "Method not allowed")
        rows = self._sets.get(path)
        if rows is None:
            return entity(self._entity(path), query)
        top = query.get("$top", "")
        if path == "Users" and top.isdigit() and int(top) > _USERS_PAGE_LIMIT:
            raise QueryError(f"The limit of '{_USERS_PAGE_LIMIT}' for Top query has been exceeded.")
        listed = rows()
        return collection(path, listed, query, columns_of(listed[0]))

    def _entity(self, path: str) -> Row:
        """One of a set by its Id."""
        keyed = _KEYED.match(path)
        rows = self._sets.get(keyed[1]) if keyed else None
        if keyed is None or rows is None:
            raise XapiError(HTTPStatus.NOT_FOUND, "Not found")
        wanted = _key(keyed[2])
        found = next((row for row in rows() if row.get("Id") == wanted), None)
        if found is None:
            raise XapiError(HTTPStatus.NOT_FOUND, "Not found")
        return found

    async def _choose_peers(self, request: web.Request) -> web.Response:
        """{"Peers": [{"Number": ...} or {"Id": ...}]}: from now on the client sees these."""
        try:
            asked = orjson.loads(await request.read())
            chosen = [(peer.get("Number"), peer.get("Id")) for peer in asked["Peers"]]
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            raise XapiError(HTTPStatus.BAD_REQUEST, "Peers is missing") from None
        self._listings.choose_monitored(chosen)
        return web.Response(status=HTTPStatus.NO_CONTENT)


def _key(text: str) -> int:
    """A number of 32 bits in a path. Raises QueryError."""
    if not _INT32.fullmatch(text) or abs(int(text)) > _LARGEST:
        raise QueryError(f"'{text}' is not a number of 32 bits.")
    return int(text)
