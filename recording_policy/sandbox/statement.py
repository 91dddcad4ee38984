"""What a locked worker states about itself, and what is missing in such a statement. Pure.

It goes to who gives out the calls, and into the audit log of each call.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from recording_policy.sandbox import landlock
from recording_policy.sandbox.forbidden import FORBIDDEN_CALLS

SECCOMP_MODE_FILTER = 2
"""As `Seccomp:` in /proc/PID/status."""
REFUSALS = frozenset({"EPERM", "EACCES", "EFBIG", "ENOSYS", "held"})
"""Answers that are refusals: `recording_policy.sandbox.probes`."""
LIMITS = ("file size", "core size")

REQUIRED_PROHIBITIONS = frozenset(
    {
        "grow a file",
        "leave a core",
        "gain privileges",
        "keep capabilities",
        "landlock: open files",
        "landlock: create files",
        "landlock: use TCP",
        "landlock: reach abstract sockets",
        "landlock: signal others",
        *FORBIDDEN_CALLS,
    }
)
"""What a kep worker must have proved on itself before it is given a call."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class SandboxStatement:
    """Facts about one worker process. They hold until it ends."""

    kernel: str
    """Release, such as `6.12.43`."""
    machine: str
    landlock_abi: int
    landlock_files: int
    """Rights on files that are handled, and so refused: LANDLOCK_ACCESS_FS_*."""
    landlock_tcp: int
    """LANDLOCK_ACCESS_NET_*."""
    landlock_scopes: int
    """LANDLOCK_SCOPE_*."""
    seccomp_mode: int
    seccomp_filter: str
    """SHA-256 of the filter's program."""
    limits: dict[str, list[int]]
    """Soft and hard, by the names in /proc/PID/limits."""
    code: str
    """SHA-256 over the worker's Python files: `recording_policy.sandbox.code`."""
    native: str
    """SHA-256 over its native modules."""
    is_freed_memory_overwritten: bool
    """By the C library: `recording_policy.sandbox.memory`. No prohibition of the kernel: a fact."""
    probes: dict[str, dict[str, str]]
    """Prohibition → what was tried → what the kernel answered."""

    def facts(self) -> dict[str, Any]:
        """Return it as an entry of the audit log holds it."""
        return asdict(self)


def faults_of(statement: SandboxStatement | None) -> list[str]:
    """Return what the statement misses; empty if it is that of a locked worker."""
    if statement is None:
        return ["no statement"]
    faults = []
    for name in sorted(REQUIRED_PROHIBITIONS):
        answers = statement.probes.get(name, {})
        if not answers:
            faults.append(f"{name}: not tried")
        faults += [
            f"{name}: {what}: {answer}"
            for what, answer in answers.items()
            if answer not in REFUSALS
        ]
    if statement.landlock_abi < landlock.MIN_ABI:
        faults.append(f"Landlock ABI {statement.landlock_abi}")
    wanted = (landlock.ACCESS_FS_ALL, landlock.ACCESS_NET_TCP, landlock.SCOPES)
    handled = (statement.landlock_files, statement.landlock_tcp, statement.landlock_scopes)
    if any(want & ~have for want, have in zip(wanted, handled, strict=True)):
        faults.append("Landlock rights not handled")
    if statement.seccomp_mode != SECCOMP_MODE_FILTER:
        faults.append(f"seccomp mode {statement.seccomp_mode}")
    faults += [f"limit: {name}" for name in LIMITS if statement.limits.get(name) != [0, 0]]
    for name, value in (
        ("filter", statement.seccomp_filter),
        ("code", statement.code),
        ("native modules", statement.native),
    ):
        if not _SHA256.fullmatch(value):
            faults.append(f"hash of the {name}")
    return faults
