"""System calls by number, and prctl(2): the one door from here to the kernel."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from typing import Any

from recording_policy.sandbox.syscalls import TABLES, Architecture

PR_SET_DUMPABLE = 4
PR_GET_DUMPABLE = 3
PR_SET_NAME = 15
PR_SET_TIMERSLACK = 29
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_GET_NO_NEW_PRIVS = 39
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

Argument = int | bytes | None | ctypes.Structure | ctypes.Array[Any]


class UnknownMachine(Exception):
    """There is no table of system calls for this processor."""


def architecture() -> Architecture:
    """Return the table of this machine.

    Raises:
        UnknownMachine: it is neither x86_64 nor aarch64.
    """
    machine = platform.machine()
    if machine not in TABLES:
        raise UnknownMachine(f"{machine}: use one of {', '.join(TABLES)}")
    return TABLES[machine]


def call(number: int, *arguments: Argument) -> int:
    """Do system call `number` and return its result.

    Structures and bytes are passed by address; integers as machine words.

    Raises:
        OSError: with the kernel's errno.
    """
    words = [_word(argument) for argument in arguments]
    words += [ctypes.c_long(0)] * (6 - len(words))
    result: int = _libc.syscall(ctypes.c_long(number), *words)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def errno_of(number: int, *arguments: Argument) -> int:
    """Return the errno of system call `number`, 0 if it succeeded."""
    try:
        call(number, *arguments)
    except OSError as error:
        return error.errno or errno.EIO
    return 0


def prctl(option: int, *arguments: int) -> int:
    """Change or ask something of this thread by prctl.

    Raises:
        OSError: with the kernel's errno.
    """
    return call(architecture().number("prctl"), option, *arguments)


def _word(argument: Argument) -> object:
    if argument is None:
        return ctypes.c_long(0)
    if isinstance(argument, int):
        return ctypes.c_long(argument)
    if isinstance(argument, bytes):
        return ctypes.c_char_p(argument)
    return ctypes.byref(argument)
