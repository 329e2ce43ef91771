"""`switchhook doctor` beside the running product: all is well, it says so, and nobody notices that it was there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from services.commands.doctor.examination import examine
from services.commands.doctor.findings import Verdict
from services.commands.doctor.report import table
from simulator import Simulator, SimulatorOptions
from switchhook.runtime.clock import utc_now
from switchhook.settings import load_settings
from tests.acceptance.product import EMBEDDED, Product, free_port
from tests.acceptance.scene import pbx_and_endpoint, until
from tests.deadline import eventually
from tests.integration.commands.command import Answer, switchhook
from tests.integration.commands.doctoring import found
from tests.receiver import WebhookReceiver

if TYPE_CHECKING:
    from pathlib import Path

    from services.commands.doctor.findings import Finding

CALLS = 6


async def doctor(product: Product, *options: str) -> Answer:
    return await asyncio.to_thread(switchhook, product.folder, "doctor", *options, environ=environment(product))


def environment(product: Product) -> dict[str, str]:
    """The product's; and retries that no warning is due for."""
    admin = f"127.0.0.1:{product.admin_port()}"
    return {"SWITCHHOOK_ADMIN__LISTEN": admin, "SWITCHHOOK_DISPATCHER__RETRY_SCHEDULE": '["1m"]'}


async def test_beside_a_running_product_all_is_well_and_it_notices_nothing(tmp_path: Path) -> None:
    """Later the PBX withdraws a right, and what the monitor says of that is told, too."""
    async with Simulator(SimulatorOptions(speed=4)) as pbx, WebhookReceiver() as receiver:
        tables = pbx_and_endpoint("demo", pbx=pbx.url, endpoint=receiver.url)
        async with Product(tmp_path, tables, split=False) as product:
            before = pbx.state()
            calls = [pbx.play("incoming-direct") for _ in range(CALLS)]
            said, told, others = await asyncio.gather(
                doctor(product), doctor(product, "--json"), asyncio.gather(*(examined(product) for _ in range(3)))
            )
            elsewhere = await examined(product, {"SWITCHHOOK_DATA_DIR": str(tmp_path / "elsewhere")})
            unheard = await examined(product, {"SWITCHHOOK_ADMIN__LISTEN": f"127.0.0.1:{free_port()}"})
            for call in calls:
                await call
            after = pbx.state()
            await eventually(lambda: ended(receiver) == CALLS, 30)
            await eventually(lambda: {"pbx.connected", "call.ended"} <= events_of(product), 10)
            events = events_of(product)
            withdrawn = await _withdrawn(pbx, product)

    assert (said.code, said.err) == (0, ""), said.out
    assert said.out.rstrip().endswith("nothing failed; all is well")
    assert {line.split()[0] for line in said.out.splitlines() if line.startswith("  ")} == {"✓"}
    document = orjson.loads(told.out)
    assert (told.code, document["ok"], document["counts"]["warning"], document["counts"]["failed"]) == (0, True, 0, 0)
    assert_shape(document)
    assert all(one.verdict is Verdict.OK for findings in others for one in findings), others
    assert_unnoticed(before, after, events, receiver)
    assert_left_alone(elsewhere)
    assert "nothing answers at admin.listen" in found(unheard, "services", "running").detail
    assert "that of the running services" in found(unheard, "pbx demo", "token").detail
    assert "may have it open" in found(unheard, "pbx demo", "websocket").detail
    assert found(withdrawn, "services", "running").verdict is Verdict.OK
    assert "licence" in found(withdrawn, "pbx demo", "call control").remedy
    assert "licence" in found(withdrawn, "pbx demo", "watched").remedy


async def _withdrawn(pbx: Simulator, product: Product) -> list[Finding]:
    pbx.fault("no-licence")
    pbx.fault("drop-socket")

    async def is_said() -> bool:
        return "licence" in (await product.problems("monitor")).get("pbx demo", "")

    await until(is_said)
    return await examined(product)


def events_of(product: Product) -> set[str]:
    return {line["event"] for line in product.logged(EMBEDDED)}


def assert_unnoticed(before: Any, after: Any, events: set[str], receiver: WebhookReceiver) -> None:
    assert after["tokens_issued"] == before["tokens_issued"] == 1
    assert after["asked"]["/callcontrol/ws"] == before["asked"]["/callcontrol/ws"] == 1
    assert after["sockets"] == 1
    assert not events & {"pbx.lost", "pbx.question_failed", "call.unreported"}
    assert ended(receiver) == CALLS
    probes = [webhook for webhook in receiver.webhooks if webhook.method == "OPTIONS"]
    assert len(probes) == 8
    for webhook in probes:
        assert (webhook.headers["webhook-test"], webhook.body) == ("true", b"")
        assert "webhook-signature" not in webhook.headers


def assert_left_alone(findings: list[Finding]) -> None:
    """As from another machine: the admin address answers, `data_dir` is not theirs."""
    token = found(findings, "pbx demo", "token")
    assert token.verdict is Verdict.WARNING
    assert "run doctor where they run" in token.remedy
    assert found(findings, "pbx demo", "watched").detail == "by the running monitor"


@pytest.mark.parametrize("in_ascii", [False, True])
async def test_every_remedy_stands_below_what_it_cures(tmp_path: Path, in_ascii: bool) -> None:
    (tmp_path / "switchhook.toml").write_text('data_dir = "data"\nrecorder.ffmpeg = "no-such-program"\n')
    findings = await examine(load_settings(tmp_path / "switchhook.toml", {}), clock=utc_now)
    lines = list(table(findings, in_ascii=in_ascii))
    place = next(number for number, line in enumerate(lines) if "no-such-program" in line)
    assert lines[place].split()[0] == ("X" if in_ascii else "✗")
    assert lines[place + 1].split()[0] == ("->" if in_ascii else "→")
    assert "install ffmpeg" in lines[place + 1]
    assert not in_ascii or "\n".join(lines).isascii()


async def examined(product: Product, environ: dict[str, str] | None = None) -> list[Finding]:
    settings = load_settings(product.folder / "switchhook.toml", environment(product) | (environ or {}))
    return await examine(settings, clock=utc_now)


def ended(receiver: WebhookReceiver) -> int:
    told = [webhook.json.get("Event") for webhook in receiver.webhooks if webhook.method == "POST"]
    return told.count("incoming")


def assert_shape(document: dict[str, Any]) -> None:
    assert set(document) == {"ok", "version", "examined_at", "counts", "findings"}
    assert set(document["counts"]) == {"ok", "warning", "failed"}
    assert document["counts"]["ok"] == len(document["findings"])
    for finding in document["findings"]:
        assert set(finding) == {"subject", "check", "verdict", "detail", "remedy"}
