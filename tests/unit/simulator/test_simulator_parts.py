"""The simulator's parts by themselves: options, numbering, faults, call log."""

from __future__ import annotations

import asyncio
import base64
import time
from datetime import timedelta

import orjson
import pytest

from simulator.clock import Clock
from simulator.faults import Fault, Faults, parse
from simulator.numbering import Directory, DnKind
from simulator.scenarios import SCENARIOS, find_scenario, parse_variants
from simulator.tokens import TokenOffice, bearer


def claims(token: str) -> dict[str, object]:
    part = token.split(".")[1]
    decoded: dict[str, object] = orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return decoded


def test_a_new_token_ends_the_previous_one() -> None:
    office = TokenOffice(client_id="a", client_secret="b", fqdn="pbx", now=lambda: 1000.0)
    first = office.issue(lifetime=timedelta(seconds=60), roles=["App"])
    second = office.issue(lifetime=timedelta(seconds=60), roles=["App"])
    assert not office.good(first.text)
    assert office.good(second.text)


def test_a_token_says_its_life_and_its_client_and_ends() -> None:
    now = 1000.0
    office = TokenOffice(client_id="a", client_secret="b", fqdn="pbx", now=lambda: now)
    token = office.issue(lifetime=timedelta(seconds=60), roles=["App", "Enterprise"]).text
    told = claims(token)
    assert (told["nbf"], told["exp"], told["unique_name"], told["aud"]) == (1000, 1060, "a", "/api")
    assert told["role"] == ["App", "Enterprise"]
    now = 1060.0
    assert not office.good(token)


@pytest.mark.parametrize(("header", "token"), [("Bearer x", "x"), ("bearer  x", "x"), ("Basic x", ""), ("", "")])
def test_the_bearer_is_read_from_the_header(header: str, token: str) -> None:
    assert bearer(header) == token


async def test_a_stopped_clock_makes_no_step_and_loses_no_time() -> None:
    clock = Clock()
    waiting = asyncio.create_task(clock.sleep(0.05))
    await asyncio.sleep(0)
    clock.pause()
    await asyncio.sleep(0.15)
    assert not waiting.done()
    clock.resume()
    began = time.monotonic()
    await asyncio.wait_for(waiting, 5)
    assert time.monotonic() - began < 2


def test_a_fault_with_a_fraction_strikes_sometimes() -> None:
    faults = Faults(seed=1)
    faults.switch_on(Fault.ERROR_500, fraction=0.5)
    struck = sum(faults.strikes(Fault.ERROR_500) for _ in range(200))
    assert 60 < struck < 140
    faults.switch_off(Fault.ERROR_500)
    assert not faults.strikes(Fault.ERROR_500)


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="drop-socket"):
        parse("drop")
    with pytest.raises(ValueError, match="incoming-answered"):
        find_scenario("incoming")
    with pytest.raises(ValueError, match="blind:returns"):
        parse_variants(["blind:sideways"])


def test_an_api_client_sees_extensions_queues_and_ivrs_but_no_ring_group() -> None:
    directory = Directory(extensions=3, client_id="crm")
    monitored = directory.default_monitored()
    assert {"800", "804", "820", "117", "202", "204", "1000", "1002"} <= monitored
    assert not monitored & {"840", "841", "666", "10007", "crm"}
    assert directory.kind("crm") is DnKind.ROUTE_POINT


def test_one_trunk_has_a_single_did_and_one_has_several() -> None:
    dids = {trunk.number: [did.number for did in trunk.dids] for trunk in Directory(extensions=0, client_id="c").trunks}
    assert dids["10007"] == ["420222000320"]
    assert len(dids["10008"]) > 1


def test_every_cast_is_made_of_numbers_that_exist() -> None:
    known = Directory(extensions=0, client_id="c").by_number
    for name, scenario in SCENARIOS.items():
        cast = scenario.cast
        numbers = {cast.trunk, cast.ivr, cast.queue, cast.group, cast.extension, cast.colleague, *cast.members}
        assert numbers <= known.keys(), name
