"""What all addresses of the admin API have in common: the bearer token, and errors as `{"error", "message"}`.

Applies to paths under `/api/` and to nothing else: health and metrics stay open.
"""

from __future__ import annotations

import hmac
import logging
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from switchhook.errors import AdminRefused, StorageError

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

log = logging.getLogger(__name__)

PREFIX = "/api/"
_OFF = "the admin API is off: set admin.token_file (or admin.token) in the configuration and restart"
_NO_TOKEN = "send the token of admin.token_file as 'Authorization: Bearer …'"  # noqa: S105 - a sentence
_WRONG_TOKEN = "the token is not that of this process: compare it with admin.token_file"  # noqa: S105 - a sentence


def json_response(document: object, *, status: int = 200) -> web.Response:
    """A document as the answer to a request."""
    return web.Response(body=orjson.dumps(document), status=status, content_type="application/json")


def api_middleware(token: str | None) -> Middleware:
    """Lets through whoever knows the token, and turns what is raised into answers; without a token the API is off."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith(PREFIX):
            return await handler(request)
        try:
            _demand(token, request.headers.get("Authorization", ""))
            return await handler(request)
        except AdminRefused as refusal:
            return _refused(refusal.status, refusal.error, str(refusal))
        except web.HTTPException as error:
            return _refused(error.status, error.reason.lower().replace(" ", "_"), f"{request.path}: {error.reason}")
        except StorageError as error:
            return _refused(503, "storage", f"the database does not answer: {error}")
        except Exception:  # the server's boundary: whatever it was, the asker gets JSON and the log the traceback
            log.exception("admin.broken", extra={"path": request.path})
            return _refused(500, "internal", "Switchhook itself failed: see the log line admin.broken")

    return guard


def _demand(token: str | None, authorization: str) -> None:
    if token is None:
        raise AdminRefused(403, "api_off", _OFF)
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() != "bearer" or not given.strip():
        raise AdminRefused(401, "unauthorised", _NO_TOKEN)
    # Bytes that are no UTF-8 arrive as surrogates: a wrong token, and no failure of ours.
    if not hmac.compare_digest(given.strip().encode(errors="surrogateescape"), token.encode()):
        raise AdminRefused(401, "unauthorised", _WRONG_TOKEN)


def _refused(status: int, error: str, message: str) -> web.Response:
    answer = json_response({"error": error, "message": message}, status=status)
    if status == 401:  # noqa: PLR2004 - Unauthorized
        answer.headers["WWW-Authenticate"] = 'Bearer realm="switchhook"'
    return answer
