"""The sound of recordings: real files, of the right length, in every codec."""

from __future__ import annotations

import cmath
import subprocess
from array import array
from typing import TYPE_CHECKING

import imageio_ffmpeg
import pytest

from simulator.sound import MELODIES, RATE, Codec, wav

if TYPE_CHECKING:
    from pathlib import Path


def decoded(path: Path) -> array[int]:
    """What ffmpeg hears: 16-bit samples, mono, 8 kHz. ffmpeg fails on anything that is not sound."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-xerror", "-i", str(path)]
    command += ["-f", "s16le", "-ac", "1", "-ar", str(RATE), "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stderr == b""
    samples = array("h")
    samples.frombytes(done.stdout)
    return samples


@pytest.mark.parametrize("codec", list(Codec))
@pytest.mark.parametrize("seconds", [1.0, 12.34])
def test_ffmpeg_decodes_every_codec_to_sound_of_the_right_length(codec: Codec, seconds: float, tmp_path: Path) -> None:
    path = tmp_path / "recording.wav"
    path.write_bytes(wav(codec, melody=2, seconds=seconds))
    samples = decoded(path)
    assert len(samples) / RATE == pytest.approx(seconds, abs=0.045)
    assert max(samples) > 3000
    loud = [max(abs(sample) for sample in samples[at : at + 800]) for at in range(0, len(samples) - 800, 800)]
    assert min(loud) > 1000, "some tenth of a second is silent"


@pytest.mark.parametrize("codec", [Codec.A_LAW, Codec.MU_LAW])
def test_companded_sound_is_close_to_the_plain_one(codec: Codec, tmp_path: Path) -> None:
    plain, companded = tmp_path / "plain.wav", tmp_path / "companded.wav"
    plain.write_bytes(wav(Codec.PCM, melody=1, seconds=1.0))
    companded.write_bytes(wav(codec, melody=1, seconds=1.0))
    pairs = zip(decoded(plain), decoded(companded), strict=True)
    assert max(abs(left - right) for left, right in pairs) < 600


def test_melodies_differ() -> None:
    assert len({wav(Codec.PCM, melody=melody, seconds=3.0) for melody in range(MELODIES)}) == MELODIES


def test_a_gsm_file_sounds_like_the_melody(tmp_path: Path) -> None:
    """The pitch of a tone survives: as many turns through zero, within a few."""
    plain, small = tmp_path / "plain.wav", tmp_path / "small.wav"
    plain.write_bytes(wav(Codec.PCM, melody=0, seconds=0.24))
    small.write_bytes(wav(Codec.GSM, melody=0, seconds=0.24))
    assert small.stat().st_size < plain.stat().st_size / 5

    def strength(samples: array[int], frequency: float) -> float:
        turn = -2j * cmath.pi * frequency / RATE
        return abs(sum(sample * cmath.exp(turn * place) for place, sample in enumerate(samples)))

    heard = decoded(small)
    assert strength(heard, 262) > 5 * strength(heard, 440)
