"""Which calls a revocation by time covers, on the days when clocks are changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.fileserver.revocations import arrivals
from services.fileserver.revoked import Revoked, new_revocation
from switchhook.runtime.health import ServiceHealth
from switchhook.settings import PbxSettings

PRAGUE = {"main": ZoneInfo("Europe/Prague")}


@pytest.mark.parametrize(
    ("call", "moments"),
    [
        ("260514140000_46", ["2026-05-14T12:00Z"]),
        ("261025023000_46", ["2026-10-25T00:30Z", "2026-10-25T01:30Z"]),  # an hour that comes twice
        ("261399023000_46", []),
    ],
)
def test_when_a_call_arrived(call: str, moments: list[str]) -> None:
    assert arrivals(call, "main", PRAGUE) == {datetime.fromisoformat(moment) for moment in moments}


class Nothing:
    """A register that is not asked."""


@pytest.mark.parametrize(("since", "until"), [("01:15", "02:00"), ("00:15", "01:00"), ("00:15", None)])
def test_what_may_have_been_in_time_is_revoked(since: str, until: str | None) -> None:
    day = datetime(2026, 10, 25, tzinfo=UTC)
    pbx = PbxSettings(name="main", url="http://127.0.0.1:9", client_id="x", timezone="Europe/Prague")
    revoked = Revoked(Nothing(), [pbx], health=ServiceHealth())  # type: ignore[arg-type]  # nobody asks it
    revoked._all = [
        new_revocation(made_at=day, recipient="", pbx="", call="", since=_at(day, since), until=_at(day, until))
    ]
    assert revoked.covers(pbx="main", recipient="crm", call="261025023000_46")
    assert not revoked.covers(pbx="main", recipient="crm", call="261024023000_46")


def _at(day: datetime, written: str | None) -> datetime | None:
    if written is None:
        return None
    hours, minutes = written.split(":")
    return day + timedelta(hours=int(hours), minutes=int(minutes))
