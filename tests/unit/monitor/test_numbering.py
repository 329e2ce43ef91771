"""What the outside number that was dialled is called, however the PBX writes it."""

from __future__ import annotations

import pytest

from services.monitor.calls.numbering import NumberingPlan
from switchhook.events import DnKind

PLAN = NumberingPlan(
    kinds={"800": DnKind.IVR, "820": DnKind.QUEUE, "10007": DnKind.TRUNK},
    visible=frozenset({"800"}),
    trunk_dids={"10007": ("420222000320",), "10008": ("420222000321", "420222000322")},
    rule_names={"*420222000320": "Main line", "420222000321": "Sales", "*0322": "Support"},
    configured_names={"420222000320": "configured", "420222000399": "Fax"},
)


@pytest.mark.parametrize(
    ("did", "trunk", "name"),
    [
        ("420222000321", "10008", "Sales"),
        ("+420222000321", "10008", "Sales"),
        ("00420222000321", "10008", "Sales"),
        ("420222000322", "10008", "Support"),
        ("420222000320", "10008", "Main line"),
        ("420222000399", "10008", "Fax"),
        ("420222000398", "10008", "420222000398"),
        ("", "10007", "Main line"),
        ("", "10008", ""),
        ("", "10009", ""),
    ],
)
def test_the_rule_names_it_else_the_operator_else_its_number(did: str, trunk: str, name: str) -> None:
    assert PLAN.did_name(did, trunk=trunk) == name


def test_a_dn_outside_the_plan_is_of_unknown_kind() -> None:
    assert PLAN.kind_of("999") is DnKind.UNKNOWN


def test_a_queue_that_the_client_does_not_see_is_hidden() -> None:
    kinds = {"820": DnKind.QUEUE, "800": DnKind.IVR, "202": DnKind.EXTENSION}
    assert NumberingPlan(kinds=kinds, visible=frozenset({"800"})).hidden == {"820"}
