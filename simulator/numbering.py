"""The numbers of the PBX: extensions, queues, IVRs, ring groups, trunks and the DIDs that lead in.

The plan is fixed apart from the extra extensions, so that scenarios and tests can name numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class DnKind(StrEnum):
    """The vendor's class names, as `type` and `party_dn_type` show them."""

    NONE = "None"
    EXTENSION = "Wextension"
    QUEUE = "Wqueue"
    IVR = "Wivr"
    RING_GROUP = "Wringgroup"
    SPECIAL_MENU = "Wspecialmenu"
    PARKING = "Wparkextension"
    ROUTE_POINT = "Wroutepoint"
    TRUNK = "Wexternalline"
    UNKNOWN = "Wholographicplace"


PEER_TYPES: Mapping[DnKind, str] = {
    DnKind.NONE: "None",
    DnKind.EXTENSION: "Extension",
    DnKind.QUEUE: "Queue",
    DnKind.IVR: "IVR",
    DnKind.RING_GROUP: "RingGroup",
    DnKind.SPECIAL_MENU: "SpecialMenu",
    DnKind.PARKING: "Parking",
    DnKind.ROUTE_POINT: "RoutePoint",
    DnKind.TRUNK: "ExternalLine",
    DnKind.UNKNOWN: "None",
}

VOICEMAIL = "666"
UNKNOWN_DN = "790"
CALL_ROUTER = "ROUTER"

_FIRST_NAMES = ("Anna", "Boris", "Clara", "David", "Eva", "Filip", "Greta", "Hugo", "Ida", "Jan", "Klara", "Leo")
_LAST_NAMES = ("Novak", "Muster", "Dvorak", "Keller", "Brandt", "Horak", "Vogel", "Kral", "Lang", "Maly", "Urban")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dn:
    """One directory number."""

    id: int
    number: str
    kind: DnKind
    name: str
    members: tuple[str, ...] = ()
    strategy: str = ""

    @property
    def first_name(self) -> str:
        return self.name.partition(" ")[0]

    @property
    def last_name(self) -> str:
        return self.name.partition(" ")[2]

    @property
    def device_id(self) -> str:
        """The SIP contact of its only phone; empty for what has none."""
        if self.kind in {DnKind.EXTENSION, DnKind.ROUTE_POINT}:
            return f"sip:{self.number}@127.0.0.1:{5060 + self.id % 1000};rinstance=a{self.id:x}"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Did:
    """An outside number and the inbound rule that it triggers."""

    number: str
    rule: str
    destination: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """A line to the outside. It is a DN as well."""

    id: int
    number: str
    name: str
    dids: tuple[Did, ...]


class Directory:
    """Every number of one PBX; never changes while it runs."""

    def __init__(self, *, extensions: int, client_id: str) -> None:
        self.trunks = _trunks()
        self.by_number: dict[str, Dn] = {dn.number: dn for dn in _plan(extensions, client_id)}
        self.client = self.by_number[client_id]

    def of_kind(self, *kinds: DnKind) -> list[Dn]:
        return [dn for dn in self.by_number.values() if dn.kind in kinds]

    def kind(self, number: str) -> DnKind:
        dn = self.by_number.get(number)
        return dn.kind if dn is not None else DnKind.NONE

    def name(self, number: str) -> str:
        dn = self.by_number.get(number)
        return dn.name if dn is not None else ""

    def default_monitored(self) -> set[str]:
        """What an administrator can choose for an API client: ring groups are not among it."""
        chosen = self.of_kind(DnKind.EXTENSION, DnKind.QUEUE, DnKind.IVR)
        return {dn.number for dn in chosen}


def _trunks() -> tuple[Trunk, ...]:
    return (
        Trunk(
            id=401,
            number="10007",
            name="Provider A",
            dids=(Did(number="420222000320", rule="DID-420222000320", destination="800"),),
        ),
        Trunk(
            id=402,
            number="10008",
            name="Provider B",
            dids=(
                Did(number="420222000330", rule="Main number", destination="800"),
                Did(number="420222000331", rule="Support", destination="820"),
            ),
        ),
    )


def _plan(extensions: int, client_id: str) -> Iterator[Dn]:
    numbers = [*(str(n) for n in range(100, 121)), "202", "204", *(str(1000 + n) for n in range(extensions))]
    ids = iter(range(501, 501 + len(numbers)))
    for place, number in enumerate(numbers):
        name = f"{_FIRST_NAMES[place % len(_FIRST_NAMES)]} {_LAST_NAMES[place % len(_LAST_NAMES)]}"
        yield Dn(id=next(ids), number=number, kind=DnKind.EXTENSION, name=name)
    yield Dn(id=21, number="800", kind=DnKind.IVR, name="Main Menu")
    queues = (("804", ("102", "103")), ("816", ("101", "102")), ("820", ("202", "117")))
    for place, (number, agents) in enumerate(queues):
        strategy = "RingAll" if number == "816" else "Hunt"
        name = ("Sales Queue", "Team Queue", "Support Queue")[place]
        yield Dn(id=31 + place, number=number, kind=DnKind.QUEUE, name=name, members=agents, strategy=strategy)
    members = ("117", "204")
    yield Dn(id=41, number="840", kind=DnKind.RING_GROUP, name="Hunt Group", members=members, strategy="Hunt")
    yield Dn(id=42, number="841", kind=DnKind.RING_GROUP, name="All Group", members=members, strategy="RingAll")
    yield Dn(id=51, number=VOICEMAIL, kind=DnKind.SPECIAL_MENU, name="Voicemail Menu")
    yield Dn(id=52, number="SP0", kind=DnKind.PARKING, name="Shared Parking 0")
    yield Dn(id=53, number=UNKNOWN_DN, kind=DnKind.UNKNOWN, name="Holographic Place")
    for trunk in _trunks():
        yield Dn(id=trunk.id, number=trunk.number, kind=DnKind.TRUNK, name=trunk.name)
    yield Dn(id=61, number=client_id, kind=DnKind.ROUTE_POINT, name=client_id)
