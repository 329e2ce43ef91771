"""What a scenario works with: one call, its cast, scenario time, and the moves that legs make.

A stage knows how the outside party and the extensions are shown to each other, which texts the call log carries,
and where the faults that concern legs strike. It does not know any sequence of moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from simulator.exchange import Entry, Exchange
from simulator.faults import Fault, Faults
from simulator.model import NOBODY, Call, CallState, Direction, DnRef, Leg, LegStatus, Party
from simulator.numbering import CALL_ROUTER, UNKNOWN_DN, Directory, DnKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.clock import Clock

_PHANTOM_TIME = 0.2
_ROUTER = DnRef(CALL_ROUTER, DnKind.ROUTE_POINT)
_DID_SHOWN = frozenset({DnKind.IVR, DnKind.QUEUE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who takes part, and how long they talk (seconds at speed 1). An empty `did`: the PBX does not tell."""

    number: str = "05552221133"
    trunk: str = "10008"
    did: str = ""
    ivr: str = "800"
    queue: str = "820"
    group: str = "840"
    extension: str = "202"
    colleague: str = "204"
    members: tuple[str, ...] = ("117", "204")
    talk: float = 6.2
    transferred_talk: float = 4.2


class CastChanges(TypedDict, total=False):
    """Fields of a cast that one play has differently."""

    number: str
    trunk: str
    did: str
    ivr: str
    queue: str
    group: str
    extension: str
    colleague: str
    members: tuple[str, ...]
    talk: float
    transferred_talk: float


class Equipment:
    """What all stages of one PBX share."""

    def __init__(self, exchange: Exchange, faults: Faults, clock: Clock) -> None:
        self.exchange = exchange
        self.faults = faults
        self.clock = clock

    @property
    def directory(self) -> Directory:
        return self.exchange.directory


