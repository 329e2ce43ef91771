"""What a client would rather have: the recording, or a page for people. Pure.

A browser that is sent to a link asks for `text/html`; a player, a program and a download never do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def wants_page(headers: Mapping[str, str], query: Mapping[str, str]) -> bool:
    """True for somebody who can read a page and did not ask for the file."""
    if "Range" in headers or query.get("download") == "1" or query.get("player") == "1":
        return False
    quality_by_type = dict(_entry(written) for written in headers.get("Accept", "").lower().split(","))
    html = quality_by_type.get("text/html", 0.0)
    return html > 0 and html >= max(quality_by_type.get("audio/mpeg", 0.0), quality_by_type.get("audio/*", 0.0))


def _entry(written: str) -> tuple[str, float]:
    media, *parameters = (part.strip() for part in written.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return media, float(value)
            except ValueError:
                return media, 0.0
    return media, 1.0
