"""Why there is nothing to hear: for a program as JSON, for a person as a page. Pure but for the response objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from services.fileserver.server import error_response
from switchhook.objects import GoneReason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

    from services.fileserver.paging import Pages
    from switchhook.objects import Gone

_EXACTLY = "use it exactly as it was sent, with everything after the question mark"
_GONE = {
    GoneReason.EXPIRED: "the recording was kept until {at} and has been deleted",
    GoneReason.QUOTA: "the recording was deleted on {at} to make room for newer ones",
    GoneReason.PURGED: "the recording was deleted on {at}",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """`error` is one stable word for programs; title and sentence are for people. `wait` is in seconds."""

    status: HTTPStatus
    error: str
    title: str
    sentence: str
    wait: float = 0.0
    is_logged: bool = True
    facts: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def missing(cls) -> Refusal:
        """The address has no signature."""
        return cls(HTTPStatus.FORBIDDEN, "missing", "This link is not complete", f"this link is not valid: {_EXACTLY}")

    @classmethod
    def forged(cls) -> Refusal:
        """The signature is not ours, or not for this."""
        return cls(HTTPStatus.FORBIDDEN, "forged", "This link is not valid", f"this link is not valid: {_EXACTLY}")

    @classmethod
    def too_many(cls, wait: float) -> Refusal:
        """Somebody guesses. Not logged: that is what a flood would want."""
        sentence = "too many links that are not valid came from your address: try again later"
        return cls(HTTPStatus.TOO_MANY_REQUESTS, "too_many", "Too many attempts", sentence, wait, is_logged=False)

    @classmethod
    def expired(cls) -> Refusal:
        """The link was genuine."""
        sentence = "this link has expired: ask whoever gave it to you for a new one"
        return cls(HTTPStatus.GONE, "expired", "This link has expired", sentence)

    @classmethod
    def revoked(cls) -> Refusal:
        """The link was genuine, and an operator took it back."""
        sentence = "this link has been revoked: ask whoever gave it to you"
        return cls(HTTPStatus.FORBIDDEN, "revoked", "This link has been revoked", sentence)

    @classmethod
    def gone(cls, gone: Gone) -> Refusal:
        """The recording was there."""
        sentence = _GONE[gone.reason].format(at=f"{gone.at:%Y-%m-%d}")
        return cls(HTTPStatus.GONE, "deleted", "This recording is no longer kept", sentence)

    @classmethod
    def unknown(cls, name: str) -> Refusal:
        """There never was such a recording, or it has been gone for long."""
        facts = {"recording": name}
        return cls(HTTPStatus.NOT_FOUND, "not_found", "No recording", "there is no such recording", facts=facts)

    @classmethod
    def unavailable(cls) -> Refusal:
        """The storage does not answer."""
        sentence = "the recording cannot be sent now: try again later"
        return cls(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", "Not available now", sentence, 5.0, is_logged=False)

    @classmethod
    def broken(cls) -> Refusal:
        """The storage gives something that cannot be sent. Logged where it is known what."""
        sentence = "the recording cannot be sent: tell the operator of this telephone system"
        return cls(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "Not available", sentence, is_logged=False)


def answer_to(refusal: Refusal, *, pages: Pages | None) -> web.Response:
    """A page where there are pages, JSON where there are none."""
    if pages is not None:
        response = pages.notice(refusal.status, refusal.title, f"{refusal.sentence[:1].upper()}{refusal.sentence[1:]}.")
    else:
        response = error_response(refusal.status, refusal.error, refusal.sentence)
    if refusal.wait:
        response.headers["Retry-After"] = str(int(refusal.wait) + 1)
    return response
