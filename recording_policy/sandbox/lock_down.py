"""The order of the layers, and the refusal to serve if one of them is not there."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from recording_policy.sandbox import (
    descriptors,
    kernel,
    landlock,
    memory,
    privileges,
    probes,
    seccomp,
)
from recording_policy.sandbox.code import CodeHashes, hash_code
from recording_policy.sandbox.statement import (
    REQUIRED_PROHIBITIONS,
    SECCOMP_MODE_FILTER,
    SandboxStatement,
)


class SandboxRefused(Exception):
    """The process is not locked down and must not serve. The text names what is missing."""


@dataclass(frozen=True)
class SandboxReport:
    """What holds for the rest of the process's life."""

    prohibitions: tuple[str, ...]
    """Those tried and refused: all of REQUIRED_PROHIBITIONS."""
    duration_s: float
    """Of locking and probing together."""
    statement: SandboxStatement
    """The same in full, for others to judge and to keep."""

    @property
    def landlock_abi(self) -> int:
        """Version of Landlock in this kernel."""
        return self.statement.landlock_abi


def prove_again() -> dict[str, str]:
    """Return what the kernel answers now, by prohibition, in a process that is locked down."""
    tried = probes.once_more(kernel.architecture())
    return {
        name: ", ".join(sorted({each.text for each in answers.values()}))
        for name, answers in tried.items()
    }


def lock_down(packages: Sequence[str] = ("recording_policy",)) -> SandboxReport:
    """Lock this process and the threads it will start down, for good, and try each prohibition.

    Call it when every file has been read and every socket bound, while there is one thread.
    `packages`: whose code the statement names by hash.

    Raises:
        SandboxRefused: a layer or a prohibition is missing. The process may be half locked: end it.
    """
    code = hash_code(packages)
    started = time.monotonic()
    try:
        return _lock_down(code, started)
    except (OSError, kernel.UnknownMachine) as error:
        raise SandboxRefused(f"the kernel refused a layer of the sandbox: {error}") from error


def _lock_down(code: CodeHashes, started: float) -> SandboxReport:
    architecture = kernel.architecture()
    system = os.uname()
    is_freed_memory_overwritten = memory.is_overwritten_when_freed()
    _check_surroundings(landlock.missing(architecture))
    abi = landlock.abi_version(architecture)
    rules = seccomp.filter_rules(architecture, os.getpid())
    witnesses = probes.Witnesses()
    try:
        privileges.give_up(architecture)
        landlock.enter_domain(architecture)
        results = probes.first_round(architecture, witnesses)
    finally:
        witnesses.close()
    limits = privileges.limits()
    filter_hash = seccomp.install_filter(architecture, rules)
    results |= probes.second_round(architecture)

    faults = []
    for name, answers in results.items():
        tries = [what for what, answer in answers.items() if not answer.is_refused]
        faults += [f"{name}: {', '.join(tries)}"] if tries else []
    faults += [f"{name}: not tried" for name in REQUIRED_PROHIBITIONS - results.keys()]
    if faults:
        raise SandboxRefused("not refused by the kernel: " + "; ".join(faults))
    statement = SandboxStatement(
        kernel=system.release,
        machine=system.machine,
        landlock_abi=abi,
        landlock_files=landlock.ACCESS_FS_ALL,
        landlock_tcp=landlock.ACCESS_NET_TCP,
        landlock_scopes=landlock.SCOPES,
        seccomp_mode=SECCOMP_MODE_FILTER,
        seccomp_filter=filter_hash,
        limits=limits,
        code=code.python,
        native=code.native,
        is_freed_memory_overwritten=is_freed_memory_overwritten,
        probes={
            name: {what: answer.text for what, answer in answers.items()}
            for name, answers in results.items()
        },
    )
    return SandboxReport(tuple(results), time.monotonic() - started, statement)


def _check_surroundings(missing_landlock: str | None) -> None:
    faults = [] if missing_landlock is None else [missing_landlock]
    threads = descriptors.thread_count()
    if threads != 1:
        # Landlock would not hold the others (ABI 8 could).
        faults.append(f"{threads} threads are running: lock down before the second starts")
    open_for_recording = descriptors.recording_descriptors()
    if open_for_recording:
        faults.append(
            "something is open that can keep what is written to it: "
            + ", ".join(open_for_recording)
            + " (give the worker pipes for stdout and stderr)"
        )
    if faults:
        raise SandboxRefused("; ".join(faults))
