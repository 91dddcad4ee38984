"""The media port: UDP sockets on every listen address, and the candidates that clients are told."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import ip_address

import ifaddr

from sfu.answer import HostCandidate
from sfu.config import MediaConfig
from sfu.logs import Log

log = Log(__name__)

MAX_INTERFACE_ADDRESSES = 4
"""LIMIT: candidates of one family on a machine without a route; every m-line repeats them."""
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Of each wildcard, in order of preference."""


def bind_media_sockets(config: MediaConfig, port: int) -> list[socket.socket]:
    """Bind one UDP socket per listen address, all on one port; 0 takes a free one.

    Raises:
        OSError: an IPv4 address, or every address, cannot be bound.
    """
    bound: list[socket.socket] = []
    try:
        for address in config.listen_addresses:
            try:
                bound.append(_bind(config, address, bound[0].getsockname()[1] if bound else port))
            except OSError as error:
                if ":" not in address:
                    raise
                log.warning("no IPv6 media socket", address=address, error=str(error))
        if not bound:
            raise OSError(f"none of {', '.join(config.listen_addresses)} can be bound")
    except OSError:
        for sock in bound:
            sock.close()
        raise
    return bound


def host_candidates(config: MediaConfig, sockets: Sequence[socket.socket]) -> list[HostCandidate]:
    """Return where clients reach these sockets, best first.

    What is announced, and nothing else; or the addresses the sockets are bound to, a wildcard
    standing for the machine's own. With a wildcard the last is loopback: a browser on this machine
    may have no other address.
    """
    port: int = sockets[0].getsockname()[1]
    if config.announced_addresses:
        return [HostCandidate(address, port) for address in config.announced_addresses]
    addresses: list[str] = []
    wildcards: set[str] = set()
    for sock in sockets:
        address: str = sock.getsockname()[0]
        if address in _LOOPBACK:
            wildcards.add(address)
            addresses += _own_addresses(sock.family)
        else:
            addresses.append(address)
    addresses += [loopback for wildcard, loopback in _LOOPBACK.items() if wildcard in wildcards][:1]
    return [HostCandidate(address, port) for address in addresses]


def _bind(config: MediaConfig, address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, config.receive_buffer_bytes)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, config.send_buffer_bytes)
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    return sock


def _own_addresses(family: socket.AddressFamily | int) -> list[str]:
    """Return the machine's address towards the world; without a route there, those of its
    interfaces."""
    routed = _routed_address(family)
    return [routed] if routed else _interface_addresses(family)


def _routed_address(family: socket.AddressFamily | int) -> str:
    """Return the address that packets to the world would have; nothing is sent. Empty if no
    route."""
    # Documentation prefixes (RFC 5737, RFC 3849) stand for the world.
    target = "2001:db8::1" if family == socket.AF_INET6 else "192.0.2.1"
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((target, 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def _interface_addresses(family: socket.AddressFamily | int) -> list[str]:
    """Return what clients on the same networks can reach: neither loopback nor IPv6 link-local,
    which would need the client's own zone (RFC 4007 §6)."""
    own = [ip_address(ip.ip if isinstance(ip.ip, str) else ip.ip[0])
           for adapter in ifaddr.get_adapters() for ip in adapter.ips]  # fmt: skip
    version = 6 if family == socket.AF_INET6 else 4
    usable = [
        str(address)
        for address in own
        if address.version == version
        and not address.is_loopback
        and not (version == 6 and address.is_link_local)
    ]
    return usable[:MAX_INTERFACE_ADDRESSES]
