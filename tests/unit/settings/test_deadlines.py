"""Keys of the dispatcher's engine: deadlines, limits, and whom the operator's events go to."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from services.dispatcher.endpoints import Endpoint, EventClass
from switchhook.settings import masked
from tests.unit.settings.configuration import ENDPOINT, PBX, load, problems

if TYPE_CHECKING:
    from pathlib import Path

MINUTE = timedelta(minutes=1)


def deadlines(folder: Path, text: str) -> dict[EventClass, timedelta]:
    settings = load(folder, text)
    return dict(Endpoint.from_settings(settings.endpoint[0], settings.dispatcher).deadlines)


def test_what_is_of_the_moment_has_a_deadline_and_what_is_for_the_record_has_none(tmp_path: Path) -> None:
    assert deadlines(tmp_path, PBX + ENDPOINT) == {
        EventClass.RINGING: MINUTE,
        EventClass.DIALING: MINUTE,
        EventClass.RINGING_STOPPED: MINUTE,
        EventClass.STARTED: 10 * MINUTE,
    }


def test_an_endpoints_deadlines_override_the_dispatchers_event_by_event(tmp_path: Path) -> None:
    written = deadlines(
        tmp_path,
        PBX
        + ENDPOINT
        + 'deadlines = { ringing = "never", ended = "1d" }\n'
        + '[dispatcher]\ndeadlines = { ringing = "2m", started = "3m" }\n',
    )

    assert EventClass.RINGING not in written
    assert (written[EventClass.STARTED], written[EventClass.ENDED]) == (3 * MINUTE, timedelta(days=1))
    assert written[EventClass.DIALING] == MINUTE


def test_never_is_shown_as_it_is_written(tmp_path: Path) -> None:
    settings = load(tmp_path, PBX + ENDPOINT + 'deadlines = { ringing = "never" }\n')

    assert 'deadlines = { ringing = "never" }' in masked(settings)
    assert load(tmp_path, masked(settings).replace("********", "x" * 20)).endpoint[0].deadlines == {"ringing": None}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('deadlines = { ringing = "soon" }', "endpoint[0].deadlines.ringing: must be a duration in quotes"),
        ('deadlines = { ringing = "0s" }', "endpoint[0].deadlines.ringing: must be longer than 0s"),
        ('deadlines = { rinning = "1s" }', "endpoint[0].deadlines"),
        ("rate_limit = 0", "endpoint[0].rate_limit"),
        ("concurrency = 0", "endpoint[0].concurrency"),
        ('[dispatcher]\noperator_endpoint = "crn"', 'dispatcher.operator_endpoint: "crn" is an unknown endpoint'),
    ],
)
def test_what_makes_no_sense_is_said_with_its_path(tmp_path: Path, text: str, said: str) -> None:
    [problem] = problems(tmp_path, PBX + ENDPOINT + text + "\n")

    assert problem.startswith(said)


def test_the_operators_endpoint_is_one_of_the_endpoints(tmp_path: Path) -> None:
    settings = load(tmp_path, PBX + ENDPOINT + '[dispatcher]\noperator_endpoint = "crm"\n')

    assert settings.dispatcher.operator_endpoint == "crm"
