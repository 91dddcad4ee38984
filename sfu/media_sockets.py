"""The media port: UDP sockets on every listen address, and the candidates that clients are told."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from sfu.answer import HostCandidate
from sfu.config import MediaConfig
from sfu.logs import Log

log = Log(__name__)


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
    """Return where clients reach these sockets, as configured or as the machine's routes say."""
    port: int = sockets[0].getsockname()[1]
    if config.announced_addresses:
        return [HostCandidate(address, port) for address in config.announced_addresses]
    candidates = []
    for sock in sockets:
        address: str = sock.getsockname()[0]
        if address in ("0.0.0.0", "::"):
            address = _own_address(sock.family)
        if address:
            candidates.append(HostCandidate(address, port))
    return candidates or [HostCandidate("127.0.0.1", port)]


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


def _own_address(family: socket.AddressFamily | int) -> str:
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
