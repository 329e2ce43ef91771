"""Which addresses are refused, as a table, and what is said about them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.guard import ForbiddenAddress, demand_allowed, objections

REFUSED = [
    ("0.0.0.0", "an unspecified address"),
    ("0.1.2.3", "a reserved address"),
    ("10.0.0.1", "a private address"),
    ("10.255.255.255", "a private address"),
    ("100.64.0.1", "a carrier-grade NAT address"),
    ("100.127.255.255", "a carrier-grade NAT address"),
    ("100.100.100.200", "a cloud metadata address"),
    ("127.0.0.1", "a loopback address"),
    ("127.255.255.254", "a loopback address"),
    ("168.63.129.16", "a cloud metadata address"),
    ("169.254.0.1", "a link-local address"),
    ("169.254.169.254", "a cloud metadata address"),
    ("169.254.170.2", "a cloud metadata address"),
    ("172.16.0.1", "a private address"),
    ("172.31.255.255", "a private address"),
    ("192.0.0.8", "a reserved address"),
    ("192.0.0.192", "a cloud metadata address"),
    ("192.0.2.1", "a documentation address"),
    ("192.88.99.1", "a 6to4 address"),
    ("192.168.1.20", "a private address"),
    ("198.18.0.1", "a benchmark address"),
    ("198.19.255.255", "a benchmark address"),
    ("198.51.100.1", "a documentation address"),
    ("203.0.113.1", "a documentation address"),
    ("224.0.0.1", "a multicast address"),
    ("239.255.255.255", "a multicast address"),
    ("240.0.0.1", "a reserved address"),
    ("255.255.255.255", "a broadcast address"),
    ("::", "an unspecified address"),
    ("::1", "a loopback address"),
    ("::2:3", "an IPv4-compatible address"),
    ("::ffff:8.8.8.8", "an IPv4-mapped address"),
    ("::ffff:0:8.8.8.8", "an IPv4-translated address"),
    ("64:ff9b::8.8.8.8", "a NAT64 address"),
    ("64:ff9b:1::8.8.8.8", "a NAT64 address"),
    ("100::1", "a reserved address"),
    ("2001::1", "a Teredo address"),
    ("2001:2::1", "a benchmark address"),
    ("2001:10::1", "a reserved address"),
    ("2001:20::1", "a reserved address"),
    ("2001:db8::1", "a documentation address"),
    ("2002:808:808::1", "a 6to4 address"),
    ("3fff::1", "a documentation address"),
    ("4000::1", "a reserved address"),
    ("5f00::1", "a reserved address"),
    ("fc00::1", "a private address"),
    ("fd12:3456::1", "a private address"),
    ("fd00:ec2::254", "a cloud metadata address"),
    ("fd20:ce::254", "a cloud metadata address"),
    ("fe80::1", "a link-local address"),
    ("fe80::1%eth0", "a link-local address"),
    ("fec0::1", "a site-local address"),
    ("ff02::1", "a multicast address"),
]

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2606:4700:4700::1111",
    "2a00:1450:4014:80e::200e",
]

# The IPv6 form, and the IPv4 address that a gateway would make of it.
EMBEDDING = [
    ("::10.0.0.1", "10.0.0.1"),
    ("::ffff:10.0.0.1", "10.0.0.1"),
    ("::ffff:169.254.169.254", "169.254.169.254"),
    ("::ffff:0:10.0.0.1", "10.0.0.1"),
    ("64:ff9b::127.0.0.1", "127.0.0.1"),
    ("64:ff9b:1::192.168.1.20", "192.168.1.20"),
    ("64:ff9b:1:c0a8:1:1400::", "192.168.1.20"),
    ("2002:7f00:1::", "127.0.0.1"),
    ("2002:a9fe:a9fe::1", "169.254.169.254"),
    ("2001:0:4136:e378:8000:63bf:3f57:fedd", "192.168.1.34"),
    ("2001:0:c0a8:114:8000:63bf:f7f7:f7f7", "192.168.1.20"),
    ("2a00:1450::5efe:192.168.1.20", "192.168.1.20"),
    ("2a00:1450::200:5efe:127.0.0.1", "127.0.0.1"),
]


@pytest.mark.parametrize(("address", "kind"), REFUSED)
def test_what_is_not_public_is_refused_by_its_kind(address: str, kind: str) -> None:
    first, *_ = objections(ip_address(address))
    assert first.kind == kind


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is_let_through(address: str) -> None:
    assert list(objections(ip_address(address))) == []


@pytest.mark.parametrize(("address", "embedded"), EMBEDDING)
def test_an_embedded_address_is_judged_even_where_its_form_is_allowed(address: str, embedded: str) -> None:
    form = ip_network(f"{address}/128")
    [objection] = objections(ip_address(address), [form])
    assert str(objection.address) == embedded
    assert list(objections(ip_address(address), [form, ip_network(f"{embedded}/32")])) == []


@pytest.mark.parametrize(("address", "kind"), REFUSED)
def test_a_named_network_is_let_through(address: str, kind: str) -> None:
    allowed = [each.network for each in objections(ip_address(address))]
    demand_allowed(address, [address], [ip_network(network) for network in allowed])


def test_an_allowed_network_allows_nothing_else() -> None:
    allowed = [ip_network("192.168.1.0/24")]
    demand_allowed("crm.example", ["192.168.1.20", "8.8.8.8"], allowed)
    for address in ("192.168.2.20", "10.0.0.1", "::ffff:192.168.1.20"):
        with pytest.raises(ForbiddenAddress):
            demand_allowed("crm.example", ["192.168.1.20", address], allowed)


@pytest.mark.parametrize(
    ("host", "addresses", "sentence"),
    [
        (
            "192.168.1.20",
            ["192.168.1.20"],
            '192.168.1.20 is a private address: allow it with allow_private = ["192.168.1.20/32"]',
        ),
        (
            "crm.example",
            ["8.8.8.8", "10.0.0.7"],
            'crm.example is 10.0.0.7, a private address: allow it with allow_private = ["10.0.0.7/32"]',
        ),
        (
            "localhost",
            ["127.0.0.1", "::1", "127.0.0.1"],
            "localhost is 127.0.0.1, a loopback address and ::1, a loopback address: "
            'allow them with allow_private = ["127.0.0.1/32", "::1/128"]',
        ),
        (
            "2002:7f00:1::",
            ["2002:7f00:1::"],
            "2002:7f00:1:: is a 6to4 address of 127.0.0.1, a loopback address: "
            'allow them with allow_private = ["2002:7f00:1::/128", "127.0.0.1/32"]',
        ),
    ],
)
def test_the_refusal_is_one_sentence_that_names_the_key_to_set(host: str, addresses: list[str], sentence: str) -> None:
    with pytest.raises(ForbiddenAddress) as refusal:
        demand_allowed(host, addresses)
    assert str(refusal.value) == sentence


def test_the_inner_address_of_an_allowed_form_is_named() -> None:
    with pytest.raises(ForbiddenAddress) as refusal:
        demand_allowed("64:ff9b::a00:1", ["64:ff9b::a00:1"], [ip_network("64:ff9b::/96")])
    assert str(refusal.value) == (
        '64:ff9b::a00:1 leads to 10.0.0.1, a private address: allow it with allow_private = ["10.0.0.1/32"]'
    )


def test_a_long_answer_makes_a_short_sentence() -> None:
    with pytest.raises(ForbiddenAddress) as refusal:
        demand_allowed("crm.example", [f"10.0.0.{number}" for number in range(200)])
    assert len(str(refusal.value)) < 400


@given(address=st.ip_addresses(v=4))
def test_nothing_gets_through_that_the_standard_library_calls_private(address: IPv4Address) -> None:
    if not address.is_global or address.is_multicast:
        assert list(objections(address))


@given(address=st.ip_addresses(v=6))
def test_no_ipv6_address_gets_through_that_the_standard_library_calls_private(address: IPv6Address) -> None:
    if not address.is_global or address.is_multicast or address.is_reserved:
        assert list(objections(address))


@given(address=st.ip_addresses(v=4))
def test_no_form_of_a_refused_address_gets_through(address: IPv4Address) -> None:
    number = int(address)
    forms = [
        IPv6Address(number),
        IPv6Address(0xFFFF << 32 | number),
        IPv6Address(0x64FF9B << 96 | number),
        IPv6Address(0x2002 << 112 | number << 80),
        IPv6Address(0x20010000 << 96 | number ^ 0xFFFF_FFFF),
    ]
    for form in forms:
        assert list(objections(form))
        if list(objections(address)) and form not in {IPv6Address("::"), IPv6Address("::1")}:
            assert address in [each.address for each in objections(form, [ip_network(f"{form}/128")])]
