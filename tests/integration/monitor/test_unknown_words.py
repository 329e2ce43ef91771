"""A PBX that uses words of a later version is followed all the same; each word is counted, and said once."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from services.monitor.capture import Forgetful
from services.monitor.metrics import MonitorMetrics
from services.monitor.watch import PbxWatch
from simulator import Simulator, SimulatorOptions
from switchhook.pbx.session import PbxSession
from switchhook.runtime.clock import utc_now
from switchhook.runtime.health import ServiceHealth
from switchhook.settings import MonitorSettings, PbxSettings
from tests.deadline import eventually

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

WORDS = {
    ("dn_kind", "Wholographicplace"),
    ("event_type", "7"),
    ("field", "participant.participant_mood"),
    ("field", "row.Mood"),
    ("status", "Beaming"),
    ("status", "Pondering"),
}


async def test_unknown_words_are_counted_by_name_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    registry, ledger = CollectorRegistry(), Forgetful()
    async with Simulator(SimulatorOptions(speed=20, faults=("unknown-kind", "unknown-words"))) as pbx:
        settings = PbxSettings.model_validate(
            {"name": "main", "url": pbx.url, "client_id": "switchhook", "client_secret": "secret"}
        )
        async with PbxSession(settings, token_file=tmp_path / "token", now=utc_now) as session:
            watch = PbxWatch(
                settings,
                MonitorSettings(),
                session=session,
                ledger=ledger,
                metrics=MonitorMetrics(registry, ["main"], ()),
                health=ServiceHealth(),
                clock=utc_now,
            )
            followed = asyncio.Event()
            task = asyncio.create_task(watch.run(followed.set))
            await asyncio.wait_for(followed.wait(), 20)
            pbx.play("incoming-answered")
            await pbx.play("incoming-blind-transfer", variant="blind:leaves-first")  # its gap makes us ask what lives
            await eventually(lambda: ledger.events["call.ended"] == 2, 20)
            task.cancel()
            await asyncio.wait([task])
    said = [vars(record) for record in caplog.records if record.getMessage() == "pbx.unknown"]
    assert {(record["what"], record["unknown"]) for record in said} == WORDS
    assert len(said) == len({(record["what"], record["unknown"]) for record in said}), "each of them once"
    for what in {what for what, _ in WORDS}:
        counted = registry.get_sample_value("switchhook_monitor_unknowns_total", {"pbx": "main", "what": what})
        assert counted is not None
        assert counted >= len([each for each, _ in WORDS if each == what])
