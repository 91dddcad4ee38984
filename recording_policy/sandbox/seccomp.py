"""The system calls that a locked worker may make; every other one fails with EPERM and is logged.

Refusals go to the kernel's audit log (SECCOMP_FILTER_FLAG_LOG), which neither the worker nor whoever
took it over can suppress.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
from collections.abc import Iterable

from recording_policy.sandbox import kernel
from recording_policy.sandbox.bpf import RET_ERRNO, ArgumentTest, Instruction, Rule, assemble
from recording_policy.sandbox.syscalls import Architecture

SECCOMP_SET_MODE_FILTER = 1
SECCOMP_FILTER_FLAG_TSYNC = 1
SECCOMP_FILTER_FLAG_LOG = 2

ALLOWED = (
    # Descriptors that are open already: sockets, pipes, epoll, eventfd.
    *("read", "write", "readv", "writev", "close", "shutdown", "listen", "accept4"),
    *("recvfrom", "recvmmsg", "sendmsg", "sendmmsg"),
    *("getsockname", "getpeername", "getsockopt", "setsockopt"),
    *("epoll_wait", "epoll_pwait", "epoll_ctl", "poll", "ppoll", "eventfd2"),
    # Memory; `mmap` and `mprotect` have a condition.
    *("munmap", "mremap", "brk", "madvise"),
    # Threads; `clone` has a condition.
    *("futex", "set_robust_list", "rseq", "sched_yield", "sched_getaffinity", "sigaltstack"),
    *("gettid", "getpid", "getppid", "getuid", "geteuid", "getgid", "getegid"),
    # Time, chance, signals to oneself, the end.
    *("clock_gettime", "clock_getres", "clock_nanosleep", "gettimeofday", "nanosleep"),
    *("getrandom", "getrusage"),
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "restart_syscall"),
    *("exit", "exit_group"),
)
"""Without condition. A name that a processor lacks is left out there."""

PROT_EXEC = 4
CLONE_THREAD_FLAGS = 0x00010000 | 0x00000100 | 0x00000800 | 0x00000400 | 0x00000200
"""CLONE_THREAD | CLONE_VM | CLONE_SIGHAND | CLONE_FILES | CLONE_FS: a thread, not a process."""
CLONE_NEW_NAMESPACES = 0x7E020080
"""All CLONE_NEW* flags."""
FCNTL_COMMANDS = {"F_GETFD": 1, "F_SETFD": 2, "F_GETFL": 3, "F_SETFL": 4, "F_DUPFD_CLOEXEC": 1030}
IOCTL_COMMANDS = {"FIONREAD": 0x541B, "FIONBIO": 0x5421}


def filter_rules(architecture: Architecture, pid: int) -> list[Rule]:
    """Return the allow-list for the process `pid`."""
    rules = [Rule(architecture.numbers[name]) for name in ALLOWED if name in architecture.numbers]

    def allow(name: str, *tests: ArgumentTest) -> None:
        rules.append(Rule(architecture.number(name), tests))

    allow("mmap", ArgumentTest(2, 0, PROT_EXEC))
    allow("mprotect", ArgumentTest(2, 0, PROT_EXEC))
    allow("clone", ArgumentTest(0, CLONE_THREAD_FLAGS, CLONE_THREAD_FLAGS | CLONE_NEW_NAMESPACES))
    # The flags of clone3 lie in memory, which a filter cannot read; glibc then uses clone.
    rules.append(Rule(architecture.number("clone3"), (), RET_ERRNO | errno.ENOSYS))
    allow("sendto", ArgumentTest(4, 0))  # send(2): to the other end of a connection
    allow("prctl", ArgumentTest(0, kernel.PR_SET_NAME))
    # The engine's thread asks to run soon, and for prompt timers: its own (0).
    allow("prctl", ArgumentTest(0, kernel.PR_SET_TIMERSLACK))
    allow("sched_getattr", ArgumentTest(0, 0))
    allow("sched_setattr", ArgumentTest(0, 0))
    allow("getpriority", ArgumentTest(0, 0), ArgumentTest(1, 0))
    allow("tgkill", ArgumentTest(0, pid))  # abort(3)
    for command in FCNTL_COMMANDS.values():
        allow("fcntl", ArgumentTest(1, command))
    for command in IOCTL_COMMANDS.values():
        allow("ioctl", ArgumentTest(1, command))
    return rules


def install_filter(architecture: Architecture, rules: Iterable[Rule]) -> str:
    """Put the filter on all threads, present and future, for good. Needs no-new-privs. Return the
    SHA-256 of its program.

    Raises:
        OSError: the kernel has no seccomp filters, or a thread has another filter.
    """
    program = assemble(architecture.audit_value, list(rules), RET_ERRNO | errno.EPERM)
    number = architecture.number("seccomp")
    flags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG
    differing_thread = kernel.call(number, SECCOMP_SET_MODE_FILTER, flags, _packed(program))
    if differing_thread:
        raise OSError(errno.EBUSY, f"thread {differing_thread} has another seccomp filter")
    return hashlib.sha256(b"".join(step.pack() for step in program)).hexdigest()


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def _packed(program: list[Instruction]) -> _Program:
    return _Program(len(program), b"".join(step.pack() for step in program))
