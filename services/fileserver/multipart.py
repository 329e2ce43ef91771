"""Several parts of one file in one answer: `multipart/byteranges`, RFC 9110 section 14.6. Pure.

The length of the whole answer is known beforehand, so that it needs no chunked coding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.fileserver.ranges import Part


@dataclass(frozen=True, slots=True)
class Multipart:
    """What stands before each part, the parts, and what stands after the last one."""

    pieces: tuple[tuple[bytes, Part], ...]
    end: bytes
    content_type: str

    @property
    def length(self) -> int:
        """Bytes of the whole body."""
        return sum(len(head) + part.length for head, part in self.pieces) + len(self.end)


def multipart(parts: Sequence[Part], *, size: int, content_type: str, boundary: str) -> Multipart:
    """The body that holds these parts of a file of `size` bytes; `boundary` must not occur in the file."""
    pieces = []
    for place, part in enumerate(parts):
        head = (
            f"{'' if place == 0 else chr(13) + chr(10)}--{boundary}\r\n"
            f"Content-Type: {content_type}\r\n"
            f"Content-Range: bytes {part.start}-{part.start + part.length - 1}/{size}\r\n\r\n"
        )
        pieces.append((head.encode("ascii"), part))
    return Multipart(
        pieces=tuple(pieces),
        end=f"\r\n--{boundary}--\r\n".encode("ascii"),
        content_type=f"multipart/byteranges; boundary={boundary}",
    )
