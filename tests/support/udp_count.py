"""Counts UDP payload on loopback by peer: what really went over the wire, seen by nobody we measure.

A packet socket of the kernel's with a filter for one port. Datagrams that the kernel segments later (GSO)
come as one; their headers are counted off once, so the payload is exact.
"""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

ETH_P_IP = 0x0800
SO_ATTACH_FILTER = 26
PACKET_OUTGOING = 4
UDP_HEADER_BYTES = 8
RECEIVE_BUFFER_BYTES = 32 << 20
SO_RCVBUFFORCE = 33
SOL_PACKET, PACKET_STATISTICS = 263, 6


@dataclass
class UdpCount:
    """Payload bytes by the port at the other end."""

    port: int
    into: Counter[int] = field(default_factory=Counter)
    out_of: Counter[int] = field(default_factory=Counter)
    missed: int = 0
    """Packets that the kernel had no room for: a count that missed any proves nothing."""


@contextlib.contextmanager
def count_udp(port: int) -> Iterator[UdpCount]:
    """Count the payload to and from 127.0.0.1:`port` meanwhile. Needs CAP_NET_RAW."""
    count = UdpCount(port)
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
    with tap:
        program = _filter(port)
        tap.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
        tap.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program.packed)
        tap.bind(("lo", ETH_P_IP))
        tap.settimeout(0.1)
        is_done = threading.Event()
        reader = threading.Thread(target=_read, args=(tap, count, is_done))
        reader.start()
        try:
            yield count
        finally:
            is_done.set()
            reader.join()
            _, count.missed = struct.unpack("II", tap.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))


def _read(tap: socket.socket, count: UdpCount, is_done: threading.Event) -> None:
    while True:
        try:
            packet, (_, _, kind, *_) = tap.recvfrom(64)  # the headers
        except TimeoutError:
            if is_done.is_set():
                return
            continue
        if kind == PACKET_OUTGOING:
            continue  # loopback would show each twice to who asks for all protocols
        header_bytes = (packet[0] & 15) * 4
        size = int.from_bytes(packet[2:4], "big") - header_bytes - UDP_HEADER_BYTES
        source, target = struct.unpack_from("!HH", packet, header_bytes)
        if target == count.port:
            count.into[source] += size
        if source == count.port:
            count.out_of[target] += size


class _Program:
    """struct sock_fprog, with what it points to kept alive."""

    def __init__(self, steps: list[tuple[int, int, int, int]]) -> None:
        self._steps = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *s) for s in steps))
        self.packed = struct.pack("HL", len(steps), ctypes.addressof(self._steps))


def _filter(port: int) -> _Program:
    """Return the program for: IPv4, UDP, from or to the port."""
    load_byte, load_index, load_half_at, equals, give = 0x30, 0xB1, 0x48, 0x15, 0x06
    return _Program(
        [
            (load_byte, 0, 0, 9),
            (equals, 0, 6, socket.IPPROTO_UDP),
            (load_index, 0, 0, 0),
            (load_half_at, 0, 0, 0),
            (equals, 2, 0, port),
            (load_half_at, 0, 0, 2),
            (equals, 0, 1, port),
            (give, 0, 0, 0xFFFF),
            (give, 0, 0, 0),
        ]
    )
