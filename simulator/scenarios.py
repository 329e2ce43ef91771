"""The repertoire: every scenario by name, with its cast and its weight in random traffic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator import incoming, outgoing
from simulator.model import Direction
from simulator.stage import Cast, Stage
from simulator.transfers import ATTENDED_VARIANTS, BLIND_VARIANTS

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

VARIANTS: Mapping[str, tuple[str, ...]] = {
    "blind": BLIND_VARIANTS,
    "attended": ATTENDED_VARIANTS,
    "makecall": outgoing.MAKECALL_VARIANTS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One kind of call. `weight` is its share in random traffic."""

    act: Callable[[Stage], Coroutine[object, object, None]]
    cast: Cast
    direction: Direction = Direction.INBOUND
    weight: int = 1


_HUNT = Cast(extension="117", talk=4.2)
_ALL = Cast(group="841", extension="117", talk=5.2)
_OUT = Cast(extension="117", talk=5.2, trunk="10007")
_MAKECALL = Cast(extension="117", talk=4.2, trunk="10007")
_GET_IN = Cast(
    number="420774852629", trunk="10007", did="420222000320", queue="804", extension="102", colleague="103", talk=7.2
)
_GET_OUT = Cast(number="420774852629", trunk="10007", extension="102", talk=6.2)
_TRANSFER = Cast(extension="117", talk=14.2, transferred_talk=6.2)
_BLIND = Cast(extension="117", talk=5.2, transferred_talk=4.2)

SCENARIOS: Mapping[str, Scenario] = {
    "incoming-answered": Scenario(act=incoming.answered, cast=Cast(), weight=30),
    "incoming-attended-transfer": Scenario(act=incoming.attended, cast=_TRANSFER, weight=6),
    "incoming-blind-transfer": Scenario(act=incoming.blind, cast=_BLIND, weight=6),
    "incoming-missed": Scenario(act=incoming.missed, cast=Cast(), weight=10),
    "incoming-ring-group-hunt": Scenario(act=incoming.group_hunt, cast=_HUNT, weight=5),
    "incoming-ring-group-hunt-missed": Scenario(act=incoming.group_hunt_missed, cast=_HUNT, weight=2),
    "incoming-ring-group-ring-all": Scenario(act=incoming.group_ring_all, cast=_ALL, weight=5),
    "incoming-ring-group-ring-all-missed": Scenario(act=incoming.group_ring_all_missed, cast=_ALL, weight=2),
    "outgoing-answered": Scenario(act=outgoing.answered, cast=_OUT, direction=Direction.OUTBOUND, weight=15),
    "outgoing-missed": Scenario(act=outgoing.missed, cast=_OUT, direction=Direction.OUTBOUND, weight=5),
    "makecall-answered": Scenario(
        act=outgoing.makecall_answered, cast=_MAKECALL, direction=Direction.OUTBOUND, weight=3
    ),
    "makecall-missed": Scenario(act=outgoing.makecall_missed, cast=_MAKECALL, direction=Direction.OUTBOUND, weight=1),
    "get-incoming-answered": Scenario(act=incoming.answered, cast=_GET_IN, weight=10),
    "get-incoming-missed": Scenario(act=incoming.missed, cast=_GET_IN, weight=4),
    "get-outgoing-answered": Scenario(act=outgoing.answered, cast=_GET_OUT, direction=Direction.OUTBOUND, weight=4),
    "get-outgoing-missed": Scenario(act=outgoing.missed, cast=_GET_OUT, direction=Direction.OUTBOUND),
    "incoming-queue-hunt": Scenario(act=incoming.queue_hunt, cast=Cast(colleague="117"), weight=4),
    "incoming-queue-ring-all": Scenario(
        act=incoming.queue_ring_all, cast=Cast(queue="816", members=("101", "102")), weight=4
    ),
    "incoming-consultation": Scenario(act=incoming.consulted, cast=_TRANSFER, weight=2),
    "incoming-transfer-chain": Scenario(
        act=incoming.chained, cast=Cast(extension="117", members=("118",), talk=5.2, transferred_talk=5.2), weight=0
    ),
    "incoming-direct": Scenario(act=incoming.direct, cast=Cast(), weight=6),
    "incoming-voicemail": Scenario(act=incoming.voicemail, cast=Cast(talk=3.2), weight=2),
    "internal-answered": Scenario(act=outgoing.internal, cast=Cast(), direction=Direction.INTERNAL, weight=4),
}


def find_scenario(name: str) -> Scenario:
    """The scenario of that name; ValueError that lists the known ones."""
    scenario = SCENARIOS.get(name)
    if scenario is None:
        raise ValueError(f"unknown scenario {name!r}; known: {', '.join(SCENARIOS)}")
    return scenario


def parse_variants(names: Sequence[str]) -> dict[str, str]:
    """From `blind:returns` to {"blind": "returns"}; ValueError for one that does not exist."""
    chosen: dict[str, str] = {}
    for name in names:
        kind, _, variant = name.partition(":")
        if variant not in VARIANTS.get(kind, ()):
            known = ", ".join(f"{kind}:{variant}" for kind, variants in VARIANTS.items() for variant in variants)
            raise ValueError(f"unknown variant {name!r}; known: {known}")
        chosen[kind] = variant
    return chosen
