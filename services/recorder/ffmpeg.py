"""How ffmpeg is asked for an MP3, how long it may take, and what its exit means. Pure: it runs nothing.

The MP3 has 24 kHz whatever the source has. An encoder puts a silence of about 1,150 samples and the rest of a frame
around the sound; at a telephone's 8 kHz that is up to 0.21 s for a player that does not read the gapless header, at
24 kHz at most 0.07 s. It is also a rate that every player knows, which 8 kHz is not.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

import ffmpeg

from services.recorder.waveform import LEVEL, window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.recorder.riff import Wav

SAMPLE_RATE = 24_000
LEVELS = ".levels"
"""What is put to the end of an MP3's path for the file in which ffmpeg writes how loud it is."""

TAIL_SIZE = 2_000
"""Characters of ffmpeg's messages that are worth keeping."""

_HIGHEST_BITRATE = 160  # kbit/s of an MP3 of this sample rate
_START = timedelta(seconds=30)
_PER_LENGTH = 10  # the slowest machine converts this many times faster than people talk
_NO_SPACE = "No space left on device"
_LOUDEST = re.compile(r"max_volume: (-?[0-9.]+|-?inf) dB")
_SILENCE = -65.0  # dB below full scale; the silence of A-law is at -72, the noise of a quiet line above -60
_FAULTS = ("[error]", "[fatal]")
_BAD_SOURCE = ("Invalid data found", "could not find codec", "does not contain any stream", "matches no streams")


class Failure(StrEnum):
    """Why there is no MP3."""

    BAD_SOURCE = "bad_source"  # ffmpeg cannot read what the PBX sent
    NO_SPACE = "no_space"
    TIMED_OUT = "timed_out"
    KILLED = "killed"  # by a signal that was not ours
    FAILED = "ffmpeg_failed"


@dataclass(frozen=True, slots=True)
class Converted:
    """ffmpeg finished its work; `loudest` is the loudest moment in dB below full scale, None when it did not say."""

    loudest: float | None = None


@dataclass(frozen=True, slots=True)
class NotConverted:
    """ffmpeg did not; `detail` is the last thing it said."""

    failure: Failure
    detail: str


TranscodeOutcome = Converted | NotConverted


def transcode_argv(program: str, source: str, target: str, *, wav: Wav, bitrate: int) -> Sequence[str]:
    """The command line for one conversion; `bitrate` in kbit/s for one channel, two get twice that.

    Beside the MP3 it writes how loud each window of it is (`LEVELS`).
    """
    channels = min(wav.channels, 2)
    # `file:` keeps a path that begins with a word and a colon from being taken for a protocol.
    # The loudest moments are measured on the way, which costs nothing that could be measured.
    sound = ffmpeg.input(f"file:{source}", threads=1)["a:0"].filter("volumedetect")
    sound = sound.filter("asetnsamples", n=window(wav), p=0)
    sound = sound.filter("astats", metadata=1, reset=1, measure_perchannel="none", measure_overall="Peak_level")
    sound = sound.filter("ametadata", mode="print", key=LEVEL, file=f"file:{target}{LEVELS}")
    stream = sound.output(
        f"file:{target}",
        format="mp3",
        acodec="libmp3lame",
        audio_bitrate=f"{min(bitrate * channels, _HIGHEST_BITRATE)}k",
        ac=channels,
        ar=SAMPLE_RATE,
        compression_level=7,  # nearly twice as fast as the default; on speech the difference cannot be heard
        map_metadata=-1,
        id3v2_version=0,  # the tags are written afterwards, by us
        threads=1,
    )
    # The limit on processor time ends a conversion that outlives a recorder which was killed.
    seconds = math.ceil(time_limit(wav.duration).total_seconds())
    flags = ["-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+info", "-y", "-timelimit", str(seconds)]
    command: list[str] = stream.compile(cmd=[program, *flags])
    return command


def time_limit(duration: timedelta) -> timedelta:
    """How long a conversion of that much sound may take before it counts as hung."""
    return _START + duration / _PER_LENGTH


def classify_exit(code: int, messages: str) -> TranscodeOutcome:
    """What an exit code (negative: minus the signal) and the end of ffmpeg's messages mean."""
    if code == 0:
        loudest = _LOUDEST.findall(messages)
        return Converted(float(loudest[-1]) if loudest else None)
    lines = messages.strip().splitlines() or [""]
    detail = next((line for line in reversed(lines) if any(fault in line for fault in _FAULTS)), lines[-1])[-200:]
    if code < 0:
        return NotConverted(Failure.KILLED, f"signal {-code}")
    if _NO_SPACE in messages:
        return NotConverted(Failure.NO_SPACE, detail)
    if any(sign in messages for sign in _BAD_SOURCE):
        return NotConverted(Failure.BAD_SOURCE, detail)
    return NotConverted(Failure.FAILED, detail or f"exit code {code}")


def is_silent(converted: Converted) -> bool:
    """True when nothing can be heard."""
    return converted.loudest is not None and converted.loudest < _SILENCE
