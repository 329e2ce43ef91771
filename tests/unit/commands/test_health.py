"""What `switchhook health` says when nobody answers, or when the address is none."""

from __future__ import annotations

import pytest

from services.commands.health import MISUSED, UNREADY, readiness
from tests.acceptance.product import free_port


@pytest.mark.parametrize(
    "url", ["://", "ftp://127.0.0.1", "http://127.0.0.1:port", "http://[::1", "http://127.0.0.1:0", "http://a b"]
)
def test_an_address_that_is_none_is_a_mistake_of_the_command(url: str) -> None:
    assert readiness(url) == (MISUSED, [f"--url {url}: must be like http://127.0.0.1:9464"])


@pytest.mark.parametrize("scheme", ["", "http://", "https://"])
def test_where_nothing_answers_it_says_what_to_look_at(scheme: str) -> None:
    url = f"{scheme}127.0.0.1:{free_port()}"
    code, [line] = readiness(url)
    assert code == UNREADY
    assert line.startswith(f"{url}: nothing answers there (Connection refused): is Switchhook running?")
