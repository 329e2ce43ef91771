"""`[storage]` and `[recorder]`: where MP3 files are kept, how they are made, and for how long they stay."""

from __future__ import annotations

import re
from datetime import time, timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, SecretStr

from switchhook.settings.addresses import RpcListen, Sink, WebBase
from switchhook.settings.durations import Duration, DurationOrZero
from switchhook.settings.section import Section
from switchhook.settings.sources import DirectionName

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_KEY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,23}")


def _storage_url(written: str) -> str:
    if written.startswith("s3://"):
        parts = urlsplit(written)
        if not _BUCKET.fullmatch(parts.netloc) or parts.query or parts.fragment or "//" in parts.path:
            raise ValueError('must be like "s3://bucket/prefix": the server and its keys stand elsewhere')
    elif written != "file:" and not written.startswith("file:///"):
        raise ValueError('must be "file:" (data_dir/recordings), "file:///path" or "s3://bucket/prefix"')
    return written


def _key_ids(keys: dict[str, Path]) -> dict[str, Path]:
    for key_id in keys:
        if not _KEY_ID.fullmatch(key_id):
            raise ValueError(f'"{key_id}" is no id of a key: letters, digits, ".", "-" and "_", at most 24')
    return keys


def _clock_time(written: object) -> object:
    if isinstance(written, time):
        return written
    try:
        return time.fromisoformat(written) if isinstance(written, str) else written
    except ValueError as error:
        raise ValueError('must be a time of day such as "03:00"') from error


class StorageSettings(Section):
    """Where MP3 files are kept: a folder, or a bucket of any S3-compatible server."""

    url: Annotated[str, AfterValidator(_storage_url)] = Field(
        default="file:", description="`file:` is `data_dir`/recordings; or `file:///path`, `s3://bucket/prefix`."
    )
    endpoint: WebBase | None = Field(
        default=None, description="Of S3: the server's address, for all but Amazon, such as `https://minio:9000`."
    )
    region: str | None = Field(default=None, min_length=1, description="Of S3; unset: `us-east-1`.")
    access_key: SecretStr | None = Field(
        default=None,
        description="Of S3; unset: `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, else the role of the machine.",
    )
    access_key_file: Path | None = Field(default=None, description="File that holds `access_key`.")
    secret_key: SecretStr | None = Field(default=None, description="Belongs to `access_key`.")
    secret_key_file: Path | None = Field(default=None, description="File that holds `secret_key`.")
    encryption_keys: Annotated[dict[str, Path], AfterValidator(_key_ids)] = Field(
        default={},
        description="Encrypts recordings at rest (AES-256-GCM): a file with 32 bytes, raw, in hex or base64, for each "
        "id. All of them decrypt; without its key a recording is unreadable for ever.",
    )
    encryption_key: str | None = Field(
        default=None, description="Id of the key that encrypts new recordings; needed when there are several."
    )

    @property
    def is_s3(self) -> bool:
        """True when recordings are in a bucket."""
        return self.url.startswith("s3:")

    @property
    def current_key(self) -> str | None:
        """Id of the key that encrypts; None without encryption."""
        return self.encryption_key or next(iter(self.encryption_keys), None)


class RecorderSettings(Section):
    """The service that fetches recordings and makes MP3 files of them."""

    listen: RpcListen = Field(default="127.0.0.1:50052", description="Where events are accepted (gRPC).")
    sinks: tuple[Sink, ...] = Field(
        default=(), description="Where recording events are published; empty: the dispatcher of this process."
    )
    source: Literal["xapi", "folder"] = Field(
        default="xapi", description="Where recordings come from: the PBX's REST interface, or its folder."
    )
    folder: Path | None = Field(
        default=None,
        description="Of `folder`: the PBX's folder of recordings, local or mounted; with several `[[pbx]]` the folder "
        "of such folders, each named like its PBX.",
    )
    bitrate: int = Field(default=32, ge=8, le=160, description="Of a mono MP3 in kbit/s; stereo gets twice that.")
    concurrency: int = Field(default=2, ge=1, le=64, description="Conversions under way at once.")
    min_length: DurationOrZero = Field(
        default=timedelta(milliseconds=500), description="A shorter recording is reported absent (`too_short`)."
    )
    announce_unmatched: bool = Field(
        default=False, description="Also tell of recordings that belong to no call that was seen; they are kept anyway."
    )
    verify_links: bool = Field(
        default=True,
        description="Fetch each MP3 through its public link before it is told; `false` where the recorder cannot reach "
        "`fileserver.public_url`.",
    )
    retention: Duration = Field(default=timedelta(days=90), description="How long an MP3 is kept and its link works.")
    retention_by_pbx: dict[str, Duration] = Field(
        default={}, description="Overrides `retention` for the PBXs of these names."
    )
    retention_by_direction: dict[DirectionName, Duration] = Field(
        default={}, description="Overrides both for calls of these directions."
    )
    retention_by_did: dict[str, Duration] = Field(
        default={}, description="Overrides all of them for calls that came in through these DIDs."
    )
    quota: ByteSize | None = Field(
        default=None,
        ge=1_000_000,
        description="Most that all MP3 files may take, such as `50GB`; above it the oldest are deleted.",
    )
    purge_at: Annotated[time, BeforeValidator(_clock_time)] = Field(
        default=time(3, 0),
        description="Time of day, by this machine's clock, at which expired MP3 files are deleted; one that was missed "
        "is made up for at the start.",
    )
    wait_for_recording: Duration = Field(
        default=timedelta(minutes=10), description="After this time without a recording, it is reported absent."
    )
    poll_interval: Duration = Field(
        default=timedelta(seconds=1), description="Between looks for new recordings while some are awaited."
    )
    ffmpeg: str | None = Field(
        default=None, description="Program that converts; unset: `ffmpeg` on the PATH, else the one that is bundled."
    )
