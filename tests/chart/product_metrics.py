"""The names under which the product's own metrics are read."""

from __future__ import annotations

from services.commands.metrics_reference import registries


def product_metrics() -> set[str]:
    """Names of all samples, such as `switchhook_pbx_connected`."""
    return {
        sample.name for registry in registries().values() for metric in registry.collect() for sample in metric.samples
    }
