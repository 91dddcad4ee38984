"""What the kernel tells of processes, which may end while it is read."""

from __future__ import annotations

from pathlib import Path

GONE = (FileNotFoundError, ProcessLookupError)
"""What reading of a process that has ended raises: before the file is opened, and after."""


def runs(pid: int) -> bool:
    """Whether the process runs; one that has ended and is not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except GONE:
        return False
    return state != "Z"


def children(pid: int) -> list[int]:
    """Return the children of a process' first thread."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def threads_of(pid: int) -> list[int]:
    """Return the threads of a process, each with a number of its own."""
    return [int(each.name) for each in Path(f"/proc/{pid}/task").iterdir()]


def words_of(pid: int) -> list[str]:
    """Return the command line of a process, nothing of one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]
    except GONE:
        return []


def name_of(pid: int) -> str:
    """Return what a process or thread calls itself, nothing of one that has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except GONE:
        return ""
