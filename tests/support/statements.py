"""The statement of a worker that is locked down, for workers that only play one."""

from __future__ import annotations

from recording_policy.sandbox import REQUIRED_PROHIBITIONS, SandboxStatement, landlock
from recording_policy.sandbox.statement import SECCOMP_MODE_FILTER


def whole_statement() -> SandboxStatement:
    """Return a statement without faults."""
    return SandboxStatement(
        kernel="6.12.0",
        machine="x86_64",
        landlock_abi=landlock.MIN_ABI,
        landlock_files=landlock.ACCESS_FS_ALL,
        landlock_tcp=landlock.ACCESS_NET_TCP,
        landlock_scopes=landlock.SCOPES,
        seccomp_mode=SECCOMP_MODE_FILTER,
        seccomp_filter="f" * 64,
        limits={"file size": [0, 0], "core size": [0, 0]},
        code="c" * 64,
        native="e" * 64,
        is_freed_memory_overwritten=True,
        probes={name: {"try": "EPERM"} for name in sorted(REQUIRED_PROHIBITIONS)},
    )
