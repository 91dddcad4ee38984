"""The order of the layers, and the refusal to serve if one of them is not there."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from recording_policy.sandbox import (
    descriptors,
    kernel,
    landlock,
    privileges,
    probes,
    seccomp,
)
from recording_policy.sandbox.forbidden import FORBIDDEN_CALLS

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


class SandboxRefused(Exception):
    """The process is not locked down and must not serve. The text names what is missing."""


@dataclass(frozen=True)
class SandboxReport:
    """What holds for the rest of the process's life."""

    prohibitions: tuple[str, ...]
    """Those tried and refused: all of REQUIRED_PROHIBITIONS."""
    landlock_abi: int
    duration_s: float
    """Of locking and probing together."""


def lock_down() -> SandboxReport:
    """Lock this process and the threads it will start down, for good, and try each prohibition.

    Call it when every file has been read and every socket bound, while there is one thread.

    Raises:
        SandboxRefused: a layer or a prohibition is missing. The process may be half locked: end it.
    """
    started = time.monotonic()
    try:
        return _lock_down(started)
    except (OSError, kernel.UnknownMachine) as error:
        raise SandboxRefused(f"the kernel refused a layer of the sandbox: {error}") from error


def _lock_down(started: float) -> SandboxReport:
    architecture = kernel.architecture()
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
    seccomp.install_filter(architecture, rules)
    results |= probes.second_round(architecture)

    faults = [f"{name}: {', '.join(tries)}" for name, tries in results.items() if tries]
    faults += [f"{name}: not tried" for name in REQUIRED_PROHIBITIONS - results.keys()]
    if faults:
        raise SandboxRefused("not refused by the kernel: " + "; ".join(faults))
    return SandboxReport(tuple(results), abi, time.monotonic() - started)


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
