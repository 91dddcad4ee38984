"""Ports for servers that tests start."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import socket
import tempfile
from pathlib import Path

LOWEST, SLICES, SLICE = 10_000, 20, 1_000
"""Below those that the kernel gives to whoever connects (32768, ip_local_port_range). Test runs beside one
another take theirs from slices of their own."""


def _take_slice() -> int:
    """Return the first port of a slice that is this process's while it lives.

    A port is free until its server has it: two processes that look in one slice find the same.
    """
    for number in range(SLICES):
        path = Path(tempfile.gettempdir()) / f"synedrion-test-ports-{os.getuid()}-{number}"
        lock = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return LOWEST + number * SLICE  # never closed: the lock ends with the process
    raise RuntimeError(
        f"{SLICES} test runs beside one another, which is as many as there are ports for"
    )


_own = _take_slice()
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
