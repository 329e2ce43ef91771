"""How long the addresses of recordings work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from services.dispatcher.addresses import FOR_EVER, file_addresses
from switchhook.links import recording_path
from switchhook.settings import FileserverSettings, PbxSettings, Settings

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 5, 14, 12, 0, tzinfo=UTC)
PATH = recording_path("260514140000_46", 1, 1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("ttl", "kept_until", "works_until"),
    [
        (None, NOW + DAY, NOW + DAY),
        (None, None, FOR_EVER),
        (HOUR, NOW + DAY, NOW + HOUR),
        (HOUR, None, NOW + HOUR),
        (DAY, NOW + HOUR, NOW + HOUR),
    ],
)
def test_a_link_lives_as_long_as_its_recording_or_its_own_time(
    tmp_path: Path, ttl: timedelta | None, kept_until: datetime | None, works_until: datetime
) -> None:
    settings = Settings(data_dir=tmp_path, fileserver=FileserverSettings(link_ttl=ttl))
    made = file_addresses(settings, clock=lambda: NOW)(PATH, pbx="main", recipient="crm", expires_at=kept_until)
    assert parse_qs(urlsplit(made).query)["exp"] == [str(int(works_until.timestamp()))]


@pytest.mark.parametrize(("pbxs", "query"), [(["main"], ""), (["main", "branch"], "pbx=branch")])
def test_an_open_link_names_its_pbx_where_there_are_several(tmp_path: Path, pbxs: list[str], query: str) -> None:
    secret = SecretStr("secret")
    pbx = tuple(
        PbxSettings(name=name, url="https://pbx", client_id="switchhook", client_secret=secret) for name in pbxs
    )
    settings = Settings(data_dir=tmp_path, fileserver=FileserverSettings(links="open"), pbx=pbx)
    made = file_addresses(settings)(PATH, pbx=pbxs[-1], recipient="crm", expires_at=None)
    assert (urlsplit(made).path, urlsplit(made).query) == (PATH, query)
