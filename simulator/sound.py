"""Recordings as files: RIFF/WAVE with a melody, in the codecs that a PBX is seen to use.

Ten seconds of each melody and codec are made once and then sliced, so that a file costs a copy. Melodies differ, and
none is silent.
"""

from __future__ import annotations

import math
import struct
from array import array
from enum import StrEnum
from functools import cache

from simulator import gsm

RATE = 8000
MELODIES = 8
_LOOP_SECONDS = 10
_TONE_SECONDS = 0.25
_AMPLITUDE = 9000
_SCALE = (262, 294, 330, 392, 440, 523, 587, 659)


class Codec(StrEnum):
    PCM = "pcm"
    STEREO = "stereo"
    A_LAW = "a-law"
    MU_LAW = "mu-law"
    GSM = "gsm"


_FORMATS = {
    # codec: format tag, channels, bytes per second, block align, bits per sample
    Codec.PCM: (1, 1, 2 * RATE, 2, 16),
    Codec.STEREO: (1, 2, 4 * RATE, 4, 16),
    Codec.A_LAW: (6, 1, RATE, 1, 8),
    Codec.MU_LAW: (7, 1, RATE, 1, 8),
    Codec.GSM: (49, 1, 1625, gsm.BLOCK_BYTES, 0),
}
_GSM_BLOCK_SAMPLES = 2 * gsm.FRAME_SAMPLES


def wav(codec: Codec, *, melody: int, seconds: float) -> bytes:
    """A whole file. GSM lengths are rounded up to blocks of 40 ms."""
    loop = _loop(codec, melody % MELODIES)
    tag, channels, bytes_per_second, align, bits = _FORMATS[codec]
    samples = round(seconds * RATE)
    blocks = math.ceil(samples / _GSM_BLOCK_SAMPLES) if codec is Codec.GSM else samples
    size = blocks * align
    sound = (loop * (size // len(loop) + 1))[:size]
    layout = struct.pack("<HHIIHH", tag, channels, RATE, bytes_per_second, align, bits)
    chunks = b""
    if codec is Codec.GSM:
        layout += struct.pack("<HH", 2, _GSM_BLOCK_SAMPLES)
    elif tag != 1:
        layout += struct.pack("<H", 0)
    chunks += _chunk(b"fmt ", layout)
    if tag != 1:
        chunks += _chunk(b"fact", struct.pack("<I", samples))
    return (
        b"RIFF" + struct.pack("<I", 4 + len(chunks) + 8 + size + size % 2) + b"WAVE" + chunks + _chunk(b"data", sound)
    )


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


@cache
def _loop(codec: Codec, melody: int) -> bytes:
    samples = _samples(melody)
    match codec:
        case Codec.PCM:
            return samples.tobytes()
        case Codec.STEREO:
            both = array("h", bytes(4 * len(samples)))
            both[0::2] = samples
            both[1::2] = _samples((melody + 3) % MELODIES)
            return both.tobytes()
        case Codec.A_LAW:
            table = _law_table(codec)
            return bytes(table[(sample >> 4) + 2048] for sample in samples)
        case Codec.MU_LAW:
            table = _law_table(codec)
            return bytes(table[(sample >> 4) + 2048] for sample in samples)
        case Codec.GSM:
            return gsm.encode(samples)


@cache
def _samples(melody: int) -> array[int]:
    """The notes follow each other in an order that is the melody's own."""
    made = array("h")
    step = 2 * melody + 1
    per_tone = round(_TONE_SECONDS * RATE)
    for place in range(round(_LOOP_SECONDS / _TONE_SECONDS)):
        frequency = _SCALE[(melody + place * step + place // len(_SCALE)) % len(_SCALE)]
        turn = 2 * math.pi * frequency / RATE
        made.extend(round(_AMPLITUDE * math.sin(turn * time)) for time in range(per_tone))
    return made


@cache
def _law_table(codec: Codec) -> bytes:
    encode = _mu_law if codec is Codec.MU_LAW else _a_law
    return bytes(encode(sample << 4) for sample in range(-2048, 2048))


def _mu_law(sample: int) -> int:
    """ITU-T G.711, from 16 bits."""
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), 32635) + 132
    exponent = magnitude.bit_length() - 8
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    return ~(sign | exponent << 4 | mantissa) & 0xFF


def _a_law(sample: int) -> int:
    """ITU-T G.711, from 16 bits."""
    sign = 0x80 if sample >= 0 else 0
    magnitude = min(abs(sample) >> 4 if sample >= 0 else (-sample - 1) >> 4, 0x7FF)
    coded = magnitude
    if magnitude >= 32:  # noqa: PLR2004 - below is the linear part of the curve
        exponent = magnitude.bit_length() - 4
        coded = (exponent << 4) | ((magnitude >> (exponent - 1)) & 0x0F)
    return (sign | coded) ^ 0x55
