"""Recording links: their form, their signature, and what opens them."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from switchhook.links import (
    LinkKey,
    RecordingName,
    Verdict,
    read_claims,
    recording_path,
    sign_link,
    verify_link,
)

NOW = datetime(2026, 5, 14, 12, 0, tzinfo=UTC)
KEY = LinkKey("k1", b"a secret of thirty-two bytes....")
PATH = recording_path("260514140000_46", 1, 1)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
moments = st.integers(min_value=1, max_value=10**10)


def signed(path: str = PATH, *, pbx: str = "main", to: str = "crm", at: datetime = NOW + timedelta(days=90)) -> str:
    return sign_link(path, pbx=pbx, recipient=to, expires_at=at, key=KEY)


def verdict(query: str, *, path: str = PATH, now: datetime = NOW, keys: tuple[LinkKey, ...] = (KEY,)) -> Verdict:
    return verify_link(path, query, keys=keys, now=now)[0]


def test_path_is_the_documented_one() -> None:
    assert PATH == "/webapi/recording/260514140000_46-1-1.mp3"


def test_a_signed_link_opens_until_it_expires() -> None:
    query = signed(at=NOW + timedelta(seconds=10))
    assert verdict(query) is Verdict.GENUINE
    assert verdict(query, now=NOW + timedelta(seconds=9.99)) is Verdict.GENUINE
    assert verdict(query, now=NOW + timedelta(seconds=10)) is Verdict.EXPIRED


def test_a_fraction_of_a_second_is_rounded_in_the_recipients_favour() -> None:
    query = signed(at=NOW + timedelta(milliseconds=500))
    assert verdict(query, now=NOW + timedelta(milliseconds=900)) is Verdict.GENUINE


@pytest.mark.parametrize("query", ["", "pbx=main", "pbx=main&to=crm&exp=1&kid=k1", "a=b&c=d"])
def test_a_query_without_a_signature_is_missing_one(query: str) -> None:
    assert verdict(query) is Verdict.MISSING


def test_an_expired_forgery_is_called_a_forgery() -> None:
    query = signed(at=NOW - timedelta(days=1)).replace("to=crm", "to=spy")
    assert verdict(query) is Verdict.FORGED


def test_parameters_of_others_do_not_matter() -> None:
    assert verdict(f"utm_source=mail&{signed()}&_=17") is Verdict.GENUINE


@pytest.mark.parametrize("name", ["pbx", "to", "exp", "kid", "sig"])
def test_a_parameter_given_twice_is_a_forgery(name: str) -> None:
    query = signed()
    value = dict(parse_qsl(query))[name]
    assert verdict(f"{query}&{urlencode({name: value})}") is Verdict.FORGED


def test_an_old_key_opens_its_links_until_it_is_removed() -> None:
    new = LinkKey("k2", b"another secret")
    assert verdict(signed(), keys=(new, KEY)) is Verdict.GENUINE
    assert verdict(signed(), keys=(new,)) is Verdict.FORGED


def test_a_key_of_the_same_id_and_another_secret_is_refused() -> None:
    assert verdict(signed(), keys=(LinkKey(KEY.id, b"guess"),)) is Verdict.FORGED


def test_signatures_are_compared_in_constant_time_and_nothing_else_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    real, compared = hmac.compare_digest, list[tuple[object, object]]()

    def watched(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return real(one, other) or other == b"x"

    monkeypatch.setattr(hmac, "compare_digest", watched)
    query = signed()
    genuine = dict(parse_qsl(query))["sig"]
    assert verdict(query) is Verdict.GENUINE
    assert verdict(query.replace(genuine, "y" + genuine[1:])) is Verdict.FORGED
    assert verdict(query.replace(genuine, "x")) is Verdict.GENUINE
    assert compared == [(genuine.encode(), given.encode()) for given in (genuine, "y" + genuine[1:], "x")]


def test_the_secret_is_not_shown() -> None:
    assert "secret" not in repr(KEY)


@pytest.mark.parametrize("query", ["sig=%ff", "&".join(f"a{n}=1" for n in range(65)), "x" * 5000])
def test_an_unreadable_query_is_a_forgery(query: str) -> None:
    assert verdict(query) is Verdict.FORGED


@given(pbx=texts, to=texts, seconds=moments)
def test_whatever_is_signed_is_read_back(pbx: str, to: str, seconds: int) -> None:
    query = signed(pbx=pbx, to=to, at=datetime.fromtimestamp(seconds, UTC))
    assert verdict(query, now=datetime.fromtimestamp(seconds - 1, UTC)) is Verdict.GENUINE
    claims = read_claims(query)
    assert (claims.pbx, claims.recipient) == (pbx, to)


@given(name=st.sampled_from(["pbx", "to", "exp", "kid", "sig"]), value=texts)
def test_no_parameter_can_be_changed(name: str, value: str) -> None:
    fields = dict(parse_qsl(signed()))
    assume(fields[name] != value)
    assert verdict(urlencode({**fields, name: value})) is Verdict.FORGED


@given(position=st.integers(min_value=0), replacement=st.characters(exclude_categories=["Cs"]))
def test_no_character_of_the_query_can_be_changed(position: int, replacement: str) -> None:
    query = signed()
    at = position % len(query)
    changed = query[:at] + replacement + query[at + 1 :]
    assume(parse_qsl(changed, keep_blank_values=True) != parse_qsl(query, keep_blank_values=True))
    assert verdict(changed) is not Verdict.GENUINE


@given(path=texts)
def test_a_signature_opens_no_other_path(path: str) -> None:
    assume(path != PATH)
    assert verdict(signed(), path=path) is Verdict.FORGED


@given(query=st.text(max_size=200))
def test_any_text_gets_a_verdict(query: str) -> None:
    assert verdict(query) in {Verdict.MISSING, Verdict.FORGED}


@given(
    moment=st.from_regex(r"[0-9]{12}", fullmatch=True),
    number=st.integers(0, 2**31),
    link=st.integers(1, 9999),
    index=st.integers(1, 9999),
)
def test_a_name_is_read_as_it_was_written(moment: str, number: int, link: int, index: int) -> None:
    name = RecordingName(f"{moment}_{number}", link, index)
    assert RecordingName.parse(str(name)) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "260514140000_46-1-1",
        "260514140000_46-1-1.wav",
        "260514140000_46-1-1.mp3\n",
        "260514140000_46-01-1.mp3",
        "260514140000_46-1-0.mp3",
        "../260514140000_46-1-1.mp3",
        "260514140000_46-1-1.mp3/..",
        "٢٦٠٥١٤١٤٠٠٠٠_46-1-1.mp3",
        "26051414000_46-1-1.mp3",
    ],
)
def test_other_names_are_refused(text: str) -> None:
    assert RecordingName.parse(text) is None
