"""Limits, capabilities and the dumpable flag: what a process may lose and never get back."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import resource

from recording_policy.sandbox import kernel
from recording_policy.sandbox.syscalls import Architecture

CAPABILITY_VERSION_3 = 0x20080522
LIMITS = (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE)
"""No byte can be added to any file, memory files included; no core file."""


class _CapabilityHeader(ctypes.Structure):
    """struct __user_cap_header_struct."""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilityData(ctypes.Structure):
    """struct __user_cap_data_struct; two hold 64 capabilities."""

    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def give_up(architecture: Architecture) -> None:
    """Set no-new-privs and the limits, drop all capabilities, stop being dumpable.

    Raises:
        OSError: the kernel refuses.
    """
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for limit in LIMITS:
        resource.setrlimit(limit, (0, 0))
    _drop_capabilities(architecture)
    # Last: a change of credentials may set it again. It also stops cores that are piped to a
    # program (core_pattern), which RLIMIT_CORE does not.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0, 0, 0, 0)


def is_dumpable() -> bool:
    """Tell whether others of our user may read our memory, and the kernel may dump it."""
    return kernel.prctl(kernel.PR_GET_DUMPABLE) != 0


def may_gain_privileges() -> bool:
    """Tell whether executing a set-uid program would."""
    return kernel.prctl(kernel.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1


def limits() -> dict[str, list[int]]:
    """Return soft and hard of LIMITS, by their names in /proc/PID/limits."""
    names = {resource.RLIMIT_FSIZE: "file size", resource.RLIMIT_CORE: "core size"}
    return {names[limit]: list(resource.getrlimit(limit)) for limit in LIMITS}


def has_limits() -> bool:
    """Tell whether LIMITS are zero, soft and hard."""
    return all(resource.getrlimit(limit) == (0, 0) for limit in LIMITS)


def has_capabilities(architecture: Architecture) -> bool:
    """Tell whether any is left in any set of this thread."""
    data = (_CapabilityData * 2)()
    header = _CapabilityHeader(CAPABILITY_VERSION_3, 0)
    kernel.call(architecture.number("capget"), header, data)
    return any(each.effective | each.permitted | each.inheritable for each in data)


def _drop_capabilities(architecture: Architecture) -> None:
    # The bounding set can only be dropped by who has CAP_SETPCAP; for everybody else no-new-privs
    # says already that nothing of it can be had.
    with contextlib.suppress(PermissionError):
        for capability in range(64):
            try:
                kernel.prctl(kernel.PR_CAPBSET_DROP, capability)
            except OSError as error:
                if error.errno == errno.EINVAL:
                    break  # past the last that the kernel knows
                raise
    kernel.prctl(kernel.PR_CAP_AMBIENT, kernel.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = _CapabilityHeader(CAPABILITY_VERSION_3, 0)
    kernel.call(architecture.number("capset"), header, (_CapabilityData * 2)())
