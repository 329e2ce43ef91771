"""`switchhook deliveries` and `switchhook endpoints`, and the API behind them, against a real dispatcher process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from services.dispatcher.openapi import DESCRIBED
from switchhook.events import EventType
from switchhook.runtime.openapi import openapi
from tests.described import validate
from tests.integration.commands.command import switchhook
from tests.integration.commands.office import office, received
from tests.receiver import Answer, WebhookReceiver
from tests.unit.dispatcher.events import CALL_ID, a_call, an_event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from switchhook.events import Event

BROKEN = Answer(status=500, body=b"customer 05552221133 is broken")


def events(call_id: str = CALL_ID) -> list[Event]:
    """A call's ringing, start and end."""
    call = a_call(call_id)
    return [
        an_event(kind, sequence=sequence, call=call, answered=True, link=1)
        for sequence, kind in enumerate((EventType.RINGING, EventType.STARTED, EventType.ENDED), 1)
    ]


@pytest.fixture
async def crm() -> AsyncIterator[WebhookReceiver]:
    """A receiver that fails."""
    async with WebhookReceiver(default=BROKEN) as receiver:
        yield receiver


async def test_dead_deliveries_are_found_and_sent_again_in_order(
    tmp_path: Path, crm: WebhookReceiver, database_url: str
) -> None:
    async with office(tmp_path, {"crm": crm}, database=database_url) as running:
        await running.publish(*events(), *events("230307114903_11"))
        await running.settled("dead", 6)
        listed = await running.command("deliveries", "list", "--call", CALL_ID, "--state", "dead", "--since", "2h")
        header, *lines = listed.out.splitlines()
        assert header.split()[:3] == ["delivery", "state", "reason"]
        assert [line.split()[:3] for line in lines] == [
            [f"main-{CALL_ID}-{number}.crm", "dead", "server_error"] for number in (3, 2, 1)
        ]
        assert "05552221133" not in listed.out
        numbers = await running.command("deliveries", "list", "--call", CALL_ID, "--numbers")
        assert "05552221133" in numbers.out

        dry = await running.command("deliveries", "replay", "--call", CALL_ID, "--dry-run")
        assert dry.out == "would replay 3 deliveries: crm 3\n"
        assert len(await running.settled("dead", 6)) == 6

        crm.default = Answer()
        crm.webhooks.clear()
        replayed = await running.command("deliveries", "replay", "--call", CALL_ID)
        assert replayed.out == "replayed 3 deliveries: crm 3\n"
        assert await received(crm, 3) == [f"main-{CALL_ID}-{number}" for number in (1, 2, 3)]
        assert [webhook.headers.get("webhook-replay") for webhook in crm.webhooks] == ["true"] * 3
        delivered = await running.settled("delivered", 3)
        assert [(each["attempts"], each["replays"]) for each in delivered] == [(2, 1)] * 3
        await running.settled("dead", 3)


async def test_one_delivery_is_shown_with_its_event_and_every_attempt(tmp_path: Path, crm: WebhookReceiver) -> None:
    async with office(tmp_path, {"crm": crm}) as running:
        await running.publish(*events()[:1])
        await running.settled("dead", 1)
        shown = await running.command("deliveries", "show", f"main-{CALL_ID}-1.crm")
        assert "server_error" in shown.out
        assert '"outside_number": "********133"' in shown.out
        assert "customer …133 is broken" in shown.out
        assert "05552221133" not in shown.out
        document = await running.json("deliveries", "show", f"main-{CALL_ID}-1.crm", "--numbers")
        assert document["event"]["call"]["outside_number"] == "05552221133"
        (attempt,) = document["attempt_log"]
        assert (attempt["status"], attempt["address"], attempt["number"]) == (500, f"127.0.0.1:{crm.port}", 1)
        missing = await running.command("deliveries", "show", f"main-{CALL_ID}-9.crm", code=1)
        assert "is not in the log" in missing.err


async def test_a_copy_goes_to_another_endpoint(tmp_path: Path, crm: WebhookReceiver) -> None:
    async with WebhookReceiver() as desk, office(tmp_path, {"crm": crm, "desk": desk}) as running:
        await running.publish(*events())
        await running.settled("dead", 3)
        assert len(await received(desk, 3)) == 3
        desk.webhooks.clear()
        answer = await running.json("deliveries", "replay", "--endpoint", "crm", "--to", "desk", "--rate", "500")
        assert (answer["matched"], answer["by_endpoint"]) == (3, {"desk": 3})
        assert await received(desk, 3) == [f"main-{CALL_ID}-{number}" for number in (1, 2, 3)]
        unknown = await running.command("deliveries", "replay", "--endpoint", "crm", "--to", "dask", code=1)
        assert "endpoint dask: is not configured (known: crm, desk)" in unknown.err
        everything = await running.command("deliveries", "replay", code=2)
        assert everything.err.startswith("say which deliveries are meant")
        wrong = await running.command("deliveries", "list", "--state", "lost", code=2)
        assert wrong.err.startswith("state: 'lost' is none: choose from pending")


