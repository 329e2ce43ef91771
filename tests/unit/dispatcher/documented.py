"""The documented payloads (`tests/contract`), and the event that each of them is about."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from switchhook.events import Direction, DnKind, Event, EventType, Origin, Transfer
from tests.unit.dispatcher.events import CALL_ID, a_call, a_recording, an_event

CONTRACT = Path(__file__).parents[2] / "contract"
BASE = "https://FQDN:5001"

TYPE_BY_NAME = {
    "ringing": EventType.RINGING,
    "dialing": EventType.DIALING,
    "incomingcall_started": EventType.STARTED,
    "outgoingcall_started": EventType.STARTED,
    "hangupincoming": EventType.STARTED,
    "hangupoutgoing": EventType.STARTED,
    "incoming": EventType.ENDED,
    "outgoing": EventType.ENDED,
    "recording": EventType.RECORDING_READY,
}
OUTGOING = {"dialing", "outgoingcall_started", "hangupoutgoing", "outgoing"}
KIND_BY_USER_TYPE = {"ext": DnKind.EXTENSION, "queue": DnKind.QUEUE, "other": DnKind.IVR}
TRANSFER_BY_NAME = {
    "NotDef": Transfer.NONE,
    "Blind": Transfer.BLIND,
    "Attended": Transfer.ATTENDED,
    "Accomp": Transfer.ATTENDED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Documented:
    """One documented request: its place, what it says, and the event."""

    where: str
    text: Any
    event: Event


def documented_posts() -> list[Documented]:
    """Every JSON body of the format `post`, as parsed JSON in its printed order."""
    return [
        Documented(where=where, text=payload, event=_event({k.lower(): v for k, v in payload.items()}, scenario))
        for scenario, where, payload in _rows("post.json", "payload")
    ]


def documented_gets() -> list[Documented]:
    """Every query string of the format `get`, unescaped; or the address of a recording."""
    return [
        Documented(where=where, text=query, event=_event(_fields_of_query(query), scenario))
        for scenario, where, query in _rows("get.json", "query")
    ]


def _rows(file: str, key: str) -> list[tuple[str, str, Any]]:
    text = (CONTRACT / file).read_text(encoding="utf-8").replace("{call}", CALL_ID).replace("{base}", BASE)
    return [
        (scenario["scenario"], f"{scenario['scenario']}: {row['step']}", row[key])
        for scenario in json.loads(text)["scenarios"]
        for row in scenario["events"]
    ]


def _fields_of_query(query: str) -> dict[str, Any]:
    if query.startswith(BASE):
        name = query.rsplit("/", 1)[1]
        return {"event": "recording", "fileurls": [query], "id": name.rsplit("-", 1)[0]}
    return dict(parse_qsl(query, keep_blank_values=True))


def _event(fields: dict[str, Any], scenario: str) -> Event:
    name = fields["event"]
    link = int(fields["id"].rsplit("-", 1)[1])
    is_outgoing = name in OUTGOING or not scenario.startswith("incoming")
    user = fields.get("user", "")
    transferred = fields.get("transfer") == "True"
    return an_event(
        TYPE_BY_NAME[name],
        call=a_call(
            direction=Direction.OUTBOUND if is_outgoing else Direction.INBOUND,
            outside_number=_outside_number(fields),
            did=fields.get("did", ""),
            origin=Origin.MAKECALL if scenario.startswith("makecall") else Origin.PERSON,
        ),
        link=link,
        user=user,
        user_kind=KIND_BY_USER_TYPE.get(
            fields.get("usertype", ""), DnKind.QUEUE if user[:1] == "8" else DnKind.EXTENSION
        ),
        transfer=Transfer.ATTENDED if transferred else TRANSFER_BY_NAME[fields.get("trtype", "NotDef")],
        transferred=transferred,
        answered=fields.get("finishtype", "Ok") == "Ok",
        talk_time=_talk_time(fields),
        recording=a_recording(link=link, files=len(fields["fileurls"])) if "fileurls" in fields else None,
    )


def _outside_number(fields: dict[str, Any]) -> str:
    number = str(fields.get("callerid", ""))
    return "05552221133" if number == "MAKECALL" else number


def _talk_time(fields: dict[str, Any]) -> timedelta | None:
    found = re.search(r"^(\d+):(\d\d)$|\((\d+):(\d\d)\)$", fields.get("duration") or fields.get("title", ""))
    if found is None:
        return None
    minutes, seconds = (int(part) for part in found.groups() if part is not None)
    # Two frames short of what the clock on the wall said, as measured talk is.
    return timedelta(minutes=minutes, seconds=seconds) - timedelta(milliseconds=20)
