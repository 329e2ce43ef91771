"""The source that is configured for a PBX: its REST interface, or its folder of recordings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, assert_never

from services.recorder.folder_source import FolderSource
from services.recorder.xapi_source import XapiSource
from switchhook.errors import ConfigError
from switchhook.pbx import PbxSession
from switchhook.pbx.token_file import token_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AsyncExitStack
    from pathlib import Path

    from pydantic import SecretStr

    from services.recorder.source import RecordingSource
    from switchhook.pbx import TokenPlace
    from switchhook.runtime.clock import Clock
    from switchhook.settings import PbxSettings, Settings

_UNCHANGED = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiClient:
    """The API client that the recorder uses for a PBX: one of its own, or the monitor's.

    `token_file` is where its one live token is shared.
    """

    name: str
    url: str
    client_id: str
    client_secret: SecretStr
    ca_file: Path | None
    token_file: Path

    @classmethod
    def from_settings(cls, pbx: PbxSettings, data_dir: Path) -> ApiClient:
        """The client for this PBX."""
        has_own = bool(pbx.recorder_client_id)
        # A client of our own has a token of its own; the monitor's is shared with it through one file.
        return cls(
            name=pbx.name,
            url=pbx.url,
            client_id=pbx.recorder_client_id or pbx.client_id,
            client_secret=pbx.recorder_client_secret if has_own else pbx.client_secret,
            ca_file=pbx.ca_file,
            token_file=token_path(data_dir, f"{pbx.name}-recorder" if has_own else pbx.name),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharing:
    """How several recorders share tokens: `demand` raises when nothing may be asked of a PBX any more.

    `place` gives where the token of the recorders' own API client stands, by the PBX's name.
    """

    place: Callable[[str], TokenPlace] | None
    demand: Callable[[], None]


async def open_source(
    stack: AsyncExitStack, pbx: PbxSettings, settings: Settings, *, sharing: Sharing, clock: Clock
) -> Callable[[], RecordingSource]:
    """Makes views of the source, each with a memory of its own, that work as long as the stack. Raises ConfigError."""
    section = settings.recorder
    match section.source:
        case "xapi":
            client = ApiClient.from_settings(pbx, settings.data_dir)
            place: Path | TokenPlace = client.token_file
            if pbx.recorder_client_id and sharing.place is not None:
                place = sharing.place(pbx.name)
            session = PbxSession(client, token_file=place, now=clock, demand=sharing.demand)
            await stack.enter_async_context(session)
            return lambda: XapiSource(session)
        case "folder":
            folder = folder_of(pbx, settings)
            # Well before its recording is called absent, what is wrong with a file is to be known.
            patience = min(_UNCHANGED, section.wait_for_recording / 2)
            return lambda: FolderSource(folder, pbx=pbx.name, timezone=pbx.timezone, patience=patience)
        case _:
            assert_never(section.source)


def folder_of(pbx: PbxSettings, settings: Settings) -> Path:
    """Where a PBX's recordings are with the source `folder`. Raises ConfigError."""
    folder = settings.recorder.folder
    if folder is None:
        raise ConfigError(["recorder.folder: is missing"])
    return folder if len(settings.pbx) == 1 else folder / pbx.name