async def test_a_pause_survives_a_restart_and_resume_delivers_what_waited(tmp_path: Path, database_url: str) -> None:
    async with WebhookReceiver() as crm:
        async with office(tmp_path, {"crm": crm}, database=database_url) as running:
            assert (await running.command("endpoints", "pause", "crm")).out.startswith("crm is paused")
            await running.publish(*events())
        async with office(tmp_path, {"crm": crm}, database=database_url) as running:
            (endpoint,) = await running.json("endpoints", "list")
            assert (endpoint["state"], endpoint["reason"], endpoint["pending"]) == ("paused", "operator", 3)
            assert endpoint["oldest_pending_at"] is not None
            assert crm.webhooks == []
            table = (await running.command("endpoints", "list")).out.splitlines()
            assert table[1].split()[:4] == ["crm", "paused", "operator", "3"]
            assert (await running.command("endpoints", "resume", "crm")).out.startswith("crm is active")
            assert await received(crm, 3) == [f"main-{CALL_ID}-{number}" for number in (1, 2, 3)]
            nobody = await running.command("endpoints", "pause", "nobody", code=1)
            assert "endpoint nobody: is not configured (known: crm)" in nobody.err


async def test_every_answer_is_as_it_is_described(tmp_path: Path, crm: WebhookReceiver) -> None:
    async with office(tmp_path, {"crm": crm}) as running:
        await running.publish(*events())
        await running.settled("dead", 3)
        assert (await running.ask("GET", "/openapi.json"))[1] == openapi([DESCRIBED])
        order = {"call": CALL_ID, "state": ["dead"], "dry_run": True}
        for method, path, body, name in (
            ("GET", "/deliveries?limit=2&event=ringing&event=started", None, "DeliveryPage"),
            ("GET", f"/deliveries/main-{CALL_ID}-1.crm", None, "DeliveryInFull"),
            ("POST", "/deliveries/replay", order, "Replayed"),
            ("GET", "/endpoints", None, "Endpoints"),
            ("POST", "/endpoints/crm/pause", None, "Endpoint"),
            ("POST", "/endpoints/crm/resume", None, "Endpoint"),
        ):
            status, answer = await running.ask(method, path, body)
            assert status == 200, answer
            validate(answer, name, DESCRIBED)
        wrong: tuple[tuple[str, str, object, int], ...] = (
            ("GET", "/deliveries?state=lost", None, 400),
            ("GET", "/deliveries?colour=red", None, 400),
            ("GET", "/deliveries/nothing", None, 400),
            ("POST", "/deliveries/replay", [], 400),
            ("POST", "/deliveries/replay", {"state": "dead"}, 400),
            ("POST", "/deliveries/replay", {"call": "1", "to": "nobody"}, 404),
            ("POST", "/endpoints/nobody/pause", None, 404),
            ("DELETE", "/deliveries", None, 405),
        )
        for method, path, given, expected in wrong:
            status, answer = await running.ask(method, path, given)
            assert status == expected, answer
            validate(answer, "Error", DESCRIBED)


async def test_without_the_right_token_nothing_is_told(tmp_path: Path, crm: WebhookReceiver) -> None:
    async with office(tmp_path, {"crm": crm}) as running:
        for token in (None, "another-token-of-somebody"):
            status, answer = await running.ask("GET", "/deliveries", token=token)
            assert status == 401
            validate(answer, "Error", DESCRIBED)
        (tmp_path / "other").write_text("another-token-of-somebody")
        refused = await running.command("deliveries", "list", "--token-file", str(tmp_path / "other"), code=1)
        assert "does not accept this token" in refused.err


async def test_without_a_token_file_the_api_is_off(tmp_path: Path, crm: WebhookReceiver) -> None:
    async with office(tmp_path, {"crm": crm}, token=None) as running:
        unset = await running.command("endpoints", "list", code=2)
        assert unset.err.startswith("admin.token_file: is not set")
        named = await running.command("endpoints", "list", "--token-file", str(tmp_path / "token"), code=1)
        assert "the admin API is off: set admin.token_file" in named.err


def test_where_nothing_runs_a_sentence_says_so(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a-token-of-an-operator")
    options = ("--url", "http://127.0.0.1:9", "--token-file", "token")
    answer = switchhook(tmp_path, "deliveries", "list", *options)
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("http://127.0.0.1:9: nothing answers there")


def test_a_short_token_is_refused(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("short")
    (tmp_path / "switchhook.toml").write_text('[admin]\ntoken_file = "token"\n')
    assert "admin.token: must be at least 16" in switchhook(tmp_path, "deliveries", "list").err


@pytest.mark.parametrize("engine", ["postgres"])
async def test_a_replay_is_the_work_of_all_replicas_and_keeps_order(tmp_path: Path, database_url: str) -> None:
    published = [event for number in range(30) for event in events(f"230307114903_{number}")]
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    async with (
        WebhookReceiver() as crm,
        office(folders[0], {"crm": crm}, database=database_url) as one,
        office(folders[1], {"crm": crm}, database=database_url) as two,
    ):
        await one.publish(*published)
        await two.settled("delivered", 90)
        crm.webhooks.clear()
        crm.default = Answer(delay=0.01)
        answer = await two.json("deliveries", "replay", "--pbx", "main", "--state", "delivered")
        assert answer["by_endpoint"] == {"crm": 90}
        await received(crm, 90)
        await one.settled("delivered", 90)
        assert len(crm.webhooks) == 90
    for number in range(30):
        own = [webhook.id for webhook in crm.webhooks if f"_{number}-" in webhook.id]
        assert own == [f"main-230307114903_{number}-{sequence}" for sequence in (1, 2, 3)]
