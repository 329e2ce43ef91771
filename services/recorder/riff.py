"""What a recording from the PBX holds, read from its RIFF header: whether it is sound at all, and how long it lasts.

Pure. The header is believed about the format; about the length only as far as the file's real size bears it out, since
recorders that are interrupted, or that write while they record, leave sizes that are wrong.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

HEAD_SIZE = 65_536
"""Bytes from the start of a file that `inspect` wants to see."""

_PCM, _ALAW, _ULAW, _GSM, _EXTENSIBLE = 0x0001, 0x0006, 0x0007, 0x0031, 0xFFFE
_GSM_SAMPLES_PER_BLOCK = 320
_RIFF_SIZE = 12
_FORMAT_SIZE = 16
_SUBFORMAT = slice(24, 26)  # of an extensible format: the tag that it stands for
_LONGEST = 366 * 86_400.0  # seconds; a header that says more is wrong, and no calendar need have the time
_UNKNOWN_SIZES = (0, 0xFFFF_FFFF)


class Defect(StrEnum):
    """Why a file is no recording."""

    EMPTY = "empty"
    NOT_WAV = "not_wav"
    HEADER_ONLY = "header_only"
    TRUNCATED = "truncated"


class Codec(StrEnum):
    """How the samples are written."""

    PCM = "pcm"
    A_LAW = "a_law"
    MU_LAW = "mu_law"
    GSM = "gsm"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wav:
    """Sound: `rate` in samples a second."""

    codec: Codec
    channels: int
    rate: int
    duration: timedelta


@dataclass(frozen=True, slots=True)
class _Format:
    tag: int
    channels: int
    rate: int
    byte_rate: int
    block: int
    samples_per_block: int


_CODEC_BY_TAG = {_PCM: Codec.PCM, _ALAW: Codec.A_LAW, _ULAW: Codec.MU_LAW, _GSM: Codec.GSM}


def inspect(head: bytes, size: int) -> Wav | Defect:
    """Judge a file of `size` bytes by its first `HEAD_SIZE` ones (all of them when it is smaller)."""
    if size == 0:
        return Defect.EMPTY
    if len(head) < _RIFF_SIZE or head[:4] not in {b"RIFF", b"RF64"} or head[8:12] != b"WAVE":
        return Defect.NOT_WAV
    written, declared, offset = _sound(head)
    if declared is None:
        return Defect.HEADER_ONLY if offset >= size else Defect.NOT_WAV
    return _measure(written, declared=declared, held=size - offset) if written else Defect.NOT_WAV


def is_complete(head: bytes, size: int) -> bool:
    """True when the file is a recording whose header tells how much sound there is, and all of it is there."""
    if not isinstance(inspect(head, size), Wav):
        return False
    _, declared, offset = _sound(head)
    return declared is not None and declared not in _UNKNOWN_SIZES and size >= offset + declared


def _sound(head: bytes) -> tuple[_Format | None, int | None, int]:
    """The format, the declared size of the sound and where it begins; no size when the sound is not in sight."""
    written: _Format | None = None
    offset = _RIFF_SIZE
    while offset + 8 <= len(head):
        name, length = head[offset : offset + 4], int.from_bytes(head[offset + 4 : offset + 8], "little")
        offset += 8
        if name == b"data":
            return written, length, offset
        if name == b"fmt ":
            written = _format(head[offset : offset + length])
        offset += length + length % 2
    return written, None, offset


def _format(chunk: bytes) -> _Format | None:
    if len(chunk) < _FORMAT_SIZE:
        return None
    tag, channels, rate, byte_rate, block = struct.unpack_from("<HHIIH", chunk)
    if tag == _EXTENSIBLE:
        tag = int.from_bytes(chunk[_SUBFORMAT], "little")
    if not (channels and rate and block):
        return None
    samples = 1
    if tag == _GSM:
        samples = int.from_bytes(chunk[18:20], "little") or _GSM_SAMPLES_PER_BLOCK
    return _Format(tag, channels, rate, byte_rate, block, samples)


def _measure(written: _Format, *, declared: int, held: int) -> Wav | Defect:
    """`held`: bytes of sound that are really there."""
    if held < written.block:
        return Defect.HEADER_ONLY
    length = held if declared in _UNKNOWN_SIZES else declared
    if length - held > written.byte_rate // 20:
        return Defect.TRUNCATED
    length = min(length, held)
    codec = _CODEC_BY_TAG.get(written.tag, Codec.OTHER)
    if codec is Codec.OTHER:
        seconds = length / written.byte_rate if written.byte_rate else 0.0
    else:
        seconds = length // written.block * written.samples_per_block / written.rate
    if not seconds:
        return Defect.HEADER_ONLY
    if seconds > _LONGEST:
        return Defect.NOT_WAV
    return Wav(codec=codec, channels=written.channels, rate=written.rate, duration=timedelta(seconds=seconds))
