"""The admin port over real HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

from switchhook.errors import AddressUnavailable
from switchhook.runtime import AdminServer, Health

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
def health() -> Health:
    health = Health()
    health.service("monitor").ready()
    health.service("dispatcher")
    return health


@pytest.fixture
async def admin(health: Health) -> AsyncIterator[str]:
    registry = CollectorRegistry()
    Counter("switchhook_monitor_events", "Events.", registry=registry).inc(3)
    async with AdminServer("127.0.0.1:0", health, registry) as server:
        yield f"http://{server.address}"


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


async def get_json(url: str) -> tuple[int, object]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.json()


async def test_a_process_that_answers_is_alive(admin: str) -> None:
    assert await get(f"{admin}/livez") == (200, "live\n")


async def test_a_process_is_ready_once_all_its_services_are(admin: str, health: Health) -> None:
    monitor, unready = {"ready": True, "problems": {}}, {"ready": False, "problems": {}}
    assert await get_json(f"{admin}/readyz") == (
        503,
        {"ready": False, "services": {"monitor": monitor, "dispatcher": unready}},
    )
    health.service("dispatcher").ready()
    assert (await get(f"{admin}/readyz"))[0] == 200


async def test_one_service_can_be_asked_for(admin: str) -> None:
    assert (await get(f"{admin}/readyz?service=monitor"))[0] == 200
    assert (await get(f"{admin}/readyz?service=dispatcher"))[0] == 503
    assert (await get(f"{admin}/readyz?service=nobody"))[0] == 503


async def test_a_problem_is_told_and_does_not_make_a_service_unready(admin: str, health: Health) -> None:
    health.service("monitor").problem("pbx main", "cannot be reached: check url")
    _, answer = await get_json(f"{admin}/readyz?service=monitor")
    problems = {"pbx main": "cannot be reached: check url"}
    assert answer == {"ready": True, "services": {"monitor": {"ready": True, "problems": problems}}}
    health.service("monitor").solved("pbx main")
    health.service("monitor").solved("pbx main")
    assert "cannot be reached" not in (await get(f"{admin}/readyz"))[1]


async def test_the_registry_is_scraped(admin: str) -> None:
    status, text = await get(f"{admin}/metrics")
    assert status == 200
    assert "switchhook_monitor_events_total 3.0" in text


async def test_an_address_that_is_taken_is_an_error(admin: str, health: Health) -> None:
    with pytest.raises(AddressUnavailable, match=r"admin\.listen .*: cannot listen there"):
        async with AdminServer(admin.removeprefix("http://"), health, CollectorRegistry()):
            pass
