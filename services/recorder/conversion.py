"""From one row of the PBX's list to one MP3 in the store: fetch, judge, transcode, check, keep.

Nothing is remembered between two tries, and a second try replaces what the first one left. Whatever is wrong with the
recording itself is a value; a PBX, a disk or a storage that fails raises.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.recorder.ffmpeg import LEVELS, Failure, NotConverted, is_silent, time_limit, transcode_argv
from services.recorder.jobs import Reason
from services.recorder.riff import HEAD_SIZE, Defect, Wav, inspect
from services.recorder.source import NotFetched
from services.recorder.store import Draft, WrongDuration
from services.recorder.waveform import waveform
from switchhook.links import RecordingName
from switchhook.telemetry.traceparent import trace_id_of
from switchhook.telemetry.tracing import OFF

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import timedelta
    from pathlib import Path

    from prometheus_client import Histogram

    from services.recorder.matching import AwaitedLink
    from services.recorder.metrics import RecorderMetrics
    from services.recorder.rows import RecordingRow
    from services.recorder.source import RecordingSource
    from services.recorder.store import Store
    from services.recorder.transcoder import Transcoder
    from switchhook.events import RecordingFile
    from switchhook.telemetry.tracing import Tracing

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Defective:
    """No MP3 came of it."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What conversions share; `bitrate` in kbit/s for one channel. Shorter than `min_length` is no recording."""

    work_dir: Path
    program: str
    bitrate: int
    min_length: timedelta
    transcoder: Transcoder
    store: Store
    metrics: RecorderMetrics
    tracing: Tracing = OFF


async def convert(
    source: RecordingSource, row: RecordingRow, link: AwaitedLink, *, index: int, workshop: Workshop
) -> RecordingFile | Defective:
    """The link's `index`-th file. Raises `PbxError`, `ObjectsError`, `StorageError`, or OSError for a full disk."""
    name = RecordingName(link.key.call_id, link.key.link, index)
    raw = workshop.work_dir / f"{link.key.pbx}-{name}.wav"
    draft = workshop.work_dir / f"{link.key.pbx}-{name}"
    levels = draft.with_name(f"{draft.name}{LEVELS}")
    steps = _Steps(workshop, link)
    try:
        with steps.step("download", workshop.metrics.download_seconds):
            fetched = await source.download(row, raw)
        if isinstance(fetched, NotFetched):
            return Defective(fetched.reason, fetched.detail)
        wav = await asyncio.to_thread(_inspected, raw)
        if isinstance(wav, Defect):
            return Defective(Reason(wav.value), "the file that the PBX has")
        if wav.duration < workshop.min_length:
            return Defective(Reason.TOO_SHORT, f"{wav.duration.total_seconds():.3f} s")
        with steps.step("transcode", workshop.metrics.transcode_seconds):
            refused = await _transcode(raw, draft, wav, workshop)
        if refused is not None:
            return refused
        shape = await asyncio.to_thread(_waveform, levels)
        with steps.step("store", workshop.metrics.store_seconds):
            kept = await workshop.store.keep(Draft(draft, wav.duration, shape), link, name)
        if isinstance(kept, WrongDuration):
            return Defective(Reason.WRONG_DURATION, kept.detail)
        _log(kept, link, name, {"codec": wav.codec.value, **steps.durations})
        return kept
    finally:
        for left in (raw, draft, levels):
            with suppress(OSError):
                left.unlink(missing_ok=True)


class _Steps:
    """Measures the steps of one conversion, each of which is a span of the link's trace; `durations` in ms."""

    def __init__(self, workshop: Workshop, link: AwaitedLink) -> None:
        self._tracing = workshop.tracing
        self._parent = link.traceparent
        self.durations: dict[str, float] = {}

    @contextmanager
    def step(self, name: str, metric: Histogram) -> Iterator[None]:
        began = time.monotonic()
        try:
            with self._tracing.span(f"recording.{name}", parent=self._parent):
                yield
        finally:
            took = time.monotonic() - began
            metric.observe(took)
            self.durations[f"{name}_ms"] = round(took * 1000, 1)


async def _transcode(raw: Path, draft: Path, wav: Wav, workshop: Workshop) -> Defective | None:
    argv = transcode_argv(workshop.program, str(raw), str(draft), wav=wav, bitrate=workshop.bitrate)
    running_since = time.monotonic()

    def begun() -> None:
        nonlocal running_since
        running_since = time.monotonic()

    outcome = await workshop.transcoder.run(argv, limit=time_limit(wav.duration), begun=begun)
    if isinstance(outcome, NotConverted):
        if outcome.failure is Failure.NO_SPACE:
            raise OSError(errno.ENOSPC, outcome.detail)
        return Defective(Reason(outcome.failure.value), outcome.detail)
    took = max(time.monotonic() - running_since, 1e-6)
    workshop.metrics.speed.observe(wav.duration.total_seconds() / took)
    return Defective(Reason.SILENT, f"at most {outcome.loudest} dB") if is_silent(outcome) else None


def _log(kept: RecordingFile, link: AwaitedLink, name: RecordingName, facts: Mapping[str, object]) -> None:
    log.info(
        "recording.transcoded",
        extra={
            "pbx": link.key.pbx,
            "call_id": link.key.call_id,
            "recording": str(name),
            "channels": kept.channels,
            "length_seconds": round(kept.duration.total_seconds(), 3),
            "size": kept.size,
            "trace_id": trace_id_of(link.traceparent),
            **facts,
        },
    )


def _inspected(raw: Path) -> Wav | Defect:
    with raw.open("rb") as file:
        head = file.read(HEAD_SIZE)
    return inspect(head, raw.stat().st_size)


def _waveform(levels: Path) -> bytes:
    """What the player page shows; without it, it shows a bar."""
    try:
        with levels.open(encoding="ascii", errors="replace") as lines:
            return waveform(line.rstrip("\n") for line in lines)
    except OSError:
        return b""
