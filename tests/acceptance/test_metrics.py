"""The metrics of every real process are those of docs/metrics.md, before and after traffic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.commands.metrics_reference import exposed_name, families
from simulator import Simulator, SimulatorOptions
from tests.acceptance.listening import heard
from tests.acceptance.product import SERVICES, Product
from tests.acceptance.scene import pbx_and_endpoint
from tests.deadline import eventually
from tests.exposition import read_text
from tests.receiver import WebhookReceiver

if TYPE_CHECKING:
    from pathlib import Path

    from prometheus_client import Metric

    from tests.receiver import Webhook

# A value of a label that the configuration of this test decides.
_CONFIGURED = {"pbx", "endpoint", "sink", "version", "python"}
SIDES = (("monitor", "client"), ("recorder", "client"), ("recorder", "server"), ("dispatcher", "server"))


async def test_every_process_serves_the_documented_metrics_and_traffic_adds_none(tmp_path: Path) -> None:
    async with Simulator(SimulatorOptions(speed=6)) as pbx, WebhookReceiver() as receiver:
        tables = pbx_and_endpoint("main", pbx=pbx.url, endpoint=receiver.url)
        async with Product(tmp_path, tables, split=True) as product:
            before = {service: await scraped(product, service) for service in SERVICES}
            for service, metrics in before.items():
                assert set(metrics) == documented_of(service), service
                demand_documented_values(metrics)
            await pbx.play("incoming-blind-transfer")
            await pbx.play("outgoing-missed")
            await eventually(lambda: len(recordings(receiver)) == 2, within=45)
            assert all((await heard(recordings(receiver))).values())
            after = {service: await scraped(product, service) for service in SERVICES}
    for service, metrics in after.items():
        assert series(metrics) == series(before[service]), f"{service}: traffic made or unmade series"
    assert total(after["monitor"], "switchhook_calls_total") == 2
    assert total(after["monitor"], "switchhook_pbx_token_expiry_timestamp_seconds") > 0
    assert total(after["recorder"], "switchhook_transcode_speed_ratio_count") == 2
    assert total(after["fileserver"], "switchhook_file_first_byte_seconds_count") >= 2
    for service in SERVICES:
        assert total(after[service], "switchhook_database_seconds_count") > 0, service
        assert total(after[service], "switchhook_event_loop_lag_seconds_count") > 0, service
        assert total(after[service], "switchhook_service_ready") == 1, service
        assert total(after[service], "switchhook_disk_free_bytes") > 0, service
    for service, side in SIDES:
        assert total(after[service], f"switchhook_grpc_{side}_seconds_count") > 0, service


def recordings(receiver: WebhookReceiver) -> list[Webhook]:
    return [webhook for webhook in receiver.webhooks if webhook.json["Event"] == "recording"]


def documented_of(service: str) -> set[str]:
    """What the document says of a process with this service alone."""
    return {name for name, family in families().items() if {service, "every process"} & set(family.services)}


async def scraped(product: Product, service: str) -> dict[str, Metric]:
    """By the documented name; `x_created` belongs to `x`."""
    text = await product.metrics(service)
    found = {exposed_name(metric): metric for metric in read_text(text)}
    return {name: metric for name, metric in found.items() if not name.endswith("_created")}


def demand_documented_values(metrics: dict[str, Metric]) -> None:
    document = families()
    for name, metric in metrics.items():
        for sample in metric.samples:
            for label, value in sample.labels.items():
                if label not in _CONFIGURED and label != "le":
                    assert value in document[name].values_by_label[label], f"{name}: {label}={value}"


def series(metrics: dict[str, Metric]) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    """Every sample by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items()))
        for name, metric in metrics.items()
        if name.startswith("switchhook_")
        for sample in metric.samples
    }


def total(metrics: dict[str, Metric], name: str) -> float:
    """The sum of all samples of this name."""
    return sum(sample.value for metric in metrics.values() for sample in metric.samples if sample.name == name)
