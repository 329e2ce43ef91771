"""The command line of a conversion, and what its exit means."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.recorder.ffmpeg import (
    Converted,
    Failure,
    NotConverted,
    classify_exit,
    is_silent,
    time_limit,
    transcode_argv,
)
from services.recorder.riff import Codec, Wav


def argv(channels: int = 1, bitrate: int = 32) -> list[str]:
    wav = Wav(codec=Codec.PCM, channels=channels, rate=8000, duration=timedelta(minutes=10))
    return list(transcode_argv("ffmpeg", "/fetched/a b.wav", "/store/.x.mp3.part", wav=wav, bitrate=bitrate))


def value(command: list[str], option: str) -> str:
    return command[command.index(option) + 1]


def test_one_file_in_and_one_out() -> None:
    command = argv()
    assert command[0] == "ffmpeg"
    assert value(command, "-i") == "file:/fetched/a b.wav"
    assert command[-1] == "file:/store/.x.mp3.part"
    assert "-nostdin" in command
    assert "-y" in command


@pytest.mark.parametrize(
    ("channels", "bitrate", "expected"),
    [(1, 32, ("32k", "1")), (2, 32, ("64k", "2")), (6, 32, ("64k", "2")), (2, 160, ("160k", "2"))],
)
def test_each_channel_gets_its_bitrate(channels: int, bitrate: int, expected: tuple[str, str]) -> None:
    command = argv(channels, bitrate)
    assert (value(command, "-b:a"), value(command, "-ac")) == expected


def test_processor_time_is_limited_too() -> None:
    assert value(argv(), "-timelimit") == "90"


def test_the_time_limit_follows_the_length() -> None:
    assert time_limit(timedelta()) == timedelta(seconds=30)
    assert time_limit(timedelta(hours=1)) == timedelta(minutes=6, seconds=30)


@pytest.mark.parametrize(
    ("code", "messages", "outcome"),
    [
        (0, "", Converted()),
        (0, "a warning", Converted()),
        (0, "[p @ 0x7f] [info] max_volume: -11.2 dB\n[out] [info] size= 40KiB", Converted(-11.2)),
        (0, "max_volume: -inf dB", Converted(float("-inf"))),
        (
            1,
            "[in] [error] it is broken\n[info] Conversion failed!\n",
            NotConverted(Failure.FAILED, "[in] [error] it is broken"),
        ),
        (-9, "", NotConverted(Failure.KILLED, "signal 9")),
        (183, "x.wav: Invalid data found when processing input\n", None),
        (1, "Error writing trailer: No space left on device\n", None),
        (1, "", NotConverted(Failure.FAILED, "exit code 1")),
        (1, "first\nlast\n", NotConverted(Failure.FAILED, "last")),
    ],
)
def test_exits(code: int, messages: str, outcome: Converted | NotConverted | None) -> None:
    classified = classify_exit(code, messages)
    if outcome is not None:
        assert classified == outcome
        return
    assert isinstance(classified, NotConverted)
    assert classified.failure is (Failure.NO_SPACE if "space" in messages else Failure.BAD_SOURCE)


@pytest.mark.parametrize(
    ("loudest", "expected"), [(None, False), (-11.2, False), (-60.0, False), (-72.2, True), (-91.0, True)]
)
def test_silence(loudest: float | None, expected: bool) -> None:
    assert is_silent(Converted(loudest)) is expected
