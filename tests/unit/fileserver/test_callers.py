"""Whose address counts, and how often somebody may guess."""

from __future__ import annotations

import pytest

from services.fileserver.callers import Forgers, caller_address, networks

PROXIES = networks(("10.0.0.0/8", "fd00::/8"))


@pytest.mark.parametrize(
    ("remote", "forwarded_for", "address"),
    [
        ("203.0.113.1", "", "203.0.113.1"),
        ("203.0.113.1", "198.51.100.1", "203.0.113.1"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "192.0.2.7, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.9.9.9", "198.51.100.1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("fd00::1", "2001:db8::7", "2001:db8::7"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "fe80::1%\udcff", "10.0.0.1"),  # a byte that no database takes
        ("10.0.0.1", " , ", "10.0.0.1"),
        (None, "198.51.100.1", ""),
    ],
)
def test_the_address_is_that_of_the_last_one_who_is_no_proxy(
    remote: str | None, forwarded_for: str, address: str
) -> None:
    assert caller_address(remote, forwarded_for, PROXIES) == address


def test_after_some_guesses_an_address_waits_until_its_minute_is_over() -> None:
    forgers = Forgers(most=2, seconds=60)
    assert [forgers.tried("192.0.2.1", now) for now in (0, 10, 20, 50)] == [0, 0, 40, 10]
    assert forgers.tried("192.0.2.2", 20) == 0
    assert forgers.tried("192.0.2.1", 60) == 0


def test_neighbours_in_one_ipv6_network_are_one() -> None:
    forgers = Forgers(most=1)
    assert forgers.tried("2001:db8::1", 0) == 0
    assert forgers.tried("2001:db8::2", 0) > 0
    assert forgers.tried("2001:db8:0:1::1", 0) == 0


def test_memory_is_bounded() -> None:
    forgers = Forgers(most=1)
    for number in range(12_000):
        forgers.tried(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0)
    assert forgers.tried("10.0.0.0", 0) == 0  # long forgotten
    assert forgers.tried("10.0.46.223", 0) > 0  # the latest
