"""Who is calling, when trusted proxies stand before us. Pure. Addresses are never logged."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def parse_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Return the networks in CIDR form.

    Raises:
        ValueError: one is not a network.
    """
    return tuple(ip_network(text) for text in texts)


def client_address(
    peer: str | None, forwarded_for: Sequence[str], trusted: Sequence[Network]
) -> Address | None:
    """Return the address of the client.

    `forwarded_for` are the X-Forwarded-For headers in order. Each proxy appends who called it, so
    reading goes from the right and stops at the first address that is no proxy of ours: everything
    left of it may be invented.
    """
    address = _parse(peer)
    hops = [hop for header in forwarded_for for hop in header.split(",")]
    while address is not None and is_inside(address, trusted) and hops:
        previous = _parse(hops.pop())
        if previous is None:
            return address
        address = previous
    return address


def is_inside(address: Address | None, networks: Sequence[Network]) -> bool:
    """Return whether `address` belongs to one of `networks`."""
    return address is not None and any(address in network for network in networks)


def _parse(text: str | None) -> Address | None:
    try:
        address = ip_address((text or "").strip())
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
