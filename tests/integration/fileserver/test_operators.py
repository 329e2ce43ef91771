"""What an operator can do: take links back, see who listened, change keys; and what happens when the database fails."""

from __future__ import annotations

import asyncio
import signal
import uuid
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from services.fileserver.openapi import DESCRIBED
from services.fileserver.service import Fileserver, Limits
from switchhook.runtime.admin import AdminServer
from switchhook.runtime.health import Health
from switchhook.settings import DatabaseSettings
from tests.cluster import Cluster
from tests.deadline import eventually
from tests.described import validate
from tests.integration.fileserver.conftest import AUDIO, PATH, Library
from tests.integration.fileserver.wire import fetch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

CALL = "260514140000_46"
TOKEN = "a token of sixteen or more"


class Office:
    """A fileserver with its admin port."""

    def __init__(self, server: Fileserver, api: str) -> None:
        self.port = int(server.address.rpartition(":")[2])
        self._api = api

    async def ask(self, method: str, path: str, **body: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.request(method, f"{self._api}/api/v1{path}", json=body or None) as response,
        ):
            return response.status, await response.json()

    async def listens(self, query: str = "") -> list[dict[str, Any]]:
        _, answer = await self.ask("GET", f"/listens{query}")
        found: list[dict[str, Any]] = answer["listens"]
        return found


@asynccontextmanager
async def open_office(library: Library, *, database: str = "sqlite:", **section: Any) -> AsyncIterator[Office]:
    settings = library.settings(**section).model_copy(update={"database": DatabaseSettings(url=database)})
    health = Health()
    server = Fileserver.from_settings(settings, registry=CollectorRegistry(), clock=lambda: library.now)
    running = asyncio.create_task(server.run(health.service("fileserver")))
    admin = AdminServer("127.0.0.1:0", health, CollectorRegistry(), routes=server.admin_routes, token=TOKEN)
    async with admin:
        try:
            await eventually(lambda: running.done() or health.report()["fileserver"].ready)
            yield Office(server, f"http://{admin.address}")
        finally:
            running.cancel()
            await asyncio.wait([running])


@pytest.mark.parametrize(
    "named",
    [
        {"recipient": "crm"},
        {"call": CALL},
        {"pbx": "main"},
        {"recipient": "crm", "call": CALL, "pbx": "main"},
        {"since": "2026-05-14T12:00:00Z"},  # the call's id has the PBX's local time: 14:00 in Prague
        {"until": "2026-05-14T12:00:01Z", "since": "24h"},
    ],
)
async def test_a_revoked_link_does_not_work_until_it_is_restored(library: Library, named: dict[str, str]) -> None:
    async with open_office(library) as office:
        status, made = await office.ask("POST", "/links/revocations", **named)
        revoked = await fetch(office.port, library.link())
        page = await fetch(office.port, library.link(), Accept="text/html")
        _, listed = await office.ask("GET", "/links/revocations")
        taken_back = await office.ask("DELETE", f"/links/revocations/{made['id']}")
        restored = await fetch(office.port, library.link())
    assert (status, revoked.status, revoked.error) == (200, 403, "revoked")
    assert b"has been revoked" in page.body
    assert listed["revocations"] == [made]
    assert taken_back == (200, {"restored": made["id"]})
    assert restored.status == 200


@pytest.mark.parametrize(
    "named",
    [
        {"recipient": "desk"},
        {"call": "260514140000_47"},
        {"pbx": "branch"},
        {"recipient": "desk", "call": CALL},
        {"since": "2026-05-14T12:00:01Z"},
        {"until": "2026-05-14T12:00:00Z"},
    ],
)
async def test_other_links_go_on_to_work(library: Library, named: dict[str, str]) -> None:
    async with open_office(library) as office:
        await office.ask("POST", "/links/revocations", **named)
        assert (await fetch(office.port, library.link())).status == 200


@pytest.mark.parametrize(
    ("named", "status"),
    [
        ({"pbx": "main"}, 403),
        ({"since": "2026-05-14T12:00:00Z", "until": "2026-05-14T12:00:01Z"}, 403),
        ({"pbx": "branch"}, 200),
        ({"since": "2026-05-14T12:00:01Z"}, 200),
        ({"until": "2026-05-14T12:00:00Z"}, 200),
    ],
)
async def test_an_open_link_that_names_no_pbx_is_revoked_by_where_it_leads(
    library: Library, named: dict[str, str], status: int
) -> None:
    async with open_office(library, links="open") as office:
        await office.ask("POST", "/links/revocations", **named)
        assert (await fetch(office.port, PATH)).status == status


async def test_a_revocation_outlives_the_process(library: Library) -> None:
    async with open_office(library) as office:
        await office.ask("POST", "/links/revocations", recipient="crm")
    async with open_office(library) as office:
        assert (await fetch(office.port, library.link())).status == 403
        assert (await fetch(office.port, library.link(recipient="desk"))).status == 200


async def test_every_replica_learns_of_a_revocation(library: Library, cluster: Cluster) -> None:
    database = await cluster.create(f"files_{uuid.uuid4().hex[:12]}")
    async with open_office(library, database=database) as one, open_office(library, database=database) as other:
        await one.ask("POST", "/links/revocations", call=CALL)
        assert (await fetch(one.port, library.link())).status == 403
        async with asyncio.timeout(20):
            while (await fetch(other.port, library.link())).status != 403:  # noqa: ASYNC110 - another replica
                await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({}, "say which links"),
        ({"colour": "red"}, "colour: is unknown here"),
        ({"call": 5}, "call: must be a text"),
        ({"since": "yesterday"}, "since: write how long ago"),
    ],
)
async def test_a_wrong_order_is_refused_with_a_sentence(library: Library, named: dict[str, Any], said: str) -> None:
    async with open_office(library) as office:
        status, answer = await office.ask("POST", "/links/revocations", **named)
        unknown = await office.ask("DELETE", "/links/revocations/nothing")
    assert status == 400
    assert said in answer["message"]
    assert unknown[0] == 404


