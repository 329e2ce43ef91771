"""What a process says of itself, and what it measures of its database."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import aiohttp
import pytest
import trustme
from prometheus_client import CollectorRegistry

from services.dispatcher.endpoints import EventClass
from services.dispatcher.metrics import DispatcherMetrics
from switchhook.errors import ConstraintViolated, StorageBroken
from switchhook.runtime import AdminServer, Health
from switchhook.runtime.measured import MeasuredDatabase
from switchhook.runtime.vitals import Certificate, Place, Vitals
from switchhook.storage import Statement, open_database
from switchhook.telemetry import DatabaseMetrics
from tests.deadline import eventually
from tests.exposition import read_openmetrics

if TYPE_CHECKING:
    from pathlib import Path

SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
EXPIRES = datetime(2031, 1, 1, tzinfo=UTC)


async def test_certificates_disks_readiness_and_the_loop_are_looked_at(tmp_path: Path) -> None:
    authority = trustme.CA()
    soon = authority.issue_cert("localhost", not_after=EXPIRES)
    soon.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    registry, health = CollectorRegistry(), Health()
    vitals = Vitals(
        registry,
        services=["monitor", "dispatcher"],
        health=health,
        places={Place.DATA: tmp_path / "not" / "there" / "yet"},
        certificates={Certificate.RPC: tmp_path / "cert.pem", Certificate.RPC_CA: tmp_path / "gone.pem"},
    )
    health.service("monitor").ready()
    health.service("monitor").problem("pbx main", "it does not answer")
    expiry = "switchhook_certificate_expiry_timestamp_seconds"
    async with vitals.watched():
        assert registry.get_sample_value(expiry, {"certificate": "rpc"}) == EXPIRES.timestamp()
        assert registry.get_sample_value(expiry, {"certificate": "rpc_ca"}) == 0
        free = registry.get_sample_value("switchhook_disk_free_bytes", {"place": "data"}) or 0
        assert 0 < free < (registry.get_sample_value("switchhook_disk_size_bytes", {"place": "data"}) or 0)
        await eventually(lambda: registry.get_sample_value("switchhook_event_loop_lag_seconds_count"), within=10)
    ready = "switchhook_service_ready"
    assert registry.get_sample_value(ready, {"service": "monitor"}) == 1
    assert registry.get_sample_value(ready, {"service": "dispatcher"}) == 0
    assert registry.get_sample_value("switchhook_service_problems", {"service": "monitor"}) == 1


async def test_commits_queries_and_refusals_of_a_database_are_measured(tmp_path: Path) -> None:
    migrations = tmp_path / "migrations"
    migrations.mkdir()
    (migrations / "0001_notes.sql").write_text("CREATE TABLE notes (id INTEGER PRIMARY KEY)")
    registry = CollectorRegistry()
    opened = await open_database("sqlite:", data_dir=tmp_path, service="notes", migrations=migrations)
    database = MeasuredDatabase(opened, DatabaseMetrics(registry, "monitor"))
    try:
        note = Statement("INSERT INTO notes (id) VALUES (?)", (1,))
        for statement, expected in (
            (note, nullcontext()),
            (note, pytest.raises(ConstraintViolated)),
            (Statement("INSERT INTO nothing VALUES (1)"), pytest.raises(StorageBroken)),
        ):
            with expected:
                await database.write([statement])
        assert await database.read("SELECT id FROM notes") == [(1,)]
        with pytest.raises(StorageBroken):
            await database.read("SELECT id FROM nothing")
    finally:
        await database.close()
    for kind in ("commit", "query"):
        labels = {"service": "monitor", "kind": kind}
        assert registry.get_sample_value("switchhook_database_seconds_count", labels) == 1, kind
    refused = {
        reason: registry.get_sample_value("switchhook_database_errors_total", {"service": "monitor", "reason": reason})
        for reason in ("full", "constraint", "lease", "broken")
    }
    assert refused == {"full": 0, "constraint": 1, "lease": 0, "broken": 2}


@pytest.mark.parametrize(
    ("traceparent", "trace_id"), [(SAMPLED, SAMPLED[3:35]), (SAMPLED[:-1] + "0", None), ("", None)]
)
async def test_open_metrics_carry_the_trace_of_a_delivery(traceparent: str, trace_id: str | None) -> None:
    registry = CollectorRegistry()
    metrics = DispatcherMetrics(registry, endpoints=["crm"])
    metrics.of("crm").delivered(EventClass.ENDED, timedelta(seconds=0.02), traceparent=traceparent)
    accept = {"Accept": "application/openmetrics-text;version=1.0.0"}
    async with (
        AdminServer("127.0.0.1:0", Health(), registry) as server,
        aiohttp.ClientSession(headers=accept) as http,
        http.get(f"http://{server.address}/metrics") as response,
    ):
        text = await response.text()
        assert response.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    exemplars = [
        sample.exemplar.labels["trace_id"]
        for metric in read_openmetrics(text)
        for sample in metric.samples
        if sample.exemplar
    ]
    assert exemplars == ([trace_id] if trace_id else [])
