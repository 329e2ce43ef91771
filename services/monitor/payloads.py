"""The vendor's JSON, read once into values that cannot be wrong afterwards.

Tolerant of what is unknown, strict on what is needed: a new field is ignored, a new status or kind becomes `UNKNOWN`,
a participant without id, DN or call number is an error that names the field.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Any, TypeGuard

from services.monitor.calls.legs import ActiveCall, Leg, LegKey, LegStatus
from switchhook.events import DnKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from services.monitor.calls.numbering import NumberingPlan

_ENTITY = re.compile(r"/callcontrol/(?P<dn>[^/]{1,64})/participants/(?P<id>[0-9]{1,10})")
_NUMBER_IN_BRACKETS = re.compile(r"\(([^()]*)\)\s*$")
_LONGEST_DN = 64  # characters
_LONGEST_TEXT = 256  # characters that are kept of any other text
_HIGHEST_NUMBER = 2**31 - 1  # the vendor's numbers of calls and participants have 32 bits, and so has our storage
_YEARS = range(1990, 2200)  # a time outside of these is a mistake, and calculating with it may overflow
_KIND_BY_CLASS = {
    "wextension": DnKind.EXTENSION,
    "wexternalline": DnKind.TRUNK,
    "wroutepoint": DnKind.ROUTE_POINT,
    "wqueue": DnKind.QUEUE,
    "wivr": DnKind.IVR,
    "wspecialmenu": DnKind.VOICEMAIL,
    "wringgroup": DnKind.RING_GROUP,
}
_CLASS_BY_KIND = {kind: name.capitalize() for name, kind in _KIND_BY_CLASS.items()}
_KIND_BY_PEER_TYPE = {
    "extension": DnKind.EXTENSION,
    "queue": DnKind.QUEUE,
    "ringgroup": DnKind.RING_GROUP,
    "ivr": DnKind.IVR,
    "specialmenu": DnKind.VOICEMAIL,
    "externalline": DnKind.TRUNK,
    "routepoint": DnKind.ROUTE_POINT,
}


class PayloadError(Exception):
    """The PBX sent something that cannot be read; the message names the field, never its value."""


class FrameType(IntEnum):
    """The vendor's event types that matter here."""

    UPSERT = 0
    REMOVE = 1
    RESPONSE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One message of the websocket: what happened to which leg; `key` is None for an entity that is no leg."""

    type: int
    entity: str
    key: LegKey | None
    attached: Mapping[str, Any] | None


def read_frame(message: object) -> Frame:
    """The envelope of a websocket message, already decoded from JSON."""
    event = message.get("event") if isinstance(message, dict) else None
    if not isinstance(event, dict) or not isinstance(event.get("event_type"), int):
        raise PayloadError("websocket message without event.event_type")
    entity = told[:_LONGEST_TEXT] if isinstance(told := event.get("entity"), str) else ""
    match = _ENTITY.fullmatch(entity)
    attached = event.get("attached_data")
    return Frame(
        type=event["event_type"],
        entity=entity,
        key=(match["dn"], int(match["id"])) if match else None,
        attached=attached if isinstance(attached, dict) else None,
    )


def read_leg(participant: object, plan: NumberingPlan) -> Leg:
    """One participant object."""
    if not isinstance(participant, dict):
        raise PayloadError("participant is not an object")
    dn = text_of(participant, "dn")
    if not dn or len(dn) > _LONGEST_DN:
        raise PayloadError("participant.dn is missing or no DN")
    kind = plan.kind_of(dn)
    return Leg(
        dn=dn,
        id=_number(participant, "id"),
        kind=kind,
        status=_status(participant.get("status")),
        number=_number(participant, "callid"),
        party_dn=text_of(participant, "party_dn"),
        party_kind=_party_kind(participant, plan),
        party_number=text_of(participant, "party_caller_id"),
        did=text_of(participant, "party_did"),
        referred_by=text_of(participant, "referred_by_dn"),
        on_behalf_of=text_of(participant, "on_behalf_of_dn"),
        originated_by=text_of(participant, "originated_by_dn"),
    )


def participant_from(leg: Leg) -> dict[str, Any]:
    """A participant of which `read_leg` reads this leg, with the same plan."""
    party_class = "None" if leg.party_kind is None else _CLASS_BY_KIND.get(leg.party_kind, "unknown")
    return {
        "dn": leg.dn,
        "id": leg.id,
        "status": leg.status.value,
        "callid": leg.number,
        "party_dn": leg.party_dn,
        "party_dn_type": party_class,
        "party_caller_id": leg.party_number,
        "party_did": leg.did,
        "referred_by_dn": leg.referred_by,
        "on_behalf_of_dn": leg.on_behalf_of,
        "originated_by_dn": leg.originated_by,
    }


def read_snapshot(
    dns: object, plan: NumberingPlan, known: Callable[[LegKey], Leg | None] = lambda _: None
) -> list[Leg]:
    """All legs of the answer to GET /callcontrol; one that cannot be read is left out.

    A leg that is as it is `known` is that very object: of thousands of legs nearly all have not changed.
    """
    legs: list[Leg] = []
    for dn in dns if isinstance(dns, list) else ():
        shown = dn.get("participants") if isinstance(dn, dict) else None
        for participant in shown if isinstance(shown, list) else ():
            try:
                leg = known((participant["dn"], participant["id"]))
                is_known = leg is not None and _is_as(leg, participant, plan)
            except (TypeError, KeyError):
                leg, is_known = None, False
            try:
                legs.append(leg if leg is not None and is_known else read_leg(participant, plan))
            except PayloadError:
                continue
    return legs


def _is_as(leg: Leg, participant: Mapping[str, Any], plan: NumberingPlan) -> bool:
    return (
        leg.number == participant["callid"]
        and leg.status == participant["status"]
        and leg.party_number == participant["party_caller_id"]
        and leg.party_dn == participant["party_dn"]
        and leg.did == participant["party_did"]
        and leg.referred_by == participant["referred_by_dn"]
        and leg.on_behalf_of == participant["on_behalf_of_dn"]
        and leg.originated_by == participant["originated_by_dn"]
        and leg.kind is plan.kind_of(leg.dn)
    )


def visible_dns(dns: object) -> dict[str, DnKind]:
    """The DNs of the answer to GET /callcontrol, with their kinds."""
    return {
        number: _KIND_BY_CLASS.get(text_of(dn, "type").lower(), DnKind.UNKNOWN)
        for dn in (dns if isinstance(dns, list) else ())
        if isinstance(dn, dict) and (number := text_of(dn, "dn"))
    }


def read_active_calls(
    collection: object,
    *,
    now: datetime,
    asked_at: datetime | None = None,
    skip: Callable[[int], bool] = lambda _: False,
) -> list[ActiveCall]:
    """The rows of XAPI ActiveCalls, asked for at `asked_at` (unless given, just now) and answered at `now`.

    One without a number is left out, and so is one to `skip`.
    """
    since = asked_at or now
    return [
        ActiveCall(
            number=row["Id"],
            caller_dn=_first_word(row.get("Caller")),
            caller_number=_in_brackets(row.get("Caller")),
            callee_dn=_first_word(row.get("Callee")),
            callee_number=_in_brackets(row.get("Callee")),
            changed_at=_by_our_clock(row.get("LastChangeStatus"), row.get("ServerNow"), since, now),
            established_at=_by_our_clock(row.get("EstablishedAt"), row.get("ServerNow"), since, now),
        )
        for row in rows(collection)
        if _is_number(row.get("Id")) and not skip(row["Id"])
    ]


def rows(collection: object) -> Sequence[Mapping[str, Any]]:
    """The rows of an OData collection."""
    value = collection.get("value") if isinstance(collection, dict) else None
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def peer_kind(peer_type: object) -> DnKind:
    """The kind of a DN by the type that XAPI Peers gives it."""
    return _KIND_BY_PEER_TYPE.get(peer_type.lower() if isinstance(peer_type, str) else "", DnKind.UNKNOWN)


def read_time(text: object) -> datetime | None:
    """A date-time of XAPI; None when it is none."""
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    if at is None or at.year not in _YEARS:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def _party_kind(participant: Mapping[str, Any], plan: NumberingPlan) -> DnKind | None:
    name = text_of(participant, "party_dn_type").lower()
    if name in ("", "none"):
        kind = plan.kind_of(text_of(participant, "party_dn"))
        return None if kind is DnKind.UNKNOWN else kind
    return _KIND_BY_CLASS.get(name, DnKind.UNKNOWN)


def _status(value: object) -> LegStatus:
    try:
        return LegStatus(value) if isinstance(value, str) else LegStatus.UNKNOWN
    except ValueError:
        return LegStatus.UNKNOWN


def text_of(source: Mapping[str, Any], name: str) -> str:
    """A text, or a number as text; empty for what is neither.

    Whatever the PBX sends, little of it is kept, and no control characters: some databases take no text with NUL.
    """
    value = source.get(name)
    if isinstance(value, str):
        text = value if len(value) <= _LONGEST_TEXT else value[:_LONGEST_TEXT]
        return text if text.isprintable() else "".join(filter(str.isprintable, text))
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _number(source: Mapping[str, Any], name: str) -> int:
    value = source.get(name)
    if not _is_number(value):
        raise PayloadError(f"participant.{name} is not a number")
    return value


def _is_number(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _HIGHEST_NUMBER


def _by_our_clock(then: object, server_now: object, asked_at: datetime, now: datetime) -> datetime | None:
    """A moment of the PBX's clock, which was where `server_now` says at some moment from `asked_at` until `now`.

    An answer that was long under way says nothing against a clock that agrees with ours.
    """
    at, pbx_now = read_time(then), read_time(server_now)
    if at is None or pbx_now is None:
        return None
    return at - min(max(timedelta(), pbx_now - now), pbx_now - asked_at)


def _first_word(text: object) -> str:
    words = text[:_LONGEST_TEXT].split(maxsplit=1) if isinstance(text, str) else ()
    return words[0] if words else ""


def _in_brackets(text: object) -> str:
    found = _NUMBER_IN_BRACKETS.search(text[-_LONGEST_TEXT:]) if isinstance(text, str) else None
    return found[1] if found else ""
