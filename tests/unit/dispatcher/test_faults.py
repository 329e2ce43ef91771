"""What is said about an attempt that failed, and what is kept of foreign text."""

from __future__ import annotations

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from services.dispatcher.faults import EXCERPT_LENGTH, failure, redacted
from services.dispatcher.faults import _reason as reason_of
from services.dispatcher.faults import _sentence as sentence_of
from services.dispatcher.guard import ForbiddenAddress
from services.dispatcher.outcome import Failure, Reason

REQUEST = aiohttp.RequestInfo(URL("http://x/"), "POST", CIMultiDictProxy(CIMultiDict()), URL("http://x/"))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("no such user", "no such user"),
        ("caller 05552221133 unknown", "caller …133 unknown"),
        ("ext 102", "ext 102"),
        ("two\nlines\x00\tand more", "two lines and more"),
        ("key AbCdEfGhIjKlMnOpQrStUvWxYz is wrong", "key … is wrong"),
        ("?password=hunter2&x=1", "?password=***&x=1"),
        ("Authorization: Basic dXNlcjpwYXNz (unknown)", "Authorization: Basic *** (unknown)"),
        ('{"authorization": "Basic dXNlcjpwYXNz"}', '{"authorization": "Basic ***"}'),
        ("Basic authentication is wanted", "Basic authentication is wanted"),
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
        (aiohttp.ConnectionTimeoutError("Connection timeout to host http://x/?token=1"), Reason.TIMEOUT),
        (aiohttp.ClientResponseError(REQUEST, (), status=400, message="Bad status line"), Reason.PROTOCOL),
        (aiohttp.ClientHttpProxyError(REQUEST, (), status=407), Reason.PROXY),
        (aiohttp.InvalidURL("http://x/?token=1"), Reason.INVALID_URL),
        (ValueError("bad header"), Reason.INVALID_URL),
    ],
)
def test_every_error_has_a_reason(error: Exception, reason: Reason) -> None:
    assert reason_of(error) is reason


def test_an_error_is_told_without_the_address() -> None:
    assert sentence_of(aiohttp.InvalidURL("http://x/?token=1")) == ""
    assert sentence_of(TimeoutError()) == "TimeoutError"
    slow = aiohttp.ConnectionTimeoutError("Connection timeout to host http://x/?token=1")
    assert sentence_of(slow) == "it took too long to connect"


def test_a_refused_address_is_told_in_full_and_without_a_peer() -> None:
    sentence = 'crm.example is fd00:1234:5678:9abc::1, a private address: allow it with allow_private = ["…"]'
    refused = failure(ForbiddenAddress(sentence), address="203.0.113.7:443")
    assert refused == Failure(reason=Reason.FORBIDDEN_ADDRESS, detail=sentence)


def test_other_failures_name_the_peer() -> None:
    assert failure(TimeoutError(), address="203.0.113.7:443").address == "203.0.113.7:443"
