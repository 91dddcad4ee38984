"""Landlock: a domain in which no file may be opened, no TCP used, and nobody outside be signalled.

Landlock holds threads, not processes: a thread gets the domain of the one that starts it, so the
domain must be entered while there is only one. https://docs.kernel.org/userspace-api/landlock.html
"""

from __future__ import annotations

import ctypes
import errno
import os

from recording_policy.sandbox import kernel
from recording_policy.sandbox.syscalls import Architecture

MIN_ABI = 6
"""Linux 6.12: the first with scoped signals and abstract sockets."""

ACCESS_FS_ALL = (1 << 16) - 1
"""EXECUTE to IOCTL_DEV, all rights of ABI 5 and later."""
ACCESS_NET_TCP = 0b11
"""BIND_TCP, CONNECT_TCP."""
SCOPES = 0b11
"""ABSTRACT_UNIX_SOCKET, SIGNAL."""
CREATE_RULESET_VERSION = 1


class _RulesetAttributes(ctypes.Structure):
    """struct landlock_ruleset_attr."""

    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


def abi_version(architecture: Architecture) -> int:
    """Return Landlock's version in this kernel, 0 if there is none or it is off."""
    try:
        create = architecture.number("landlock_create_ruleset")
        return kernel.call(create, None, 0, CREATE_RULESET_VERSION)
    except OSError:
        return 0


def enter_domain(architecture: Architecture) -> None:
    """Restrict the calling thread, and all that it starts, to what is open already. No exceptions:
    the rule set is empty. Needs no-new-privs.

    Raises:
        OSError: the kernel refuses.
    """
    attributes = _RulesetAttributes(ACCESS_FS_ALL, ACCESS_NET_TCP, SCOPES)
    ruleset = kernel.call(
        architecture.number("landlock_create_ruleset"),
        attributes,
        ctypes.sizeof(attributes),
        0,
    )
    try:
        kernel.call(architecture.number("landlock_restrict_self"), ruleset, 0)
    finally:
        os.close(ruleset)


def missing(architecture: Architecture) -> str | None:
    """Return what this kernel lacks, None if it has all."""
    version = abi_version(architecture)
    if version >= MIN_ABI:
        return None
    found = f"ABI {version}" if version else f"none ({os.strerror(errno.EOPNOTSUPP)} or not built)"
    return (
        f"Landlock ABI {MIN_ABI} is needed (Linux 6.12, with `landlock` in the kernel's lsm= list); "
        f"found: {found}"
    )
