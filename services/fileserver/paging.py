"""Pages for people: the player of a recording, and a sentence where there is nothing to play.

Nothing on them comes from elsewhere, and their policy (CSP) lets nothing else run.
"""

from __future__ import annotations

from datetime import UTC
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from typing import TYPE_CHECKING

from aiohttp import web
from jinja2 import Environment, PackageLoader

from services.fileserver.server import SERVER
from services.fileserver.waveform import drawn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from services.fileserver.library import Recording

ASSETS_ROUTE = "/webapi/player/"
_ASSETS = {"player.css": "text/css", "player.js": "text/javascript"}
_DIRECTIONS = {"inbound": "Incoming call", "outbound": "Outgoing call", "internal": "Internal call"}


class Pages:
    """`embedders` are the origins that may show the pages in a frame."""

    def __init__(self, embedders: Sequence[str] = ()) -> None:
        self._templates = Environment(loader=PackageLoader("services.fileserver", "pages"), autoescape=True)
        self._policy = "; ".join(
            (
                "default-src 'none'",
                *(f"{kind}-src 'self'" for kind in ("script", "style", "media")),
                "base-uri 'none'",
                "form-action 'none'",
                f"frame-ancestors {' '.join(embedders) or chr(39) + 'none' + chr(39)}",
            )
        )

    def player(self, recording: Recording, query: str) -> web.Response:
        """The page that plays it; `query` is that of its link, without the question mark."""
        card = recording.card
        started_at = "" if card is None else card.started_at.astimezone(UTC).isoformat()
        prefix = f"?{query}&" if query else "?"
        return self._page(
            "player.html",
            HTTPStatus.OK,
            title=str(recording.name).removesuffix(".mp3"),
            facts=_facts(recording),
            started_at=started_at,
            waveform=drawn(b"" if card is None else card.waveform),
            audio=f"{prefix}player=1",
            download=f"{prefix}download=1",
        )

    def notice(self, status: HTTPStatus, title: str, sentence: str) -> web.Response:
        """A page that says why there is nothing to play."""
        return self._page("notice.html", status, title=title, sentence=sentence)

    def asset(self, name: str) -> web.Response | None:
        """What the pages load; None for another name."""
        if name not in _ASSETS:
            return None
        headers = {**SERVER, "Cache-Control": "public, max-age=3600", "X-Content-Type-Options": "nosniff"}
        return web.Response(text=_asset(name), content_type=_ASSETS[name], charset="utf-8", headers=headers)

    def _page(self, template: str, status: HTTPStatus, **values: object) -> web.Response:
        headers = {
            **SERVER,
            "Content-Security-Policy": self._policy,
            "Cache-Control": "private, no-store",
            "Referrer-Policy": "no-referrer",  # the address of the page opens the recording
            "X-Content-Type-Options": "nosniff",
            "Vary": "Accept",
        }
        text = self._templates.get_template(template).render(values)
        return web.Response(text=text, status=status, content_type="text/html", charset="utf-8", headers=headers)


def _facts(recording: Recording) -> list[tuple[str, str]]:
    """Names and values, as they stand on the page."""
    card = recording.card
    if card is None:
        return []
    facts = [
        ("Call", _DIRECTIONS.get(card.direction, card.direction)),
        ("Number", card.number),
        ("Line", card.did),
        ("Extension", card.user),
        ("When", f"{card.started_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"),
        ("Length", _length(card.duration)),
    ]
    return [(name, value) for name, value in facts if value]


def _length(duration: timedelta) -> str:
    minutes, seconds = divmod(round(duration.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


@cache
def _asset(name: str) -> str:
    return files("services.fileserver.pages").joinpath(name).read_text(encoding="utf-8")
