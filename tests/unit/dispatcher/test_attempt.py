"""What is kept of foreign text."""

from __future__ import annotations

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.attempt import EXCERPT_LENGTH, redacted
from services.dispatcher.attempt import _reason as reason_of
from services.dispatcher.attempt import _sentence as sentence_of
from services.dispatcher.outcome import Reason


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("no such user", "no such user"),
        ("caller 05552221133 unknown", "caller …133 unknown"),
        ("ext 102", "ext 102"),
        ("two\nlines\x00\tand more", "two lines and more"),
        ("key AbCdEfGhIjKlMnOpQrStUvWxYz is wrong", "key … is wrong"),
        ("?password=hunter2&x=1", "?password=***&x=1"),
    ],
)
def test_numbers_and_secrets_are_taken_out(text: str, kept: str) -> None:
    assert redacted(text) == kept


@given(text=st.text())
def test_an_excerpt_is_short_and_on_one_line(text: str) -> None:
    excerpt = redacted(text)

    assert len(excerpt) <= EXCERPT_LENGTH
    assert excerpt.isprintable()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TimeoutError(), Reason.TIMEOUT),
        (aiohttp.ServerTimeoutError(), Reason.TIMEOUT),
        (aiohttp.ServerDisconnectedError(), Reason.DISCONNECTED),
        (aiohttp.ClientPayloadError(), Reason.DISCONNECTED),
        (ConnectionResetError(), Reason.DISCONNECTED),
        (aiohttp.ClientOSError(), Reason.DISCONNECTED),
        (OSError(24, "too many open files"), Reason.CONNECT),
        (aiohttp.InvalidURL("http://x/?token=1"), Reason.INVALID_URL),
        (ValueError("bad header"), Reason.INVALID_URL),
    ],
)
def test_every_error_has_a_reason(error: Exception, reason: Reason) -> None:
    assert reason_of(error) is reason


def test_an_error_is_told_without_the_address() -> None:
    assert sentence_of(aiohttp.InvalidURL("http://x/?token=1")) == ""
    assert sentence_of(TimeoutError()) == "TimeoutError"
