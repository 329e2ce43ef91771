"""The small pure parts of the runtime, the storage and the session."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchhook.errors import ConfigError, PbxUnreachable, StorageFull, SwitchhookError
from switchhook.pbx.answers import retry_after
from switchhook.pbx.token import token_from_answer
from switchhook.runtime import backoff, utc_now
from switchhook.runtime.address import split_listen

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_an_error_without_words_says_what_its_class_says() -> None:
    assert str(StorageFull()) == ("The disk of the database is full or refuses to write; nothing of the unit was kept.")
    assert str(StorageFull("disk 3")) == "disk 3"


def test_errors_carry_their_facts() -> None:
    assert ConfigError(["pbx[0].url: is missing", "data_dir: is missing"]).problems[1] == "data_dir: is missing"
    assert PbxUnreachable("busy", SECOND).retry_after == SECOND
    assert issubclass(PbxUnreachable, SwitchhookError)


def test_the_clock_is_aware_and_in_utc() -> None:
    assert utc_now().tzinfo is UTC


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 1), (2, 2), (3, 4), (4, 5), (1000, 5), (0, 1)])
def test_the_wait_doubles_up_to_its_cap(attempt: int, seconds: int) -> None:
    assert backoff(attempt, base=SECOND, cap=5 * SECOND, jitter=0.0) == seconds * SECOND


@given(st.integers(1, 10**9), st.floats(-0.5, 0.5))
def test_jitter_stretches_the_wait_by_its_share(attempt: int, jitter: float) -> None:
    assert SECOND * 0.5 <= backoff(attempt, base=SECOND, cap=60 * SECOND, jitter=jitter) <= SECOND * 90


@pytest.mark.parametrize(
    ("listen", "parts"),
    [("127.0.0.1:80", ("127.0.0.1", 80)), (":9464", (None, 9464)), ("[::1]:0", ("::1", 0)), ("host:1", ("host", 1))],
)
def test_an_address_to_listen_on_has_a_host_and_a_port(listen: str, parts: tuple[str | None, int]) -> None:
    assert split_listen(listen) == parts


@pytest.mark.parametrize("listen", ["", "host", "host:", "host:http", "unix:/x"])
def test_anything_else_is_no_address(listen: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        split_listen(listen)


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("7", 7 * SECOND),
        ("99999999", timedelta(days=1)),
        ("Sun, 01 Mar 2026 09:00:30 GMT", 30 * SECOND),
        ("Sun, 01 Mar 2026 08:00:00 GMT", None),
        ("Sun, 01 Mar 2026 08:00:00", None),
        ("soon", None),
        ("", None),
        ("-1", None),
        ("9" * 5000, timedelta(days=1)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", timedelta(days=1)),
        ("Sun, 01 Mar 99999999999999999999 09:00:07 GMT", None),
        ("Sun, 01 Mar 2026 09:00:07 +99999999999999", None),
    ],
)
def test_retry_after_is_read_in_both_its_forms(value: str, wait: timedelta | None) -> None:
    assert retry_after({"Retry-After": value}, now=NOW) == wait


@pytest.mark.parametrize("token", ["", None, 7])
def test_an_answer_without_a_token_gives_none(token: object) -> None:
    assert token_from_answer({"access_token": token, "expires_in": 60}, now=NOW) is None


@given(st.integers() | st.floats() | st.text() | st.none() | st.booleans())
def test_a_token_lives_for_a_while_whatever_the_answer_says(expires_in: object) -> None:
    token = token_from_answer({"access_token": "t", "expires_in": expires_in}, now=NOW)
    assert token is not None
    assert timedelta() < token.expires_at - NOW <= timedelta(days=1) or token.expires_at == NOW


@given(st.text())
def test_any_text_may_be_a_token(text: str) -> None:
    token = token_from_answer({"access_token": f"a.{text}.b", "expires_in": 3600}, now=NOW)
    assert token is not None
    assert token.expires_at == NOW + timedelta(hours=1)