class Stage:
    """One call being played."""

    def __init__(self, equipment: Equipment, call: Call, cast: Cast, *, variants: Mapping[str, str]) -> None:
        self.exchange = equipment.exchange
        self.faults = equipment.faults
        self.call = call
        self.cast = cast
        self.opened = [call]
        self._directory = equipment.directory
        self._clock = equipment.clock
        self._variants = variants
        self._phantoms: list[Leg] = []

    async def wait(self, seconds: float) -> None:
        await self._clock.sleep(seconds / self.call.speed)

    async def ringing(self, seconds: float) -> None:
        """Let phones ring; second devices of an extension give up first."""
        if self._phantoms:
            await self.wait(min(_PHANTOM_TIME, seconds))
            self._drop_phantoms()
            seconds = max(seconds - _PHANTOM_TIME, 0.0)
        await self.wait(seconds)

    def variant(self, kind: str, default: str) -> str:
        return self._variants.get(kind, default)

    # How parties are shown

    def inside(self, dn: str) -> Party:
        return inside_party(self._directory, dn)

    @property
    def outside(self) -> Party:
        """The outside party; of an internal call, who called."""
        return self.call.outside if self.call.outside is not None else self.inside(self.cast.extension)

    def seen_by(self, dn: str) -> Party:
        """The outside party as the legs of that DN show it."""
        party = self.outside
        shown = self._directory.kind(dn) in _DID_SHOWN or self.faults.on(Fault.PARTY_DID)
        if shown and self.cast.did:
            return Party(dn=party.dn, kind=party.kind, number=party.number, name=party.name, did=self.cast.did)
        return party

    def label(self, dn: str) -> str:
        return f"{dn} {self._directory.name(dn)}"

    def show(self, state: CallState, callee: str | None = None) -> None:
        self.exchange.show(self.call, state, callee=self.label(callee) if callee is not None else None)

    # Texts of the call log

    def ended_by_outside(self) -> str:
        party = self.outside
        return f"Ended by {party.name or party.number} ({party.number})"

    def ended_by(self, dn: str) -> str:
        return f"Ended by {self._directory.name(dn)} ({dn})"

    def replaced(self, dn: str, by: str) -> str:
        names = self._directory
        return f"{names.name(dn)} ({dn}) was replaced by {names.name(by)} ({by})"

    # Moves

    def place(self, dn: str, status: LegStatus, *, referred_by: str = "", on_behalf_of: str = "") -> Leg:
        """A DN of the PBX comes into the call, with a row of the call log."""
        return self.exchange.enter(self.call, self._entry(dn, status, referred_by, on_behalf_of, logged=True))

    def ring(self, dn: str, *, referred_by: str = "", on_behalf_of: str = "") -> Leg:
        """An extension starts to ring."""
        bare = self._entry(dn, LegStatus.RINGING, referred_by, on_behalf_of, logged=False)
        if self.faults.strikes(Fault.GONE_WHEN_READ):
            self.exchange.leave(self.exchange.enter(self.call, bare), "")
        leg = self.place(dn, LegStatus.RINGING, referred_by=referred_by, on_behalf_of=on_behalf_of)
        if self.faults.strikes(Fault.PHANTOM_LEGS):
            self._phantoms.append(self.exchange.enter(self.call, bare))
        return leg

    async def stray(self) -> None:
        """With the fault, something that no client has heard of takes part for a moment."""
        if self.faults.on(Fault.UNKNOWN_KIND):
            entry = Entry(dn=UNKNOWN_DN, status=LegStatus.UNKNOWN, party=self.outside)
            leg = self.exchange.enter(self.call, entry)
            await self.wait(_PHANTOM_TIME)
            self.exchange.leave(leg, "")

    def pick_up(self, leg: Leg, *, losers: tuple[Leg, ...] = ()) -> None:
        """A ringing extension answers; the others stop ringing."""
        self._drop_phantoms()
        self.exchange.connect(leg)
        for loser in losers:
            self.leave(loser, f"Answered by {self._directory.name(leg.dn)} ({leg.dn})")
        self.show(CallState.TALKING, leg.dn)

    def leave(self, leg: Leg, reason: str) -> None:
        talking = leg.participant.status is LegStatus.CONNECTED and leg.participant.id in leg.call.legs
        if talking and self._directory.kind(leg.dn) is DnKind.EXTENSION and self.faults.strikes(Fault.GONE_WHEN_READ):
            self.exchange.repeat(leg)
        self.exchange.leave(leg, reason)

    def end(self, reason: str) -> None:
        """Everybody hangs up, in the order in which they came."""
        self._drop_phantoms()
        for leg in list(self.call.legs.values()):
            self.leave(leg, reason)
        self.exchange.close(self.call, reason)

    def consult(self, caller: str, callee: str) -> tuple[Call, Leg, Leg]:
        """`caller` calls a colleague in a second call: that call, the caller's leg, the colleague's leg."""
        label = self.label(caller)
        consultation = self.exchange.open_call(Direction.INTERNAL, outside=None, caller=label)
        consultation.speed, consultation.halt = self.call.speed, self.call.halt
        consultation.hidden = self.call.hidden
        self.opened.append(consultation)
        caller_leg, callee_leg = call_inside(self.exchange, consultation, caller=caller, callee=callee)
        return consultation, caller_leg, callee_leg

    def _entry(self, dn: str, status: LegStatus, referred_by: str, on_behalf_of: str, *, logged: bool) -> Entry:
        silent = self.faults.on(Fault.NO_REFERRED_BY)
        return Entry(
            dn=dn,
            status=status,
            party=self.seen_by(dn),
            originated_by=_ROUTER,
            referred_by=self._ref("" if silent else referred_by),
            on_behalf_of=self._ref(on_behalf_of),
            source=self.outside if logged else None,
            destination=self.inside(dn) if logged else None,
        )

    def _ref(self, dn: str) -> DnRef:
        return DnRef(dn, self._directory.kind(dn)) if dn else NOBODY

    def _drop_phantoms(self) -> None:
        for leg in self._phantoms:
            self.exchange.leave(leg, "")
        self._phantoms.clear()


def inside_party(directory: Directory, dn: str) -> Party:
    """A DN of the PBX as the other side sees it."""
    return Party(dn=dn, kind=directory.kind(dn), number=dn, name=directory.name(dn))


def call_inside(exchange: Exchange, call: Call, *, caller: str, callee: str) -> tuple[Leg, Leg]:
    """One extension dials another: the caller's leg and the ringing one, of which the call log has one row."""
    source, destination = inside_party(exchange.directory, caller), inside_party(exchange.directory, callee)
    dialing = exchange.enter(call, Entry(dn=caller, status=LegStatus.DIALING, party=destination))
    ringing = Entry(dn=callee, status=LegStatus.RINGING, party=source, source=source, destination=destination)
    leg = exchange.enter(call, ringing)
    exchange.show(call, CallState.ROUTING, callee=f"{callee} {destination.name}")
    return dialing, leg
