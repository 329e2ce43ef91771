"""What phone systems really do, each on a PBX of its own at the same time: the webhooks must come, and nothing else."""

from __future__ import annotations

import asyncio

import pytest

from tests.acceptance.realities import ENVIRON, IDLE_SECONDS, LINES, REALITIES
from tests.acceptance.scene import Performed, Reality, perform

_FURTHER = {
    *("socket_lost_at_the_beginning", "socket_lost_at_the_end", "socket_lost_during_transfer"),
    *("socket_lost_again_and_again", "gone_when_read_missed", "hidden_routing_blind"),
}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def performed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Performed:
    """All realities, played at once."""
    folder = tmp_path_factory.mktemp("realities")
    database = "sqlite:" if request.param == "sqlite" else request.getfixturevalue("cluster").url()
    quiet = IDLE_SECONDS + 1
    return asyncio.run(perform(REALITIES, folder, quiet=quiet, database=database, environ=ENVIRON))


def test_every_known_habit_of_phone_systems_is_played_and_nothing_is_played_for_no_reason() -> None:
    played = {reality.name for reality in REALITIES}
    shown = {name for names in LINES.values() for name in names}
    assert shown - played == set()
    assert played - shown - _FURTHER == set()


@pytest.mark.parametrize("reality", REALITIES, ids=lambda reality: reality.name)
@pytest.mark.timeout(180)
def test_the_webhooks_are_those_of_the_calls(reality: Reality, performed: Performed) -> None:
    differences = performed.scenes[reality.name].differences()
    assert not differences, "\n".join(differences)


@pytest.mark.timeout(180)
def test_a_leg_of_an_unknown_kind_is_counted(performed: Performed) -> None:
    assert performed.counted('switchhook_monitor_frames_total{kind="unknown",pbx="unknown_kind"}') == 1
    assert performed.counted('switchhook_monitor_frames_total{kind="unknown",pbx="attached_participant"}') == 0


@pytest.mark.timeout(180)
def test_nothing_of_it_is_an_error(performed: Performed) -> None:
    assert not [one for one in performed.log if one["level"] in ("error", "critical") or "traceback" in one]
