"""What is open when a worker locks itself down: that stays usable, so nothing may be open that keeps
what is written to it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

HARMLESS_DEVICES = frozenset({"null", "zero", "full", "random", "urandom", "tty", "ptmx"})
OPEN_DESCRIPTORS = Path("/proc/self/fd")


def recording_descriptors() -> list[str]:
    """Return descriptions of what is open and could store what passes through the worker.

    Sockets, pipes, terminals, epoll, eventfd and pidfd store nothing; files opened for reading only
    take nothing. All else does: writable files (RLIMIT_FSIZE would stop them growing, not being
    overwritten), disks, io_uring.
    """
    found = []
    for name in os.listdir(OPEN_DESCRIPTORS):
        descriptor = int(name)
        try:
            mode = os.fstat(descriptor).st_mode
            target = os.readlink(OPEN_DESCRIPTORS / name)
        except OSError:
            continue  # the descriptor of the listing itself
        if not _is_harmless(descriptor, mode, target):
            found.append(f"descriptor {descriptor}: {target}")
    return sorted(found)


def _is_harmless(descriptor: int, mode: int, target: str) -> bool:
    if stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode):
        return True
    if target.startswith("anon_inode:"):
        return target[len("anon_inode:") :] in ("[eventpoll]", "[eventfd]", "[pidfd]")
    if stat.S_ISCHR(mode):
        return os.path.basename(target) in HARMLESS_DEVICES or target.startswith("/dev/pts/")
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        with open(f"/proc/self/fdinfo/{descriptor}") as info:
            flags = next(line for line in info if line.startswith("flags:"))
        return int(flags.split()[1], 8) & os.O_ACCMODE == os.O_RDONLY
    return False


def thread_count() -> int:
    """Return how many threads the process has."""
    return len(os.listdir("/proc/self/task"))
