"""Compares what the PBX showed with what the receiver got: how many events, and how late."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FIRST_EXTENSION = 1000
"""The extensions of a bench's calls are numbered from here; below are queues, IVRs, groups and voicemail."""
ROUTING = {"800", "804", "816", "820"}
_UPSERT = 0
_UNSEEN_END = 0.05  # seconds
Frame = dict[str, Any]
Webhook = tuple[float, dict[str, Any]]


@dataclass
class Account:
    """Events by kind; latencies in seconds from the frame to the first byte of its webhook."""

    sent: Counter[str] = field(default_factory=Counter)
    received: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    late: list[tuple[float, float, str]] = field(default_factory=list)
    """(latency, epoch seconds of the frame, which event)"""
    unmatched: int = 0


def settle(frames: Sequence[Frame], plays: Sequence[dict[str, Any]], webhooks: Iterable[Webhook]) -> Account:
    """The whole account of a run. What was to be sent is derived from the PBX's own journal, not from the product."""
    account = Account()
    reported = {play["callid"]: play for play in plays if play["direction"] != "Internal"}
    account.sent = _to_be_sent(frames, plays, reported)
    cause = _causes(frames)
    for play in plays:  # a voicemail box or a ring group held it after its last visible leg: no frame tells its end
        over = cause.get((play["callid"], "", "over"))
        if over is not None and play["ended_at"] - over > _UNSEEN_END:
            del cause[play["callid"], "", "over"]
    seen: set[str] = set()
    for at, body in webhooks:
        kind = _kind(body)
        key = f"{body['Id']} {kind} {body['User']}"
        if kind != "ringing" and key in seen:
            continue  # a repeat
        seen.add(key)
        account.received[kind] += 1
        frame_at = cause.get(_cause_of(body, kind))
        if frame_at is None:
            account.unmatched += kind not in ("recording", "handed on")
        else:
            account.latencies.append(at - frame_at)
            account.late.append((at - frame_at, frame_at, f"{kind} {body['Id']}"))
    return account


def _to_be_sent(
    frames: Sequence[Frame], plays: Sequence[dict[str, Any]], reported: dict[int, dict[str, Any]]
) -> Counter[str]:
    internal = {play["callid"] for play in plays if play["direction"] == "Internal"}
    outbound = {callid for callid, play in reported.items() if play["direction"] == "Outbound"}
    sent: Counter[str] = Counter()
    known: set[int] = set()
    for frame in frames:
        is_first = frame["participant"] not in known
        known.add(frame["participant"])
        if is_first and frame["callid"] not in internal | outbound:
            is_routing = frame["dn"] in ROUTING and frame["status"] == "Connected"
            sent["ringing"] += frame["status"] == "Ringing" or is_routing
    for play in reported.values():
        links = sum(_is_link(segment, play) for segment in play["segments"])
        sent["dialing"] += play["direction"] == "Outbound"
        sent["started"] += links
        sent["recording"] += links
        sent["handed on"] += "attended" in play["scenario"]
        sent["ended"] += 1
    return sent


def _is_link(segment: dict[str, Any], play: dict[str, Any]) -> bool:
    """An extension talked with the outside party; a consultation has a number of its own."""
    is_extension = segment["dn"].isdecimal() and int(segment["dn"]) >= FIRST_EXTENSION
    return is_extension and segment["answered_at"] is not None and segment["callid"] == play["callid"]


def _causes(frames: Sequence[Frame]) -> dict[tuple[int, str, str], float]:
    """(call number, DN, status) → when it was first shown; the end of a call is its last frame."""
    cause: dict[tuple[int, str, str], float] = {}
    for frame in frames:
        if frame["event_type"] == _UPSERT:
            cause.setdefault((frame["callid"], frame["dn"], frame["status"]), frame["at"])
        else:
            cause[frame["callid"], "", "over"] = frame["at"]
    return cause


def _cause_of(body: dict[str, Any], kind: str) -> tuple[int, str, str]:
    number = int(body["Id"].split("_")[1].split("-")[0])
    match kind:
        case "ringing":
            return number, body["User"], "Ringing" if body["Usertype"] == "ext" else "Connected"
        case "dialing":
            return number, body["User"], "Dialing"
        case "started":
            return number, body["User"], "Connected"
        case "ended":
            return number, "", "over"
        case _:
            return number, "", ""


def _kind(body: dict[str, Any]) -> str:
    event = str(body["Event"])
    if event.endswith("_started"):
        return "started"
    if event in ("incoming", "outgoing"):
        return "handed on" if body["Transfer"] == "True" else "ended"
    return event
