"""What is sound, how long it is, and what is none."""

from __future__ import annotations

import struct
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recorder.riff import HEAD_SIZE, Codec, Defect, Wav, inspect, is_complete


def wav(
    sound: int = 16_000,
    *,
    tag: int = 1,
    channels: int = 1,
    block: int = 2,
    declared: int | None = None,
    extra: bytes = b"",
    before: bytes = b"",
) -> bytes:
    """A file with `sound` bytes of silence at 8 kHz."""
    layout = struct.pack("<HHIIHH", tag, channels, 8000, 8000 * block, block, 16) + extra
    size = sound if declared is None else declared
    chunks = before + b"fmt " + struct.pack("<I", len(layout)) + layout + b"data" + struct.pack("<I", size)
    return b"RIFF" + struct.pack("<I", 4 + len(chunks) + sound) + b"WAVE" + chunks + bytes(sound)


def judged(content: bytes) -> Wav | Defect:
    return inspect(content[:HEAD_SIZE], len(content))


@pytest.mark.parametrize(
    ("content", "codec", "channels", "seconds"),
    [
        (wav(16_000), Codec.PCM, 1, 1.0),
        (wav(32_000, channels=2, block=4), Codec.PCM, 2, 1.0),
        (wav(8_000, tag=6, block=1), Codec.A_LAW, 1, 1.0),
        (wav(8_000, tag=7, block=1), Codec.MU_LAW, 1, 1.0),
        (wav(65 * 25, tag=49, block=65, extra=struct.pack("<HH", 2, 320)), Codec.GSM, 1, 1.0),
        (wav(65 * 25, tag=49, block=65), Codec.GSM, 1, 1.0),
        (wav(16_000, tag=0xFFFE, extra=struct.pack("<HHIH", 22, 16, 4, 1)), Codec.PCM, 1, 1.0),
        (wav(16_000, tag=2), Codec.OTHER, 1, 1.0),
    ],
)
def test_formats(content: bytes, codec: Codec, channels: int, seconds: float) -> None:
    assert judged(content) == Wav(codec=codec, channels=channels, rate=8000, duration=timedelta(seconds=seconds))


@pytest.mark.parametrize("declared", [0, 0xFFFF_FFFF])
def test_a_length_that_the_recorder_never_filled_in_is_the_real_one(declared: int) -> None:
    sound = judged(wav(16_000, declared=declared))
    assert isinstance(sound, Wav)
    assert sound.duration == timedelta(seconds=1)


def test_what_follows_the_sound_is_not_sound() -> None:
    sound = judged(wav(16_000) + b"LIST" + struct.pack("<I", 4000) + bytes(4000))
    assert isinstance(sound, Wav)
    assert sound.duration == timedelta(seconds=1)


def test_chunks_before_the_sound_are_skipped() -> None:
    assert isinstance(judged(wav(before=b"LIST" + struct.pack("<I", 5) + b"abcde\0")), Wav)


@pytest.mark.parametrize(
    ("content", "defect"),
    [
        (b"", Defect.EMPTY),
        (b"<html>502</html>", Defect.NOT_WAV),
        (b"RIFF", Defect.NOT_WAV),
        (b"RIFF\0\0\0\0AVI ", Defect.NOT_WAV),
        (wav()[:12], Defect.HEADER_ONLY),
        (wav()[:30], Defect.HEADER_ONLY),
        (wav(0), Defect.HEADER_ONLY),
        (wav(0, declared=16_000), Defect.HEADER_ONLY),
        (wav(8_000, declared=16_000), Defect.TRUNCATED),
        (b"RIFF\0\0\0\0WAVEdata\x10\0\0\0" + bytes(16), Defect.NOT_WAV),
        (b"RIFF\0\0\0\0WAVEfmt \x04\0\0\0" + bytes(4) + b"data\x10\0\0\0" + bytes(16), Defect.NOT_WAV),
        (wav(channels=0), Defect.NOT_WAV),
    ],
)
def test_defects(content: bytes, defect: Defect) -> None:
    assert judged(content) is defect


def test_a_length_that_nobody_ever_talked_is_none() -> None:
    layout = struct.pack("<HHIIHHHH", 49, 1, 1, 1, 1, 0, 2, 65_535)  # one sample a second, 65,535 of them in a byte
    head = b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", len(layout)) + layout + b"data\0\0\0\0"
    assert inspect(head, len(head) + 1_000_000) is Defect.NOT_WAV


def test_a_few_missing_bytes_do_not_make_a_recording_bad() -> None:
    sound = judged(wav(15_990, declared=16_000))
    assert isinstance(sound, Wav)
    assert sound.duration < timedelta(seconds=1)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (wav(16_000), True),
        (wav(16_000) + b"LIST" + struct.pack("<I", 4) + bytes(4), True),
        (wav(15_000, declared=16_000), False),
        (wav(15_999, declared=16_000), False),
        (wav(16_000, declared=0), False),
        (wav(16_000, declared=0xFFFF_FFFF), False),
        (wav(0), False),
        (b"<html>", False),
        (wav(16_000, before=b"LIST" + struct.pack("<I", 8) + b"data\xff\xff\xff\x7f"), True),
    ],
)
def test_a_file_is_complete_when_its_header_says_so_and_the_sound_is_there(content: bytes, expected: bool) -> None:
    assert is_complete(content[:HEAD_SIZE], len(content)) is expected


@given(content=st.binary(max_size=200))
def test_any_bytes_are_judged(content: bytes) -> None:
    for whole in (content, b"RIFF\0\0\0\0WAVE" + content, b"RIFF\0\0\0\0WAVEfmt " + content):
        assert isinstance(judged(whole), Wav | Defect)


@given(cut=st.integers(min_value=0, max_value=16_043))
def test_a_file_cut_anywhere_is_never_taken_for_a_longer_one(cut: int) -> None:
    whole = wav(16_000)
    sound = judged(whole[:cut])
    if isinstance(sound, Wav):
        assert sound.duration <= timedelta(seconds=(cut - 44) / 16_000)
