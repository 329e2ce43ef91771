"""The numbering plan of one PBX: what stands behind each DN, and what each outside number is called."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from switchhook.events import DnKind

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberingPlan:
    """`visible` are the DNs whose legs the PBX shows to this client; `trunk_dids` the outside numbers of each trunk.

    `rule_names` are the names of inbound rules by outside number, as the PBX has them; `configured_names` the
    operator's own, for numbers without a rule.
    """

    kinds: Mapping[str, DnKind] = field(default_factory=dict)
    visible: frozenset[str] = frozenset()
    trunk_dids: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rule_names: Mapping[str, str] = field(default_factory=dict)
    configured_names: Mapping[str, str] = field(default_factory=dict)
    hidden: frozenset[str] = field(init=False)
    """The queues and IVRs whose legs the PBX does not show to this client."""

    def __post_init__(self) -> None:
        """Finds the hidden ones once: every row of the active calls is asked after them."""
        routing = {dn for dn, kind in self.kinds.items() if kind in (DnKind.QUEUE, DnKind.IVR)}
        object.__setattr__(self, "hidden", frozenset(routing - self.visible))

    def kind_of(self, dn: str) -> DnKind:
        """The kind of a DN; `UNKNOWN` for one that the plan does not have."""
        return self.kinds.get(dn, DnKind.UNKNOWN)

    def did_name(self, did: str, *, trunk: str) -> str:
        """The name of the outside number that was dialled; empty when it cannot be known.

        A PBX seldom shows the number on an extension's leg. Where the trunk has only one, it is that one.
        """
        if not did:
            dids = self.trunk_dids.get(trunk, ())
            if len(dids) != 1:
                return ""
            did = dids[0]
        return _lookup(self.rule_names, did) or _lookup(self.configured_names, did) or did


def _lookup(names: Mapping[str, str], did: str) -> str:
    """The name of a number, however many of its leading signs (`+`, `00`) the PBX shows.

    An inbound rule may give only the end of its number, after an asterisk.
    """
    name = names.get(did)
    if name is not None:
        return name
    bare = did.lstrip("+0")
    for pattern, name in names.items():
        end = pattern.lstrip("*+0")
        if end and (bare == end or (pattern.startswith("*") and bare.endswith(end))):
            return name
    return ""
