"""The forms of XAPI answers: collections, single objects, and errors as the vendor writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from simulator.odata import select

if TYPE_CHECKING:
    from collections.abc import Mapping
    from http import HTTPStatus

    from simulator.wire import Row


class XapiError(Exception):
    """An answer in the vendor's error form."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    def response(self) -> web.Response:
        error: Row = {"code": "", "message": self.message, "target": None, "details": [], "innerError": None}
        return web.Response(status=self.status, body=orjson.dumps({"error": error}), content_type="application/json")


def collection(
    name: str, rows: list[Row], query: Mapping[str, str], columns: frozenset[str], *, count: int | None = None
) -> web.Response:
    """What the query selects. `count`: of all rows, when `rows` is a page already."""
    page = select(rows, query, columns=columns)
    body: Row = {"@odata.context": f"https://localhost/xapi/v1/$metadata#{name}"}
    if page.count is not None:
        body["@odata.count"] = page.count if count is None else count
    return single({**body, "value": page.rows})


def single(body: Row) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json")
