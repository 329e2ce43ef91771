"""Recordings: one file for each link of a call, in the PBX's list some time after the whole call is over.

A link is an extension that talked with an outside party. The sound is made when a file is fetched, or written to a
directory the way a PBX lays it out: `<extension>/[Name]_a-b_YYYYMMDDHHMMSS(callid).wav`. There a late file grows: half
of it is there at once.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo

from simulator.faults import Fault, Faults
from simulator.numbering import DnKind
from simulator.sound import MELODIES, Codec, wav
from simulator.wire import Row, utc_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from simulator.model import Conversation, Segment

_KEPT_RECORDINGS = 50_000
_MINIMUM_SECONDS = 1.0
_CODECS = (Codec.PCM,) * 6 + (Codec.STEREO, Codec.A_LAW, Codec.MU_LAW, Codec.GSM)
_DN_TYPES = {DnKind.EXTENSION: 0, DnKind.TRUNK: 13}
_NOT_WAV = b"<html><body>502 Bad Gateway</body></html>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One file. `file` is its place below the recordings folder, times are epoch seconds."""

    id: int
    file: str
    segment: Segment
    did: str
    started_at: float
    ended_at: float
    readable_at: float
    codec: Codec
    damage: Fault | None

    @property
    def name(self) -> str:
        return self.file.rpartition("/")[2]

    def sound(self) -> bytes:
        """The bytes of the file; takes milliseconds, and longer for the first of each melody and codec."""
        seconds = max(self.ended_at - self.started_at, _MINIMUM_SECONDS)
        made = wav(self.codec, melody=(self.segment.call.callid + self.id) % MELODIES, seconds=seconds)
        match self.damage:
            case Fault.EMPTY_RECORDING:
                return b""
            case Fault.TRUNCATED_RECORDING:
                return made[: len(made) // 2]
            case Fault.NOT_WAV_RECORDING:
                return _NOT_WAV
            case _:
                return made

    def row(self) -> Row:
        segment = self.segment
        outbound = segment.destination.outside
        return {
            "Id": self.id,
            "StartTime": utc_text(self.started_at),
            "EndTime": utc_text(self.ended_at),
            "FromDn": segment.source.dn,
            "ToDn": segment.destination.dn,
            "FromDnType": _DN_TYPES.get(segment.source.kind, 0),
            "ToDnType": _DN_TYPES.get(segment.destination.kind, 0),
            "FromCallerNumber": _number(segment, source=True),
            "ToCallerNumber": _number(segment, source=False),
            "FromDisplayName": segment.source.name,
            "ToDisplayName": segment.destination.name,
            "FromDidNumber": "" if outbound else self.did,
            "ToDidNumber": "",
            "FromCrmContact": "",
            "ToCrmContact": "",
            "FromIdParticipant": segment.record * 2,
            "ToIdParticipant": segment.record * 2 + 1,
            "CallType": "OutboundExternal" if outbound else "InboundExternal",
            "RecordingUrl": self.file,
            "ArchivedUrl": "",
            "IsArchived": False,
            "IsTranscribed": False,
            "CanBeTranscribed": False,
            "TranscriptionResult": 0,
            "Transcription": None,
            "Summary": None,
            "SentimentScore": None,
            "RefParticipantId": segment.record * 2 + (0 if outbound else 1),
        }


class Recordings:
    """The PBX's list of recordings, oldest first."""

    def __init__(
        self,
        faults: Faults,
        *,
        timezone: str,
        directory: Path | None,
        codec: str,
        seed: int,
        later: Callable[[float, Callable[[], None]], None],
    ) -> None:
        """`later` does something after so many seconds."""
        self.by_id: dict[int, Recording] = {}
        self.rows: list[Row] = []
        """In the order of their ids, which have no gaps."""
        self._ids = count(1)
        self._faults = faults
        self.zone = ZoneInfo(timezone)
        self._directory = directory
        self._codec = Codec(codec) if codec else None
        self._random = random.Random(seed)
        self._later = later

    def publish(self, conversation: Conversation, *, did: Callable[[str], str], now: float) -> None:
        """List what was recorded of a conversation that is over. `did` tells the DID of a trunk, if it has one."""
        if self._faults.on(Fault.QUOTA_REACHED) or self._faults.strikes(Fault.NO_RECORDING):
            return
        for segment in conversation.segments:
            extension = _extension(segment)
            if extension and segment.answered_at is not None and segment.ended_at is not None:
                trunk = segment.source.dn if segment.source.outside else ""
                for begin, end in self._parts(segment.answered_at, segment.ended_at):
                    made = self._make(segment, extension, begin=begin, end=end, did=did(trunk), now=now)
                    self.by_id[made.id] = made
                    self.rows.append(made.row())
                    segment.recording_ids.append(made.id)
                    self._store(made, lateness=made.readable_at - now)
        if len(self.rows) > _KEPT_RECORDINGS:
            self._forget_oldest()

    def readable(self, identity: int, now: float) -> Recording | None:
        """The recording, when its file is there."""
        recording = self.by_id.get(identity)
        return recording if recording is not None and recording.readable_at <= now else None

    def rows_after(self, identity: int) -> list[Row]:
        first = cast("int", self.rows[0]["Id"]) if self.rows else 1
        return self.rows[max(identity - first + 1, 0) :]

    def _forget_oldest(self) -> None:
        gone = self.rows[: _KEPT_RECORDINGS // 10]
        del self.rows[: len(gone)]
        for row in gone:
            del self.by_id[cast("int", row["Id"])]

    def _parts(self, begin: float, end: float) -> list[tuple[float, float]]:
        if self._faults.strikes(Fault.SPLIT_RECORDING):
            middle = (begin + end) / 2
            return [(begin, middle), (middle, end)]
        return [(begin, end)]

    def _make(self, segment: Segment, extension: str, *, begin: float, end: float, did: str, now: float) -> Recording:
        outside = segment.source if segment.source.outside else segment.destination
        pair = f"{outside.number}-{extension}" if segment.source.outside else f"{extension}-{outside.number}"
        taken = datetime.fromtimestamp(begin, self.zone).strftime("%Y%m%d%H%M%S")
        name = f"[{outside.name}]_{pair}_{taken}({segment.call.callid}).wav"
        if segment.recording_ids:  # the second file of one second would have the name of the first
            name = f"[{outside.name}]_{pair}_{int(taken) + 1}({segment.call.callid}).wav"
        damages = (Fault.EMPTY_RECORDING, Fault.TRUNCATED_RECORDING, Fault.NOT_WAV_RECORDING)
        return Recording(
            id=next(self._ids),
            file=f"{extension}/{name}",
            segment=segment,
            did=did,
            started_at=begin,
            ended_at=end,
            readable_at=now + self._faults.seconds(Fault.LATE_RECORDINGS),
            codec=self._codec or self._random.choice(_CODECS),
            damage=next((fault for fault in damages if self._faults.strikes(fault)), None),
        )

    def _store(self, recording: Recording, *, lateness: float) -> None:
        if self._directory is None:
            return
        path = self._directory / recording.file
        path.parent.mkdir(parents=True, exist_ok=True)
        sound = recording.sound()
        if not lateness:
            path.write_bytes(sound)
            return
        path.write_bytes(sound[: len(sound) // 2])
        self._later(lateness, lambda: _append(path, sound[len(sound) // 2 :]))


def _append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def _extension(segment: Segment) -> str:
    """The extension that talked with an outside party; empty for every other segment."""
    if segment.source.outside and segment.destination.kind is DnKind.EXTENSION:
        return segment.destination.dn
    if segment.destination.outside and segment.source.kind is DnKind.EXTENSION:
        return segment.source.dn
    return ""


def _number(segment: Segment, *, source: bool) -> str:
    party = segment.source if source else segment.destination
    return party.number if party.outside else f"Ext.{party.dn}"
