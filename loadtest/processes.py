"""What processes of this machine use, from /proc: CPU time and memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProcessUse:
    """One process at one instant."""

    pid: int
    command: str
    """First words of the command line."""
    cpu_s: float
    """User and system time of all its threads."""
    pss_bytes: int
    """Memory, shared pages by share; resident size where the kernel does not tell."""


def read_use(pid: int) -> ProcessUse | None:
    """Return what `pid` uses; None if it is gone."""
    folder = Path("/proc") / str(pid)
    try:
        # The name in parentheses may hold spaces: fields count from behind it.
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return ProcessUse(
            pid=pid,
            command=command[:80].strip(),
            cpu_s=(int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
            pss_bytes=_pss_bytes(folder),
        )
    except (OSError, IndexError):
        return None


def descendants(pid: int) -> list[int]:
    """Return `pid` and all its children's children, in no order."""
    found, waiting = [], [pid]
    while waiting:
        current = waiting.pop()
        found.append(current)
        try:
            tasks = list((Path("/proc") / str(current) / "task").iterdir())
            for task in tasks:
                waiting += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def _pss_bytes(folder: Path) -> int:
    try:
        for line in (folder / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
