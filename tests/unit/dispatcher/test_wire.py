"""A request as bytes: everything in its place, and nothing that a header could smuggle in."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.wire import written


def test_a_request_is_written_in_one_piece() -> None:
    headers = {"host": "crm.example", "webhook-id": "main-1-1"}
    assert written("POST", "/hook?x=1", headers, b"{}") == (
        b"POST /hook?x=1 HTTP/1.1\r\nhost: crm.example\r\nwebhook-id: main-1-1\r\ncontent-length: 2\r\n\r\n{}"
    )


@pytest.mark.parametrize(("method", "says_length"), [("GET", False), ("POST", True), ("DELETE", True)])
def test_a_request_without_a_body_says_so_where_one_is_expected(method: str, says_length: bool) -> None:
    assert (b"content-length: 0\r\n" in written(method, "/", {}, None)) is says_length


@given(
    character=st.sampled_from([chr(code) for code in (*range(9), *range(10, 32), 127)]),
    before=st.text(string.ascii_letters),
    place=st.sampled_from(["name", "value", "target"]),
)
def test_a_control_character_is_refused_wherever_it_stands(character: str, before: str, place: str) -> None:
    bad = f"{before}{character}x: y"
    target, headers = "/", {"name": "value"}
    match place:
        case "name":
            headers = {bad: "value"}
        case "value":
            headers = {"name": bad}
        case _:
            target = bad
    with pytest.raises(ValueError, match="control character"):
        written("POST", target, headers, None)


def test_other_characters_and_tabulators_pass() -> None:
    assert "name: \u00e9\t\u2028\r\n".encode() in written("POST", "/", {"name": "\u00e9\t\u2028"}, None)
