"""Which addresses a webhook may go to: everything that is not the public internet is refused, unless it is allowed.

Promises that an IPv4 address inside an IPv6 one is judged too, so that neither form is a way around the other. Pure:
looks nothing up; `connector` asks it about every address before a socket is made for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

METADATA = "a cloud metadata address"

_NAMED_IN_SENTENCE = 4  # an answer of the name servers may hold hundreds

# The first network that holds an address says what it is; narrower ones come first.
_KIND_BY_NETWORK: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(network), kind)
    for network, kind in (
        ("169.254.169.254/32", METADATA),
        ("169.254.170.2/32", METADATA),
        ("100.100.100.200/32", METADATA),
        ("168.63.129.16/32", METADATA),
        ("192.0.0.192/32", METADATA),
        ("0.0.0.0/32", "an unspecified address"),
        ("0.0.0.0/8", "a reserved address"),
        ("10.0.0.0/8", "a private address"),
        ("100.64.0.0/10", "a carrier-grade NAT address"),
        ("127.0.0.0/8", "a loopback address"),
        ("169.254.0.0/16", "a link-local address"),
        ("172.16.0.0/12", "a private address"),
        ("192.0.0.0/24", "a reserved address"),
        ("192.0.2.0/24", "a documentation address"),
        ("192.88.99.0/24", "a 6to4 address"),
        ("192.168.0.0/16", "a private address"),
        ("198.18.0.0/15", "a benchmark address"),
        ("198.51.100.0/24", "a documentation address"),
        ("203.0.113.0/24", "a documentation address"),
        ("224.0.0.0/4", "a multicast address"),
        ("255.255.255.255/32", "a broadcast address"),
        ("240.0.0.0/4", "a reserved address"),
        ("fd00:ec2::254/128", METADATA),
        ("fd20:ce::254/128", METADATA),
        ("::/128", "an unspecified address"),
        ("::1/128", "a loopback address"),
        ("::/96", "an IPv4-compatible address"),
        ("::ffff:0:0/96", "an IPv4-mapped address"),
        ("::ffff:0:0:0/96", "an IPv4-translated address"),
        ("64:ff9b::/96", "a NAT64 address"),
        ("64:ff9b:1::/48", "a NAT64 address"),
        ("2001::/32", "a Teredo address"),
        ("2001:2::/48", "a benchmark address"),
        ("2001::/23", "a reserved address"),
        ("2001:db8::/32", "a documentation address"),
        ("2002::/16", "a 6to4 address"),
        ("3fff::/20", "a documentation address"),
        ("fc00::/7", "a private address"),
        ("fe80::/10", "a link-local address"),
        ("fec0::/10", "a site-local address"),
        ("ff00::/8", "a multicast address"),
    )
)
# Of IPv6 only this part is given out; whatever lies outside of it and is not named above is reserved.
_GLOBAL_UNICAST = IPv6Network("2000::/3")

_ENDS_WITH_IPV4 = tuple(
    IPv6Network(network) for network in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")
)
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
# Interface identifiers that end with an IPv4 address, whatever network they are in (ISATAP, RFC 5214).
_TUNNELLED = frozenset({0x0000_5EFE, 0x0200_5EFE})
_NOT_EMBEDDING = frozenset({IPv6Address("::"), IPv6Address("::1")})


class ForbiddenAddress(Exception):
    """An address that the endpoint may not be at; the message is one sentence that names the key to set."""


@dataclass(frozen=True, slots=True)
class Objection:
    """What is wrong with an address; `inside` is the IPv6 address that it was taken out of."""

    address: Address
    kind: str
    inside: Address | None = None

    @property
    def network(self) -> str:
        """What `allow_private` would have to hold."""
        return f"{self.address}/{self.address.max_prefixlen}"


def objections(address: Address, allowed: Sequence[Network] = ()) -> Iterator[Objection]:
    """What stands against sending to the address; nothing when it is public, or in the networks that are allowed."""
    plain = _without_zone(address)
    for each, inside in ((plain, None), *((embedded, plain) for embedded in _embedded(plain))):
        kind = _kind(each)
        if kind and not any(each in network for network in allowed):
            yield Objection(each, kind, inside)


def demand_allowed(host: str, addresses: Iterable[str], allowed: Sequence[Network] = ()) -> None:
    """Raises ForbiddenAddress when any of the addresses that the host has is refused. `host` may be an address."""
    refused = {each: None for address in addresses for each in objections(ip_address(address), allowed)}
    if refused:
        raise ForbiddenAddress(_sentence(host, list(refused)))


def literal_address(host: str) -> Address | None:
    """The address that a url's host is, or None for a name."""
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def _kind(address: Address) -> str:
    """What the address is, in words; empty when it is public."""
    for network, kind in _KIND_BY_NETWORK:
        if address in network:
            return kind
    return "a reserved address" if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST else ""


def _embedded(address: Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses that a gateway would make of an IPv6 one."""
    if isinstance(address, IPv4Address) or address in _NOT_EMBEDDING:
        return
    if any(address in network for network in _ENDS_WITH_IPV4):
        yield _bits(address, 0)
    elif address in _LOCAL_NAT64:
        yield _local_nat64(address)
    elif address.sixtofour is not None:
        yield address.sixtofour
    elif address.teredo is not None:
        yield from address.teredo  # the relay and the client
    elif int(address) >> 32 & 0xFFFF_FFFF in _TUNNELLED:
        yield _bits(address, 0)


def _local_nat64(address: IPv6Address) -> IPv4Address:
    """A prefix of 96 bits ends with the IPv4 address; one of 48 bits has it around the octet 64 to 71 (RFC 6052)."""
    if int(address) & (1 << 40) - 1:
        return _bits(address, 0)
    return IPv4Address(int(_bits(address, 48)) & 0xFFFF_0000 | int(_bits(address, 40)) & 0xFFFF)


def _bits(address: IPv6Address, shift: int) -> IPv4Address:
    return IPv4Address(int(address) >> shift & 0xFFFF_FFFF)


def _without_zone(address: Address) -> Address:
    return IPv6Address(int(address)) if isinstance(address, IPv6Address) and address.scope_id else address


def _sentence(host: str, refused: Sequence[Objection]) -> str:
    named = refused[:_NAMED_IN_SENTENCE]
    if literal_address(host) is not None and len(named) == 1:
        [only] = named
        what = f"{host} is {only.kind}" if only.inside is None else f"{host} leads to {only.address}, {only.kind}"
    elif literal_address(host) is not None:
        outer, *inner = named
        what = f"{host} is {outer.kind} of " + " and ".join(f"{each.address}, {each.kind}" for each in inner)
    else:
        what = f"{host} is " + " and ".join(f"{each.address}, {each.kind}" for each in named)
    networks = ", ".join(f'"{each.network}"' for each in named)
    pronoun = "it" if len(named) == 1 else "them"
    return f"{what}: allow {pronoun} with allow_private = [{networks}]"