async def test_every_answer_is_as_it_is_described(library: Library) -> None:
    async with open_office(library) as office:
        await fetch(office.port, library.link())
        await _until_kept(office, 1)
        _, made = await office.ask("POST", "/links/revocations", recipient="crm", since="1h")
        validate(made, "Revocation", DESCRIBED)
        for method, path, name in (
            ("GET", "/links/revocations", "Revocations"),
            ("DELETE", f"/links/revocations/{made['id']}", "Restored"),
            ("GET", f"/listens?call={CALL}&recipient=crm&since=1h&limit=1", "Listens"),
        ):
            status, answer = await office.ask(method, path)
            assert status == 200, answer
            validate(answer, name, DESCRIBED)
        assert len(answer["listens"]) == 1
        for method, path, expected in (
            ("POST", "/links/revocations", 400),
            ("GET", "/listens?limit=1001", 400),
            ("GET", "/listens?colour=red", 400),
            ("DELETE", "/links/revocations/nothing", 404),
            ("DELETE", "/listens", 405),
        ):
            status, answer = await office.ask(method, path)
            assert status == expected, answer
            validate(answer, "Error", DESCRIBED)


async def test_every_listen_is_kept(library: Library) -> None:
    async with open_office(library, trusted_proxies=("127.0.0.0/8",)) as office:
        await fetch(office.port, library.link(), X_Forwarded_For="203.0.113.9, 127.0.0.7")
        await fetch(office.port, library.link(recipient="desk"), Range="bytes=0-9")
        await fetch(office.port, library.link(), "HEAD")
        await fetch(office.port, PATH)  # not let in: no listen
        await _until_kept(office, 3)
        listens = await office.listens()
        of_desk = await office.listens("?recipient=desk")
        of_call = await office.listens(f"?call={CALL}&limit=2")
        of_other = await office.listens("?call=260514140000_47")
    whole = next(one for one in listens if one["address"] == "203.0.113.9")
    assert (whole["recording"], whole["recipient"], whole["bytes"]) == (f"{CALL}-1-1.mp3", "crm", len(AUDIO))
    assert (whole["status"], whole["complete"], whole["pbx"], whole["call"]) == (200, True, "main", CALL)
    assert [(one["status"], one["bytes"]) for one in of_desk] == [(206, 10)]
    assert (len(of_call), of_other) == (2, [])


async def test_listens_are_kept_when_the_process_stops_and_forgotten_after_the_retention(library: Library) -> None:
    async with open_office(library) as office:
        await asyncio.gather(*(fetch(office.port, library.link()) for _ in range(10)))
    async with open_office(library, audit_retention=timedelta(days=1)) as office:
        assert len(await office.listens()) == 10
    library.now += timedelta(days=2)
    async with open_office(library, audit_retention=timedelta(days=1)) as office:
        await _until_kept(office, 0)


async def test_what_was_heard_until_the_process_stopped_is_kept(library: Library) -> None:
    await library.put(content=AUDIO * 30)
    async with library.serving(Limits(drain=timedelta(seconds=0.1))) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {library.link()} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await reader.readexactly(100_000)
    writer.close()
    async with open_office(library) as office:
        [listen] = await office.listens()
    assert (listen["status"], listen["complete"]) == (200, False)
    assert 100_000 <= listen["bytes"] < len(AUDIO) * 30


async def test_links_work_while_the_database_is_away_and_the_listens_come_later(library: Library) -> None:
    cluster = Cluster()
    try:
        cluster.start()
        await _links_work_without(cluster, library)
    finally:
        cluster.remove()


async def _links_work_without(cluster: Cluster, library: Library) -> None:
    database = await cluster.create(f"files_{uuid.uuid4().hex[:12]}")
    async with open_office(library, database=database) as office:
        await asyncio.to_thread(cluster.stop, signal.SIGQUIT)
        try:
            answer = await fetch(office.port, library.link())
        finally:
            await asyncio.to_thread(cluster.start)
        assert (answer.status, answer.body) == (200, AUDIO)
        await _until_kept(office, 1)


async def test_former_keys_open_what_they_signed(library: Library, tmp_path: Path) -> None:
    made_by_itself = library.link()
    (library.data_dir / "links.key").rename(tmp_path / "former.key")
    (tmp_path / "second").write_text("a former secret of the operator\n")
    files = (tmp_path / "former.key", tmp_path / "second")
    configured = Library(library.data_dir, secret=SecretStr("a former secret of the operator"))
    async with open_office(library, old_link_secret_files=files) as office:
        answers = [await fetch(office.port, link) for link in (made_by_itself, configured.link(), library.link())]
    async with open_office(library) as office:
        without = await fetch(office.port, made_by_itself)
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert (without.status, without.error) == (403, "forged")


async def _until_kept(office: Office, count: int) -> None:
    async with asyncio.timeout(30):
        while True:
            status, answer = await office.ask("GET", "/listens")
            if status == 200 and len(answer["listens"]) == count:
                return
            await asyncio.sleep(0.05)
