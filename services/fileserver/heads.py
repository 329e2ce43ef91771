"""What stands above the bytes: the response of each selection, without its body. Pure but for the response objects."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import format_datetime
from http import HTTPStatus
from secrets import token_hex
from typing import TYPE_CHECKING, assert_never

from aiohttp import web

from services.fileserver.multipart import Multipart, multipart
from services.fileserver.ranges import NotModified, Part, Parts, PreconditionFailed, Unsatisfiable, Whole
from services.fileserver.server import SERVER, error_response

if TYPE_CHECKING:
    from services.fileserver.library import Recording
    from services.fileserver.ranges import Selection

_CONTENT_TYPE = "audio/mpeg"
_CACHING = {"Cache-Control": "private", "Vary": "Accept"}


@dataclass(frozen=True, slots=True)
class Head:
    """A response, and what of the recording belongs into it: one part, several, or nothing."""

    response: web.StreamResponse
    content: Part | Multipart | None = None

    @property
    def length(self) -> int:
        """Bytes of the recording that are to be sent."""
        match self.content:
            case None:
                return 0
            case Part():
                return self.content.length
            case Multipart():
                return sum(part.length for _, part in self.content.pieces)


def head_of(selection: Selection, recording: Recording, *, as_download: bool) -> Head:
    """The answer to a request that selected this of the recording."""
    current = recording.representation
    validators = {"ETag": current.etag, "Last-Modified": format_datetime(current.modified, usegmt=True)}
    described = {
        **SERVER,
        **validators,
        "Accept-Ranges": "bytes",
        "Content-Type": _CONTENT_TYPE,
        "Content-Disposition": f'{"attachment" if as_download else "inline"}; filename="{recording.name}"',
        **_CACHING,
        "X-Content-Type-Options": "nosniff",
    }
    match selection:
        case Whole():
            return Head(_response(HTTPStatus.OK, described, current.size), Part(0, current.size))
        case Part(start, length):
            described["Content-Range"] = f"bytes {start}-{start + length - 1}/{current.size}"
            return Head(_response(HTTPStatus.PARTIAL_CONTENT, described, length), selection)
        case Parts(parts):
            body = multipart(parts, size=current.size, content_type=_CONTENT_TYPE, boundary=token_hex(16))
            described["Content-Type"] = body.content_type
            return Head(_response(HTTPStatus.PARTIAL_CONTENT, described, body.length), body)
        case NotModified():
            return Head(web.Response(status=HTTPStatus.NOT_MODIFIED, headers={**SERVER, **validators, **_CACHING}))
        case PreconditionFailed():
            sentence = "the recording is not in the state that the request asks for"
            return Head(error_response(HTTPStatus.PRECONDITION_FAILED, "precondition_failed", sentence))
        case Unsatisfiable():
            outside = {"Content_Range": f"bytes */{current.size}", "Accept_Ranges": "bytes"}
            sentence = f"the recording has {current.size} bytes: the range lies outside"
            status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
            return Head(error_response(status, "range_not_satisfiable", sentence, **outside))
        case _:
            assert_never(selection)


def _response(status: HTTPStatus, headers: dict[str, str], length: int) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = length
    return response
