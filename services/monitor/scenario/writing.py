"""Writes what the PBX shows as lines of a scenario, masked. Pure: it is told the moments, and gives back text.

Everything that the tracker is told has a line of its own, in the order in which it is told; what it is not told (frames
of other kinds, answers to requests, the loss of the connection) is noted in lines that say nothing to it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from services.monitor.calls.numbering import NumberingPlan
from services.monitor.payloads import rows
from services.monitor.scenario.masked import masked_participant, masked_segment
from services.monitor.scenario.notation import block, fact, seconds
from services.monitor.scenario.plans import plan_lines
from services.monitor.scenario.shown import participant_words, row_words, segment_words
from services.monitor.unknowns import presentable
from services.monitor.vocabulary import ACTIVE_CALL_FIELDS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime, timedelta

    from services.monitor.calls.legs import ActiveCall, LegKey
    from services.monitor.scenario.masking import Mask


class Writing:
    """The lines of one capture that began at `start`."""

    def __init__(self, mask: Mask, start: datetime) -> None:
        self._mask = mask
        self._start = start

    def head(self, title: str, *, timezone: str, grace: timedelta, report_internal: bool) -> str:
        """What stands before the first line."""
        lines = [f"# {title}", f"start {self._start.isoformat(timespec='microseconds')}", f"timezone {timezone}"]
        lines.append(f"grace {grace.total_seconds()}")
        if report_internal:
            lines.append("internal")
        return "\n".join((*lines, "frames", ""))

    def plan(self, plan: NumberingPlan, at: datetime) -> str:
        """What was read of the directory."""
        mask = self._mask
        mask.knows(plan.kinds.keys() | plan.visible)
        masked = NumberingPlan(
            kinds={mask.dn(dn): kind for dn, kind in plan.kinds.items()},
            visible=frozenset(map(mask.dn, plan.visible)),
            trunk_dids={mask.dn(dn): tuple(map(mask.rule, dids)) for dn, dids in plan.trunk_dids.items()},
            rule_names={mask.rule(number): mask.name(name) for number, name in plan.rule_names.items()},
            configured_names={mask.rule(number): mask.name(name) for number, name in plan.configured_names.items()},
        )
        return block(self._line(at, "plan"), plan_lines(masked))

    def upsert(self, shown: Mapping[str, Any], at: datetime) -> str:
        """A leg as it was read."""
        return self._line(at, "upsert", participant_words(masked_participant(self._mask, shown))) + "\n"

    def remove(self, key: LegKey, at: datetime) -> str:
        """A leg is gone."""
        return self._line(at, "remove", f"{self._mask.dn(key[0])}/{key[1]}") + "\n"

    def snapshot(
        self,
        legs: Sequence[Mapping[str, Any]],
        active: Sequence[ActiveCall],
        raw: Mapping[int, Mapping[str, Any]],
        *,
        at: datetime,
        asked_at: datetime,
        lost_at: datetime | None,
    ) -> str:
        """All legs that there are; `active` are the rows that were read with them."""
        head = self._line(at, "snapshot", fact("asked", self._seconds(asked_at)))
        if lost_at is not None:
            head += " " + fact("lost", self._seconds(lost_at))
        shown = [f"leg {participant_words(masked_participant(self._mask, leg))}" for leg in legs]
        return block(head, [*shown, *self._rows(active, raw)])

    def asked(
        self,
        numbers: Collection[int],
        active: Sequence[ActiveCall] | None,
        raw: Mapping[int, Mapping[str, Any]],
        *,
        at: datetime,
        asked_at: datetime,
    ) -> str:
        """The answer to whether these calls live."""
        told = ",".join(map(str, numbers))
        head = self._line(at, "asked", fact("numbers", told), fact("asked", self._seconds(asked_at)))
        return head + " silent\n" if active is None else block(head, self._rows(active, raw))

    def active(
        self, active: Sequence[ActiveCall], raw: Mapping[int, Mapping[str, Any]], *, at: datetime, asked_at: datetime
    ) -> str:
        """The list of active calls."""
        return block(self._line(at, "active", fact("asked", self._seconds(asked_at))), self._rows(active, raw))

    def log(
        self,
        segments: Sequence[Mapping[str, Any]],
        shown: Collection[LegKey],
        *,
        at: datetime,
        since: datetime,
        ahead: timedelta,
    ) -> str:
        """Rows of the call log, told before a snapshot with the legs in `shown`."""
        keys = ",".join(f"{self._mask.dn(dn)}/{number}" for dn, number in shown)
        facts = (
            fact("since", self._seconds(since)),
            fact("ahead", f"{ahead.total_seconds():.6f}"),
            fact("shown", keys),
        )
        masked = (segment_words(masked_segment(self._mask, row)) for row in segments)
        return block(self._line(at, "log", *facts), masked)

    def answer(self, path: str, answer: object, at: datetime) -> str:
        """That a request was answered; what the answer says stands where the tracker is told of it."""
        count = len(answer) if isinstance(answer, list) else len(rows(answer))
        return self._line(at, "answer", self._place(path), "200", fact("rows", count)) + "\n"

    def refusal(self, path: str, reason: str, at: datetime) -> str:
        """That a request was not answered, or refused."""
        return self._line(at, "answer", self._place(path), reason) + "\n"

    def frame(self, event_type: int, entity: str, attached: object, at: datetime) -> str:
        """A frame that tells nothing of a leg; of what is attached to it only the names stay."""
        names = [presentable(name) for name in attached] if isinstance(attached, dict) else []
        return self._line(at, "frame", str(event_type), self._entity(entity), *names) + "\n"

    def unreadable(self, what: str, at: datetime) -> str:
        """A message or a participant that could not be read."""
        return self._line(at, "unreadable", what) + "\n"

    def note(self, verb: str, at: datetime, *words: str) -> str:
        """Any other thing that happened."""
        return self._line(at, verb, *words) + "\n"

    def _rows(self, active: Sequence[ActiveCall], raw: Mapping[int, Mapping[str, Any]]) -> list[str]:
        return [row_words(self._row(row), self._start, more=self._more(raw.get(row.number, {}))) for row in active]

    def _row(self, row: ActiveCall) -> ActiveCall:
        mask = self._mask
        return replace(
            row,
            caller_dn=mask.dn(row.caller_dn),
            caller_number=mask.party(row.caller_number),
            callee_dn=mask.dn(row.callee_dn),
            callee_number=mask.party(row.callee_number),
        )

    def _more(self, raw: Mapping[str, Any]) -> dict[str, str]:
        """The fields of a row that the tracker does not look at."""
        more = {"status": self._mask.word(str(raw["Status"]))} if raw.get("Status") else {}
        unknown = {name: value for name, value in raw.items() if name not in ACTIVE_CALL_FIELDS}
        return more | {f"+{presentable(name)}": self._mask.unknown(value) for name, value in unknown.items()}

    def _place(self, path: str) -> str:
        place = path.partition("(")[0]
        return self._entity(place) if place.startswith("/callcontrol/") else place

    def _entity(self, entity: str) -> str:
        """A path of call control, without what may be the address of a device."""
        parts = entity.split("/")[1:4]
        kept = [parts[0] if parts[0] == "callcontrol" else "…"] if parts else ["…"]
        kept += [self._mask.dn(part) for part in parts[1:2]]
        kept += [part if part in ("participants", "devices") else "…" for part in parts[2:3]]
        return "/" + "/".join(kept)

    def _seconds(self, at: datetime) -> str:
        return seconds(at, self._start)

    def _line(self, at: datetime, verb: str, *words: str) -> str:
        return " ".join((self._seconds(at), verb, *words))
