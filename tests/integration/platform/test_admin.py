"""The admin port over real HTTP."""

from __future__ import annotations

import asyncio
import gzip
import re
import resource
from typing import TYPE_CHECKING

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter

from switchhook.errors import AddressUnavailable, AdminRefused, StorageBroken
from switchhook.runtime import AdminServer, Health
from switchhook.runtime.api import json_response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MEGABYTE = 1024 * 1024


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


TOKEN = "a-token-of-an-operator"


async def well(_request: web.Request) -> web.Response:
    return json_response({"well": True})


async def refuse(_request: web.Request) -> web.Response:
    raise AdminRefused(409, "busy", "something: is busy")


async def lose_database(_request: web.Request) -> web.Response:
    raise StorageBroken("no disk")


async def echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


async def break_down(_request: web.Request) -> web.Response:
    raise RuntimeError("nobody foresaw this")


ROUTES = [
    web.get("/api/v1/well", well),
    web.get("/api/v1/refuse", refuse),
    web.get("/api/v1/storage", lose_database),
    web.get("/api/v1/broken", break_down),
    web.post("/api/v1/echo", echo),
]


async def ask(url: str, authorization: str | None = None) -> tuple[int, dict[str, object]]:
    headers = {} if authorization is None else {"Authorization": authorization}
    async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as response:
        if response.status == 401:
            assert response.headers["WWW-Authenticate"].startswith("Bearer")
        return response.status, await response.json()


async def test_without_a_token_the_api_is_off_and_says_how_to_switch_it_on(health: Health) -> None:
    async with AdminServer("127.0.0.1:0", health, CollectorRegistry(), routes=ROUTES) as server:
        status, answer = await ask(f"http://{server.address}/api/v1/well", f"Bearer {TOKEN}")
        assert (status, answer["error"]) == (403, "api_off")
        assert "admin.token_file" in str(answer["message"])
        assert await get(f"http://{server.address}/livez") == (200, "live\n")


async def test_the_api_wants_the_token_and_health_does_not(health: Health) -> None:
    async with AdminServer("127.0.0.1:0", health, CollectorRegistry(), routes=ROUTES, token=TOKEN) as server:
        url = f"http://{server.address}/api/v1/well"
        for wrong in (None, "", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer ü"):
            status, answer = await ask(url, wrong)
            assert (status, answer["error"]) == (401, "unauthorised")
        assert await ask(url, f"bearer {TOKEN}") == (200, {"well": True})
        assert (await get(f"http://{server.address}/metrics"))[0] == 200
        # Whoever does not know the token does not learn which addresses there are either.
        assert (await ask(f"http://{server.address}/api/v1/nothing"))[0] == 401


async def test_whatever_goes_wrong_is_told_as_json(health: Health) -> None:
    async with AdminServer("127.0.0.1:0", health, CollectorRegistry(), routes=ROUTES, token=TOKEN) as server:
        url, token = f"http://{server.address}/api/v1", f"Bearer {TOKEN}"
        assert await ask(f"{url}/refuse", token) == (409, {"error": "busy", "message": "something: is busy"})
        assert (await ask(f"{url}/nothing", token))[1]["error"] == "not_found"
        assert (await ask(f"{url}/storage", token))[0] == 503
        status, answer = await ask(f"{url}/broken", token)
        assert (status, answer["error"]) == (500, "internal")
        assert "nobody foresaw" not in str(answer)


async def test_a_token_that_is_no_text_is_a_wrong_token(health: Health) -> None:
    async with AdminServer("127.0.0.1:0", health, CollectorRegistry(), routes=ROUTES, token=TOKEN) as server:
        assert (await raw(server, b"GET /api/v1/well HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\n\r\n"))[
            0
        ] == 401


@pytest.mark.parametrize(
    "path", [b"//api/v1/well", b"/%61pi/v1/well", b"/api/v1/../v1/well", b"http://x/api/v1/well", b"/api%2Fv1/well"]
)
async def test_no_spelling_of_an_address_goes_past_the_token(health: Health, path: bytes) -> None:
    async with AdminServer("127.0.0.1:0", health, CollectorRegistry(), routes=ROUTES, token=TOKEN) as server:
        status, answer = await raw(server, b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert status in {400, 401, 404}
        assert b'well"' not in answer


async def test_huge_bodies_are_refused_and_not_kept(health: Health) -> None:
    async with AdminServer("127.0.0.1:0", health, CollectorRegistry(), routes=ROUTES, token=TOKEN) as server:
        bomb = gzip.compress(bytes(200 * MEGABYTE), compresslevel=9)
        for authorization, body, packed, status in (
            (b"", b"x" * 8 * MEGABYTE, b"", 401),
            (b"Authorization: Bearer " + TOKEN.encode() + b"\r\n", b"x" * 8 * MEGABYTE, b"", 413),
            (b"Authorization: Bearer " + TOKEN.encode() + b"\r\n", bomb, b"Content-Encoding: gzip\r\n", 413),
        ):
            head = b"POST /api/v1/echo HTTP/1.1\r\nHost: x\r\n%b%bContent-Length: %d\r\n\r\n"
            before = peak_megabytes()
            assert (await raw(server, head % (authorization, packed, len(body)) + body))[0] == status
            assert peak_megabytes() - before < 60


async def raw(server: AdminServer, request: bytes) -> tuple[int, bytes]:
    """The status and all bytes of the answer to these bytes."""
    host, _, port = server.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    length = re.search(rb"content-length: (\d+)", head.lower())
    body = await reader.readexactly(int(length[1]) if length else 0)
    writer.close()
    return int(head.split()[1]), head + body


def peak_megabytes() -> int:
    """The most memory that this process had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


@pytest.mark.parametrize(
    "sent",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: hunter2\r\n\r\n",
        b"GET / HTTP/1.1\r\nAuthorization: " + b"hunter2" * 4096 + b"\r\n\r\n",
    ],
    ids=["HTTP/2", "TLS", "a wrong length", "a header that is too long"],
)
async def test_what_is_no_request_is_refused_and_no_error_of_ours(
    admin: str, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    host, _, port = admin.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    assert (await asyncio.wait_for(reader.readline(), 10)).split()[1] == b"400"
    writer.close()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
    assert "hunter2" not in caplog.text


def test_a_route_that_the_token_does_not_guard_is_refused(health: Health) -> None:
    with pytest.raises(ValueError, match="must begin with /api/"):
        AdminServer("127.0.0.1:0", health, CollectorRegistry(), routes=[web.get("/deliveries", well)])
