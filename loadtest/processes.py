"""What processes of this machine use, from /proc: CPU time and memory; which of them are a service's."""

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

    @property
    def role(self) -> str:
        """What it is among the processes of the service."""
        for words, role in _ROLES.items():
            if words in self.command:
                return role
        return "other"


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


def service_on_port(port: int) -> int | None:
    """Return the pid at the root of the service that listens on TCP `port` of this machine.

    None if nobody does, or its processes are not ours to look at.
    """
    inodes = _listening_inodes(port)
    for folder in Path("/proc").iterdir() if inodes else ():
        if folder.name.isdigit() and _holds_socket(folder, inodes):
            return _supervisor_of(int(folder.name))
    return None


def machine_use() -> tuple[int, int]:
    """Return ticks of all cores since boot: not idle, and all."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


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


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in ("tcp", "tcp6"):
        try:
            rows = (Path("/proc/net") / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    return inodes


def _holds_socket(folder: Path, inodes: set[str]) -> bool:
    try:
        return any(os.readlink(each) in inodes for each in (folder / "fd").iterdir())
    except OSError:
        return False


def _supervisor_of(pid: int) -> int:
    """Return the parent if it is the supervisor of `pid`, else `pid`."""
    parent = _parent_of(pid)
    use = read_use(parent) if parent > 1 else None
    return parent if use is not None and use.role == "supervisor" else pid


def _parent_of(pid: int) -> int:
    try:
        return int((Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


_LISTEN = "0A"
"""State of a row of /proc/net/tcp."""
_ROLES = {
    "control-plane": "control plane",
    "sfu.worker": "media worker",
    "identity.development": "development sign-in",
    "signaling.main serve": "supervisor",
    "synedrion serve": "supervisor",
}
