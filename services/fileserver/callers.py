"""Who asks: the listener's address behind trusted proxies, and how many forged links it may try. Pure.

Genuine links are never held back; somebody who guesses gets a few answers a minute, and then none that cost anything.
"""

from __future__ import annotations

from collections import OrderedDict
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

_MOST_ADDRESSES = 10_000
_V6_PREFIX = 64  # of one customer


def caller_address(remote: str | None, forwarded_for: str, trusted: Sequence[IPv4Network | IPv6Network]) -> str:
    """The address of whoever asks: the last one of `X-Forwarded-For` that is no trusted proxy, if a proxy asks."""
    if not (trusted and forwarded_for):
        return remote or ""
    address = remote or ""
    for hop in reversed([address for address in map(str.strip, forwarded_for.split(",")) if address]):
        if not _is_in(address, trusted):
            break
        address = hop
    # The zone of an IPv6 address may be anything, also bytes that no database takes.
    return address if _parsed(address) is not None and address.isascii() else remote or ""


def networks(written: Sequence[str]) -> list[IPv4Network | IPv6Network]:
    """The networks that these texts mean."""
    return [ip_network(one, strict=False) for one in written]


class Forgers:
    """Counts forged links by address; after `most` of them within `seconds` the address is held back."""

    def __init__(self, *, most: int = 20, seconds: float = 60.0) -> None:
        self._most = most
        self._seconds = seconds
        self._by_address: OrderedDict[str, tuple[float, int]] = OrderedDict()  # since when, how many

    def tried(self, address: str, now: float) -> float:
        """A forged link was tried at `now` (seconds); gives the seconds that the address is to wait, 0 for none."""
        key = _customer(address)
        since, count = self._by_address.pop(key, (now, 0))
        if now - since >= self._seconds:
            since, count = now, 0
        self._by_address[key] = since, count + 1
        while len(self._by_address) > _MOST_ADDRESSES:
            self._by_address.popitem(last=False)
        return 0.0 if count < self._most else max(self._seconds - (now - since), 1.0)


def _customer(address: str) -> str:
    parsed = _parsed(address)
    if parsed is None or parsed.version == 4:  # noqa: PLR2004 - the protocol
        return address
    return str(ip_network((parsed, _V6_PREFIX), strict=False))


def _is_in(address: str, trusted: Sequence[IPv4Network | IPv6Network]) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(parsed.version == one.version and parsed in one for one in trusted)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed
