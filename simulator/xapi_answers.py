"""The forms of XAPI answers: collections, single objects, and errors as the vendor writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from simulator.columns import columns_of
from simulator.odata import QueryError, narrowed, select

if TYPE_CHECKING:
    from collections.abc import Mapping
    from http import HTTPStatus

    from simulator.columns import Columns
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
    name: str, rows: list[Row], query: Mapping[str, str], columns: Columns, *, count: int | None = None
) -> web.Response:
    """What the query selects. `count`: of all rows, when `rows` is a page already."""
    page = select(rows, query, columns=columns)
    body: Row = {"@odata.context": f"https://localhost/xapi/v1/$metadata#{name}"}
    if page.count is not None:
        body["@odata.count"] = page.count if count is None else count
    return single({**body, "value": page.rows})


def entity(row: Row, query: Mapping[str, str]) -> web.Response:
    """One object; of the query only $select and $expand make sense. Raises QueryError."""
    odd = [name for name in query if name.startswith("$") and name not in ("$select", "$expand")]
    if odd:
        raise QueryError(f"The query parameter '{odd[0]}' is not supported.")
    return single(narrowed(row, query, columns=columns_of(row)))


def single(body: Row) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json")
