"""A numbering plan as lines and back: `kind extension 100..120,202`, `visible …`, `did …`, `rule …`, `named …`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.monitor.calls.numbering import NumberingPlan
from services.monitor.scenario.notation import ScenarioError
from switchhook.events import DnKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from services.monitor.scenario.notation import Words

_LEAST_RANGE = 3
_MOST_DNS = 100_000  # of one range


def default_plan(hidden: Iterable[str] = ()) -> NumberingPlan:
    """IVR 800, queue 820, ring group 840, voicemail 666, trunk 10007, extensions 100 to 119 and 200 to 209."""
    kinds = {
        "800": DnKind.IVR,
        "820": DnKind.QUEUE,
        "840": DnKind.RING_GROUP,
        "666": DnKind.VOICEMAIL,
        "10007": DnKind.TRUNK,
    }
    kinds |= {str(number): DnKind.EXTENSION for number in (*range(100, 120), *range(200, 210))}
    return NumberingPlan(kinds=kinds, visible=frozenset(kinds) - set(hidden) - {"840", "666", "10007"})


def plan_lines(plan: NumberingPlan) -> Iterator[str]:
    """The lines of a plan; its DNs and names must be free of blanks and commas."""
    for kind in DnKind:
        dns = [dn for dn, own in plan.kinds.items() if own is kind]
        if dns:
            yield f"kind {kind} {_listed(dns)}"
    if plan.visible:
        yield f"visible {_listed(plan.visible)}"
    for trunk, dids in plan.trunk_dids.items():
        if dids:
            yield f"did {trunk} {','.join(dids)}"
    for word, names in (("rule", plan.rule_names), ("named", plan.configured_names)):
        yield from (f"{word} {number} {name}" for number, name in names.items())


def plan_of(lines: Sequence[Words]) -> NumberingPlan:
    """The plan that the lines tell. Raises `ScenarioError`."""
    kinds: dict[str, DnKind] = {}
    visible: set[str] = set()
    dids: dict[str, tuple[str, ...]] = {}
    rules: dict[str, str] = {}
    named: dict[str, str] = {}
    for line in lines:
        match line.plain:
            case ("kind", kind, dns) if kind in set(DnKind):
                kinds |= dict.fromkeys(_dns(dns), DnKind(kind))
            case ("visible", dns):
                visible |= set(_dns(dns))
            case ("did", trunk, numbers):
                dids[trunk] = tuple(numbers.split(","))
            case ("rule", number, name):
                rules[number] = name
            case ("named", number, name):
                named[number] = name
            case _:
                raise ScenarioError(f"no line of a plan: {' '.join(line.plain)}")
    return NumberingPlan(
        kinds=kinds, visible=frozenset(visible), trunk_dids=dids, rule_names=rules, configured_names=named
    )


def _listed(dns: Iterable[str]) -> str:
    """DNs, numbers in order and three or more neighbours as a range."""
    plain = sorted({int(dn) for dn in dns if _is_plain(dn)})
    words: list[str] = []
    run: list[int] = []
    for number in [*plain, None]:
        if run and number != run[-1] + 1:
            words += [f"{run[0]}..{run[-1]}"] if len(run) >= _LEAST_RANGE else map(str, run)
            run = []
        if number is not None:
            run.append(number)
    return ",".join((*words, *sorted(dn for dn in dns if not _is_plain(dn))))


def _dns(text: str) -> Iterator[str]:
    for word in text.split(","):
        first, dots, last = word.partition("..")
        if not dots:
            yield word
        elif _is_plain(first) and _is_plain(last) and 0 <= int(last) - int(first) < _MOST_DNS:
            yield from map(str, range(int(first), int(last) + 1))
        else:
            raise ScenarioError(f"no range of DNs: {word}")


def _is_plain(dn: str) -> bool:
    return dn.isascii() and dn.isdigit() and not dn.startswith("0") and len(dn) <= 18  # noqa: PLR2004 - fits an int64
