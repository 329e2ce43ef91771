"""MP3 files from the inside: how long they last, and the tags that tell whose they are. Blocks; raises OSError."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import mutagen.id3
import mutagen.mp3

if TYPE_CHECKING:
    from pathlib import Path

    from services.recorder.matching import AwaitedLink

# mutagen's own annotations stop at its constructors.
_id3: Any = mutagen.id3
_mp3: Any = mutagen.mp3


@dataclass(frozen=True, slots=True)
class Mp3:
    """What a player sees that does not read the gapless header."""

    duration: timedelta
    channels: int


def measure(path: Path) -> Mp3 | None:
    """The file's length and channels; None when it is no MP3."""
    try:
        sound = _mp3.MP3(path).info
    except mutagen.MutagenError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        return None
    return Mp3(timedelta(seconds=sound.length), sound.channels)


def tag(path: Path, link: AwaitedLink) -> None:
    """Write call id, caller, extension and date into the file."""
    tags = _id3.ID3()
    tags.add(_id3.TIT2(text=f"{link.outside_number} / {link.user}"))
    tags.add(_id3.TPE1(text=link.outside_number))
    tags.add(_id3.TDRC(text=link.started_at.strftime("%Y-%m-%dT%H:%M:%S")))
    facts = {
        "call_id": f"{link.key.call_id}-{link.key.link}",
        "caller": link.outside_number,
        "extension": link.user,
        "pbx": link.key.pbx,
        "date": link.started_at.isoformat(timespec="seconds"),
    }
    for name, text in facts.items():
        tags.add(_id3.TXXX(desc=name, text=text))
    try:
        tags.save(path)
    except mutagen.MutagenError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        raise
