"""The card of an MP3: a small JSON object beside it, by which the recorder tells the fileserver what it needs to know.

It is written with the MP3, encrypted like it, and goes when the links to it have long expired. When the MP3 is
deleted, the card says since when and why, in plain (`Gone`): links to it answer 410 and not 404. An MP3 of an older
version has no card.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson

from switchhook.errors import ObjectDamaged

if TYPE_CHECKING:
    from switchhook.links import RecordingName
    from switchhook.objects.store import Objects

_LARGEST = 64 * 1024
_LATER = ("waveform", "traceparent")  # fields that older cards do not have


class GoneReason(StrEnum):
    """Why an MP3 was deleted: its time was over, the quota was reached, or an operator wanted it."""

    EXPIRED = "expired"
    QUOTA = "quota"
    PURGED = "purged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What is known of an MP3. `number` is the outside party's; `user` the extension; texts are empty when unknown.

    `waveform`: its loudest moments one after the other, 255 is full scale; empty for one of an older version, as is
    `traceparent`, the span in which it was made.
    """

    user: str
    number: str
    did: str
    direction: str
    started_at: datetime
    duration: timedelta
    size: int
    sha256: str
    channels: int
    waveform: bytes = b""
    traceparent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """The MP3 was deleted at that time."""

    at: datetime
    reason: GoneReason


def object_name(pbx: str, name: RecordingName) -> str:
    """Where an MP3 is stored."""
    return f"{pbx}/{name}"


def card_name(pbx: str, name: RecordingName) -> str:
    """Where its card is stored."""
    return f"{pbx}/{name}.json"


async def read_card(objects: Objects, pbx: str, name: RecordingName) -> Card | Gone | None:
    """The card; None when there is none. Raises `ObjectsError`."""
    found = await objects.open(card_name(pbx, name))
    if found is None:
        return None
    if found.size > _LARGEST:
        raise ObjectDamaged(f"{found.name}: is no card")
    return parse_card(await found.read(0, found.size))


async def write_card(objects: Objects, pbx: str, name: RecordingName, card: Card | Gone) -> None:
    """Store it, replacing what is there. A card that only says that the MP3 is gone is not encrypted."""
    await objects.put(card_name(pbx, name), card_bytes(card), is_secret=isinstance(card, Card))


def card_bytes(card: Card | Gone) -> bytes:
    """As it is stored."""
    if isinstance(card, Gone):
        return orjson.dumps({"gone": card.reason.value, "at": _text(card.at)})
    fields = asdict(card)
    told = {"started_at": _text(card.started_at), "duration": card.duration.total_seconds()}
    return orjson.dumps({**fields, **told, "waveform": card.waveform.hex()})


def parse_card(content: bytes) -> Card | Gone:
    """What `card_bytes` wrote; keys of later versions are ignored. Raises `ObjectDamaged`."""
    try:
        fields: dict[str, Any] = orjson.loads(content)
        if "gone" in fields:
            return Gone(at=_moment(fields["at"]), reason=GoneReason(fields["gone"]))
        known = {key: fields[key] for key in Card.__dataclass_fields__ if key not in _LATER}
        moments = {"started_at": _moment(known["started_at"]), "duration": timedelta(seconds=known["duration"])}
        later = {
            "waveform": bytes.fromhex(fields.get("waveform", "")),
            "traceparent": str(fields.get("traceparent", "")),
        }
        return Card(**{**known, **moments, **later})
    except (ValueError, KeyError, TypeError) as error:
        raise ObjectDamaged("it is no card") from error


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _moment(written: str) -> datetime:
    return datetime.fromisoformat(written)
