"""What `switchhook doctor` finds when something is broken: each fault is one ✗ with what to do."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
import pytest

from services.commands.doctor.findings import Verdict, is_healthy
from services.commands.doctor.report import table
from services.registry import ServiceName, schema_of
from simulator import Simulator, SimulatorOptions
from switchhook.storage import migrate_database, services_at_work
from tests.acceptance.product import free_port
from tests.deadline import eventually
from tests.integration.commands.command import switchhook
from tests.integration.commands.doctoring import (
    SECRET,
    endpoint_table,
    examined,
    failures,
    found,
    https_server,
    pbx_table,
    read_only,
    written,
)
from tests.receiver import Answer, WebhookReceiver

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster import Cluster
    from tests.s3_server import S3Server

SECRET_KEY = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
# The fault of the PBX, the check that fails, a word of what is found, and one of what is to be done.
FAULTS: list[tuple[dict[str, Any], str, str, str]] = [
    ({"client_secret": "another"}, "token", "refused client_id", "check client_id and client_secret"),
    ({"faults": ("no-licence",)}, "call control", "403", "licence"),
    ({"faults": ("no-call-log",)}, "call log", "403", "System Owner"),
    ({"faults": ("no-recordings-right",)}, "recordings", "403", "System Owner"),
    ({"faults": ("no-xapi",)}, "configuration api", "403", "3CX Configuration API access"),
    ({"monitored": ("100", "101")}, "monitored", "102", "Extension(s) to monitor"),
    ({"monitored": ()}, "monitored", "no extension at all", "Extension(s) to monitor"),
    ({"clock_ahead": timedelta(minutes=3)}, "clock", "s ahead of", "NTP"),
    ({"clock_ahead": -timedelta(minutes=3)}, "clock", "s behind", "NTP"),
    ({"version": "18.0.9.20"}, "version", "18.0.9.20", "update the PBX"),
    ({"faults": ("busy",)}, "address", "cannot answer", "load"),
    ({"faults": ("quota-reached",)}, "recording", "records no more", "quota"),
]


@pytest.mark.parametrize(("options", "check", "detail", "remedy"), FAULTS)
async def test_a_fault_of_the_pbx_is_found_with_its_remedy(
    tmp_path: Path, options: dict[str, Any], check: str, detail: str, remedy: str
) -> None:
    async with Simulator(SimulatorOptions(**options)) as pbx:
        findings = await examined(tmp_path, pbx_table(pbx.url))
    finding = found(findings, "pbx main", check)
    assert finding.verdict is Verdict.FAILED
    assert detail in finding.detail
    assert remedy in finding.remedy
    assert not is_healthy(findings)
    alike = {"call control", "websocket"} if check == "call control" else {check}
    assert {each for subject, each in failures(findings) if subject == "pbx main"} == alike


async def test_a_pbx_without_faults_has_none(tmp_path: Path) -> None:
    async with Simulator(SimulatorOptions(speed=20)) as pbx:
        await pbx.play("incoming-direct")
        await eventually(lambda: pbx.recordings.by_id)
        findings = await examined(tmp_path, pbx_table(pbx.url))
        assert pbx.state()["tokens_issued"] == 1
    of_pbx = [one for one in findings if one.subject == "pbx main"]
    assert {one.verdict for one in of_pbx} == {Verdict.OK}
    assert "begins to come" in found(findings, "pbx main", "download").detail
    assert not (tmp_path / "data").exists(), "nothing is written where services will run"


async def test_small_faults_are_warnings(tmp_path: Path) -> None:
    options = SimulatorOptions(version="20.0.5.2", clock_ahead=timedelta(seconds=20), faults=("hidden-routing",))
    async with Simulator(options) as pbx:
        findings = await examined(tmp_path, pbx_table(pbx.url))
    for check in ("version", "clock", "queues, ivrs"):
        assert found(findings, "pbx main", check).verdict is Verdict.WARNING
    assert failures(findings) == []


async def test_a_second_api_client_is_examined_for_what_it_does(tmp_path: Path) -> None:
    more = f'recorder_client_id = "other"\nrecorder_client_secret = "{SECRET}"'
    async with Simulator() as pbx:
        findings = await examined(tmp_path, pbx_table(pbx.url, more=more))
    assert failures(findings) == [("pbx main recorder", "token")]
    assert {one.check for one in findings if one.subject == "pbx main"} >= {"call log", "directory"}
    assert "recordings" not in {one.check for one in findings if one.subject == "pbx main"}


async def test_a_pbx_that_cannot_be_reached(tmp_path: Path) -> None:
    findings = await examined(tmp_path, pbx_table(f"http://127.0.0.1:{free_port()}"))
    finding = found(findings, "pbx main", "address")
    assert "Connection refused" in finding.detail
    assert finding.remedy == "check url and firewall"
    assert failures(findings) == [("pbx main", "address")]


async def test_a_pbx_whose_certificate_nobody_trusts(tmp_path: Path) -> None:
    async with Simulator(SimulatorOptions(tls=True, certificate_dir=tmp_path)) as pbx:
        findings = await examined(tmp_path, pbx_table(pbx.url))
        trusting = await examined(tmp_path, pbx_table(pbx.url, more=f'ca_file = "{pbx.certificate}"'))
    assert "ca_file" in found(findings, "pbx main", "address").remedy
    assert failures(trusting) == []
    assert "29 days more" in found(trusting, "pbx main", "certificate").detail


async def test_the_command_ends_with_1_and_shows_no_secret(tmp_path: Path) -> None:
    async with Simulator() as pbx:
        url = f"http://user:{SECRET}@127.0.0.1:{free_port()}/hooks/{SECRET}?key={SECRET}"
        more = f'secret = "whsec_{SECRET_KEY}"'
        written(tmp_path, pbx_table(pbx.url, secret=SECRET) + endpoint_table(url, more=more))
        text, document = await asyncio.gather(
            asyncio.to_thread(switchhook, tmp_path, "doctor"),
            asyncio.to_thread(switchhook, tmp_path, "doctor", "--json"),
        )
    assert (text.code, text.err, document.code, document.err) == (1, "", 1, "")
    assert not any(secret in text.out + document.out for secret in (SECRET, SECRET_KEY))
    assert "✗ token" in text.out
    assert "failed" in text.out.splitlines()[-1]
    told = orjson.loads(document.out)
    failed = [one for one in told["findings"] if one["verdict"] == "failed"]
    assert [one["subject"] for one in failed] == ["pbx main", "endpoint crm"]
    assert told["ok"] is False
    assert told["counts"]["failed"] == 2
    assert all(one["remedy"] for one in failed)


async def test_a_configuration_that_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    more = 'client_secret_file = "/no/such/file"\nurrl = "x"'
    written(tmp_path, '[[pbx]]\nname = "main"\nurl = "http://127.0.0.1"\nclient_id = "a"\n' + more)
    answer = await asyncio.to_thread(switchhook, tmp_path, "doctor", "--json")
    assert (answer.code, answer.err) == (1, "")
    told = orjson.loads(answer.out)["findings"]
    assert {one["subject"] for one in told} == {"configuration"}
    assert any("pbx[0].client_secret_file" in one["detail"] for one in told)
    assert any("pbx[0].urrl" in one["detail"] for one in told)


async def test_a_file_that_is_not_there_is_a_mistake_of_the_command(tmp_path: Path) -> None:
    answer = await asyncio.to_thread(switchhook, tmp_path, "doctor", "--json", "--config", "none.toml")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("none.toml: cannot be read")


async def test_an_endpoint_that_nobody_listens_at(tmp_path: Path) -> None:
    findings = await examined(tmp_path, endpoint_table(f"http://127.0.0.1:{free_port()}/hooks"))
    finding = found(findings, "endpoint crm", "answer")
    assert finding.verdict is Verdict.FAILED
    assert "nothing accepts connections there" in finding.detail
    assert "check that it runs" in finding.remedy


async def test_an_endpoint_in_a_network_that_is_not_allowed(tmp_path: Path) -> None:
    async with WebhookReceiver() as receiver:
        tables = endpoint_table(receiver.url).replace('"127.0.0.0/8", ', "")
        findings = await examined(tmp_path, tables)
        assert receiver.webhooks == []
    assert 'allow_private = ["127.0.0.1/32"]' in found(findings, "endpoint crm", "answer").remedy


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(204, Verdict.OK), (404, Verdict.OK), (405, Verdict.OK), (401, Verdict.WARNING), (500, Verdict.WARNING)],
)
async def test_whatever_an_endpoint_answers_it_is_reachable(tmp_path: Path, status: int, verdict: Verdict) -> None:
    async with WebhookReceiver(default=Answer(status=status)) as receiver:
        findings = await examined(tmp_path, endpoint_table(receiver.url))
    assert [webhook.method for webhook in receiver.webhooks] == ["OPTIONS"]
    assert found(findings, "endpoint crm", "answer").verdict is verdict
    assert failures(findings) == []


@pytest.mark.parametrize(
    ("days", "verdict", "words"),
    [(-3, Verdict.FAILED, "expired 3 days ago"), (5, Verdict.WARNING, "4 days more"), (60, Verdict.OK, "59 days more")],
)
async def test_the_certificate_of_an_endpoint_has_days_left(
    tmp_path: Path, days: int, verdict: Verdict, words: str
) -> None:
    valid_for = timedelta(days=days) - timedelta(minutes=10) * (days > 0)
    async with https_server(tmp_path, valid_for=valid_for) as url:
        findings = await examined(tmp_path, endpoint_table(url, more=f'ca_file = "{tmp_path / "ca.pem"}"'))
    finding = found(findings, "endpoint crm", "certificate")
    assert (finding.verdict, words in finding.detail) == (verdict, True), finding
    assert failures(findings) == ([("endpoint crm", "certificate")] if days < 0 else [])


async def test_certificates_in_files_have_days_left(tmp_path: Path) -> None:
    async with https_server(tmp_path, valid_for=timedelta(days=1)):
        pem = tmp_path / "ca.pem"
    (tmp_path / "key").write_text("none")
    rpc = f'[rpc]\ntls_cert = "{pem}"\ntls_ca = "{tmp_path / "key"}"\ntls_key = "{tmp_path / "key"}"\n'
    findings = await examined(tmp_path, rpc)
    assert found(findings, "rpc", "tls_cert").verdict is Verdict.OK
    assert "holds no PEM certificate" in found(findings, "rpc", "tls_ca").detail


async def test_folders_that_cannot_be_written(tmp_path: Path) -> None:
    place = read_only(tmp_path)
    findings = await examined(tmp_path, f'[storage]\nurl = "file://{place}"\n', head=f'data_dir = "{place}"\n')
    assert {("data_dir", "writable"), ("storage", "recordings")} <= set(failures(findings))
    for subject, check in (("data_dir", "writable"), ("storage", "recordings")):
        assert "give" in found(findings, subject, check).remedy


async def test_folders_that_cannot_even_be_looked_at_are_findings_like_all_others(tmp_path: Path) -> None:
    """Root may look everywhere, so their names are too long instead of their folder closed."""
    folder = tmp_path / ("x" * 300)
    async with WebhookReceiver() as receiver:
        findings = await examined(tmp_path, endpoint_table(receiver.url), head=f'data_dir = "{folder}"\n')
    for subject in ("data_dir", "storage", "fileserver"):
        assert "cannot be looked at" in found(findings, subject, "access").detail
        assert "as the user of Switchhook" in found(findings, subject, "access").remedy
    assert found(findings, "endpoint crm", "answer").verdict is Verdict.OK
    assert found(findings, "ffmpeg", "mp3").verdict is Verdict.OK


async def test_no_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "none"))
    findings = await examined(tmp_path, "")
    assert "install ffmpeg" in found(findings, "ffmpeg", "program").remedy
    assert ("ffmpeg", "program") in failures(findings)


async def test_an_ffmpeg_without_mp3(tmp_path: Path) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text('#!/bin/sh\necho "ffmpeg version 7.1 Copyright"\n')
    program.chmod(0o755)
    findings = await examined(tmp_path, f'[recorder]\nffmpeg = "{program}"\n')
    assert found(findings, "ffmpeg", "program").detail.endswith("version 7.1")
    assert ("ffmpeg", "mp3") in failures(findings)


async def test_databases_of_services_that_do_not_run_are_left_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    schema = schema_of(ServiceName.MONITOR)
    await migrate_database(
        "sqlite:", data_dir=tmp_path / "data", service="monitor", migrations=schema.migrations, include_outbox=True
    )
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "data").iterdir()}
    findings = await examined(tmp_path, "")
    assert "tables of this version" in found(findings, "database", "monitor").detail
    assert "no tables yet" in found(findings, "database", "dispatcher").detail
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "data").iterdir()} == before


async def test_a_database_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "monitor.sqlite3").write_bytes(b"something else" * 1000)
    findings = await examined(tmp_path, "")
    assert failures(findings) == [("database", "monitor")]
    assert "is it a database" in found(findings, "database", "monitor").remedy


async def test_a_database_that_was_written_by_other_files(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with sqlite3.connect(tmp_path / "data" / "monitor.sqlite3") as connection:
        connection.execute("CREATE TABLE schema_migrations (service, number, name, checksum, applied_at)")
        connection.execute("INSERT INTO schema_migrations VALUES ('monitor', 1, 'calls', 'another', '')")
    connection.close()
    findings = await examined(tmp_path, "")
    assert failures(findings) == [("database", "monitor")]
    assert "install the version" in found(findings, "database", "monitor").remedy


async def test_postgresql(tmp_path: Path, cluster: Cluster) -> None:
    name = "doctor_test"
    url = await cluster.create(name)
    findings = await examined(tmp_path, f'[database]\nurl = "{url}"\n')
    assert failures(findings) == []
    assert "PostgreSQL 18" in found(findings, "database", "monitor").detail
    working = await asyncpg.connect(url, server_settings={"application_name": "switchhook monitor"})
    assert await services_at_work(url, data_dir=tmp_path) == {"monitor"}
    await working.close()
    assert await services_at_work(url, data_dir=tmp_path) == set()
    await cluster.drop(name)
    gone = await examined(tmp_path, f'[database]\nurl = "{url}"\n')
    assert failures(gone) == [("database", "server")]
    down = await examined(
        tmp_path, f'[database]\nurl = "postgresql://user:{SECRET}@127.0.0.1:{free_port()}/switchhook"\n'
    )
    finding = found(down, "database", "server")
    assert "check database.url" in finding.remedy
    assert SECRET not in "\n".join(table(down))


async def test_a_bucket(tmp_path: Path, s3_server: S3Server) -> None:
    s3_server.bucket("doctor")
    section = s3_server.storage("doctor")
    assert section.access_key is not None
    assert section.secret_key is not None
    tables = (
        f'[storage]\nurl = "{section.url}"\nendpoint = "{section.endpoint}"\n'
        f'access_key = "{section.access_key.get_secret_value()}"\n'
        f'secret_key = "{section.secret_key.get_secret_value()}"\n'
    )
    findings = await examined(tmp_path, tables)
    assert "stored, read back and removed" in found(findings, "storage", "recordings").detail
    missing = await examined(tmp_path, tables.replace("s3://doctor", "s3://no-such-bucket"))
    assert "check the bucket" in found(missing, "storage", "recordings").remedy
    assert failures(missing) == [("storage", "recordings")]
