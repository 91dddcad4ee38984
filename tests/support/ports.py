"""Ports for servers that tests start."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket

LOWEST, SLICES, SLICE = 10_000, 20, 1_000
"""Below those that the kernel gives to whoever connects (32768, ip_local_port_range). Test runs beside one
another take theirs from slices of their own."""

_own = LOWEST + os.getpid() % SLICES * SLICE
_candidates = itertools.cycle(range(_own, _own + SLICE))


def free_port() -> int:
    """Return a port that nobody uses now, by TCP or by UDP; not one that was returned lately."""
    return free_ports(1)


def free_ports(count: int) -> int:
    """Return the first of so many such ports in a row."""
    while True:
        first = next(_candidates)
        if first + count > _own + SLICE:
            continue
        with contextlib.ExitStack() as probes, contextlib.suppress(OSError):
            for _ in range(count - 1):
                next(_candidates)
            for port in range(first, first + count):
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    probes.enter_context(socket.socket(type=kind)).bind(("", port))
            return first
