"""A request as the bytes of HTTP/1.1. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def written(method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """The request in one piece; its length is added, where there is a body or might be one.

    Raises ValueError for a control character in a header or in the target, which could begin another header.
    """
    lines = [f"{method} {target} HTTP/1.1", *[f"{name}: {value}" for name, value in headers.items()]]
    if body is not None or method != "GET":
        lines.append(f"content-length: {len(body or b'')}")
    text = "".join(lines)
    if not text.isprintable() and _FORBIDDEN.search(text):
        raise ValueError("a control character in a header or in the address")
    return b"%b\r\n\r\n%b" % ("\r\n".join(lines).encode(), body or b"")
