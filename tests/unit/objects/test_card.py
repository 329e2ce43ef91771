"""Cards: what is written is read again, and what is none is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from switchhook.errors import ConfigError, KeyMissing, ObjectDamaged
from switchhook.objects import Card, Gone, GoneReason, Keyring
from switchhook.objects.card import card_bytes, parse_card

CARD = Card(
    user="101",
    number="420777",
    did="Hot line",
    direction="inbound",
    started_at=datetime(2026, 5, 14, 12, tzinfo=UTC),
    duration=timedelta(seconds=61.5),
    size=4000,
    sha256="ab" * 32,
    channels=2,
    waveform=bytes(range(200)),
)


def _no_peaks() -> bytes:
    return orjson.dumps({**orjson.loads(card_bytes(CARD)), "waveform": "none"})


@pytest.mark.parametrize("card", [CARD, Gone(at=CARD.started_at, reason=GoneReason.QUOTA)])
def test_a_card_is_read_as_it_was_written(card: Card | Gone) -> None:
    assert parse_card(card_bytes(card)) == card


def test_what_a_later_version_adds_is_ignored() -> None:
    assert parse_card(card_bytes(CARD)[:-1] + b',"mood":[1,2]}') == CARD


def test_a_card_of_an_earlier_version_has_no_waveform() -> None:
    earlier = {key: value for key, value in orjson.loads(card_bytes(CARD)).items() if key != "waveform"}
    assert parse_card(orjson.dumps(earlier)) == replace(CARD, waveform=b"")


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"gone":"stolen","at":"2026-05-14T12:00:00"}', b"\xff", _no_peaks()]
)
def test_what_is_no_card_is_damage(content: bytes) -> None:
    with pytest.raises(ObjectDamaged):
        parse_card(content)


def test_a_key_that_is_not_there_is_named() -> None:
    with pytest.raises(KeyMissing, match='"2025"') as missing:
        Keyring("2026", {"2026": bytes(32)}).key("2025")
    assert missing.value.key_id == "2025"
    assert not isinstance(missing.value, ConfigError)
