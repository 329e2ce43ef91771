"""Reads a PBX's numbering plan: which DNs there are and of what kind, and what its outside numbers are called."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from services.monitor.calls.numbering import NumberingPlan
from services.monitor.payloads import peer_kind, rows, visible_dns
from switchhook.errors import PbxAnswer, PbxForbidden, PbxNotFound
from switchhook.events import DnKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from switchhook.pbx.session import PbxSession

log = logging.getLogger(__name__)

_PAGE = 100  # rows; the PBX refuses more on some collections
_MOST_ROWS = 100_000  # more than any PBX has: one that begins again at every page must come to an end


async def read_numbering_plan(
    session: PbxSession, *, visible: object, configured_names: Mapping[str, str]
) -> tuple[NumberingPlan, str | None]:
    """The plan, and a sentence about what could not be read for want of a right (None when all was).

    `visible` is the answer to GET /callcontrol, which tells the DNs that the client sees.
    """
    seen = visible_dns(visible)
    denied: str | None = None
    peers: list[Mapping[str, Any]] = []
    trunks: list[Mapping[str, Any]] = []
    rules: list[Mapping[str, Any]] = []
    try:
        peers = await _read_all(session, "/xapi/v1/Peers")
        trunks = await _read_all(session, "/xapi/v1/Trunks")
        rules = await _read_all(session, "/xapi/v1/InboundRules")
    except (PbxForbidden, PbxNotFound, PbxAnswer) as error:
        denied = str(error)
    kinds = {str(peer["Number"]): peer_kind(peer.get("Type")) for peer in peers if peer.get("Number")}
    kinds |= {dn: kind for dn, kind in seen.items() if kind is not DnKind.UNKNOWN or dn not in kinds}
    kinds |= {str(trunk["Number"]): DnKind.TRUNK for trunk in trunks if trunk.get("Number")}
    plan = NumberingPlan(
        kinds=kinds,
        visible=frozenset(seen),
        trunk_dids={str(trunk["Number"]): _dids(trunk) for trunk in trunks if trunk.get("Number")},
        rule_names={
            str(rule["Data"]): str(rule["RuleName"])
            for rule in rules
            if rule.get("Data") and rule.get("RuleName") and rule.get("Condition") == "BasedOnDID"
        },
        configured_names=configured_names,
    )
    return plan, denied


def _dids(trunk: Mapping[str, Any]) -> tuple[str, ...]:
    numbers = trunk.get("DidNumbers")
    return tuple(str(number) for number in numbers) if isinstance(numbers, list) else ()


async def _read_all(session: PbxSession, path: str) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    while len(found) < _MOST_ROWS:
        page = rows(await session.get_json(path, {"$top": str(_PAGE), "$skip": str(len(found))}))
        found += page
        if len(page) < _PAGE:
            break
    return found
