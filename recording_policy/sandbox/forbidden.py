"""System calls that the filter must refuse, by prohibition, with arguments for trying them.

With these arguments nothing happens, or nothing that outlives the process, should one not be refused;
and nothing but the filter answers EPERM, as far as that can be had.
"""

from __future__ import annotations

import os
import signal
import socket
import stat
from collections.abc import Mapping, Sequence

from recording_policy.sandbox import kernel
from recording_policy.sandbox.seccomp import PROT_EXEC

Call = tuple[str, tuple[kernel.Argument, ...]]

AT_FDCWD = -100
PTRACE_PEEKDATA = 2
BAD_FD = -1
NO_PROCESS = (1 << 31) - 1
NOWHERE = b"/nonexistent/synedrion-probe"
ANYWHERE = b"/dev/null"

FORBIDDEN_CALLS: Mapping[str, Sequence[Call]] = {
    "open files": [
        ("openat", (AT_FDCWD, ANYWHERE, os.O_WRONLY)),
        ("openat", (AT_FDCWD, ANYWHERE, os.O_RDONLY)),
        ("openat2", (AT_FDCWD, ANYWHERE, None, 0)),
        ("open", (ANYWHERE, os.O_RDWR)),
        ("creat", (ANYWHERE, 0o600)),
        ("open_by_handle_at", (BAD_FD, None, os.O_RDWR)),
        ("name_to_handle_at", (AT_FDCWD, NOWHERE, None, None, 0)),
    ],
    "write at an offset": [
        ("pwrite64", (BAD_FD, None, 0, 0)),
        ("pwritev", (BAD_FD, None, 0, 0)),
        ("pwritev2", (BAD_FD, None, 0, 0, 0, 0)),
        ("ftruncate", (BAD_FD, 0)),
        ("truncate", (NOWHERE, 0)),
        ("fallocate", (BAD_FD, 0, 0, 1)),
    ],
    "change names and attributes": [
        ("mkdirat", (AT_FDCWD, NOWHERE, 0o700)),
        ("mknodat", (AT_FDCWD, NOWHERE, stat.S_IFREG, 0)),
        ("symlinkat", (NOWHERE, AT_FDCWD, NOWHERE)),
        ("linkat", (AT_FDCWD, NOWHERE, AT_FDCWD, NOWHERE, 0)),
        ("renameat2", (AT_FDCWD, NOWHERE, AT_FDCWD, NOWHERE, 0)),
        ("unlinkat", (AT_FDCWD, NOWHERE, 0)),
        ("setxattr", (NOWHERE, b"user.x", None, 0, 0)),
        ("fsetxattr", (BAD_FD, b"user.x", None, 0, 0)),
        ("utimensat", (AT_FDCWD, NOWHERE, None, 0)),
        ("fchmodat", (AT_FDCWD, NOWHERE, 0)),
    ],
    "make memory files": [("memfd_create", (b"probe", 0)), ("memfd_secret", (0,))],
    "share memory": [
        ("shmget", (0x5EED, 0, 0)),
        ("shmat", (BAD_FD, None, 0)),
        ("mq_open", (b"synedrion-probe", os.O_RDONLY)),
        ("msgget", (0x5EED, 0)),
        ("semget", (0x5EED, 0, 0)),
    ],
    "execute programs": [
        ("execve", (NOWHERE, None, None)),
        ("execveat", (AT_FDCWD, NOWHERE, None, None, 0)),
    ],
    "start processes": [
        ("clone", (int(signal.SIGCHLD), None, None, None, 0)),
        ("clone3", (None, 0)),
    ],
    "reach into processes": [
        ("ptrace", (PTRACE_PEEKDATA, BAD_FD, None, None)),
        ("process_vm_readv", (BAD_FD, None, 0, None, 0, 0)),
        ("process_vm_writev", (BAD_FD, None, 0, None, 0, 0)),
        ("process_madvise", (BAD_FD, None, 0, 0, 0)),
        ("pidfd_open", (NO_PROCESS, 0)),
        ("pidfd_getfd", (BAD_FD, 0, 0)),
        ("kcmp", (NO_PROCESS, NO_PROCESS, 99, 0, 0)),
    ],
    "signal others": [
        # Nobody has this number: Landlock, which refuses with EPERM too, is not reached.
        ("kill", (NO_PROCESS, 0)),
        ("tkill", (NO_PROCESS, 0)),
        ("tgkill", (NO_PROCESS, NO_PROCESS, 0)),
        ("pidfd_send_signal", (BAD_FD, 0, None, 0)),
        ("rt_sigqueueinfo", (NO_PROCESS, 0, None)),
    ],
    "use io_uring or aio": [
        ("io_uring_setup", (0, None)),
        ("io_uring_enter", (BAD_FD, 0, 0, 0, None, 0)),
        ("io_uring_register", (BAD_FD, 0, None, 0)),
        ("io_setup", (0, None)),
        ("io_submit", (0, 0, None)),
    ],
    "make TCP sockets": [
        ("socket", (socket.AF_INET, socket.SOCK_STREAM, 0)),
        ("socket", (socket.AF_INET6, socket.SOCK_STREAM, 0)),
    ],
    "make UDP sockets": [
        ("socket", (socket.AF_INET, socket.SOCK_DGRAM, 0)),
        ("socket", (socket.AF_INET6, socket.SOCK_DGRAM, 0)),
    ],
    "make other sockets": [
        ("socket", (socket.AF_UNIX, socket.SOCK_STREAM, 0)),
        ("socket", (socket.AF_NETLINK, socket.SOCK_RAW, 0)),
        ("socket", (socket.AF_PACKET, socket.SOCK_RAW, 0)),
        ("socketpair", (socket.AF_UNIX, socket.SOCK_STREAM, 0, None)),
    ],
    "connect and bind": [
        ("connect", (BAD_FD, None, 0)),
        ("bind", (BAD_FD, None, 0)),
        ("sendto", (BAD_FD, None, 0, 0, b"\0" * 16, 16)),
    ],
    "copy between descriptors": [
        ("splice", (BAD_FD, None, BAD_FD, None, 0, 0)),
        ("tee", (BAD_FD, BAD_FD, 0, 0)),
        ("vmsplice", (BAD_FD, None, 0, 0)),
        ("sendfile", (BAD_FD, BAD_FD, None, 0)),
        ("copy_file_range", (BAD_FD, None, BAD_FD, None, 0, 0)),
    ],
    "make code": [
        ("mmap", (None, 4096, PROT_EXEC, 0x22, BAD_FD, 0)),
        ("mprotect", (None, 0, PROT_EXEC)),
        ("pkey_mprotect", (None, 0, PROT_EXEC, -1)),
    ],
    "change the view of the system": [
        ("unshare", (0,)),
        ("setns", (BAD_FD, 0)),
        ("mount", (NOWHERE, NOWHERE, None, 0, None)),
        ("umount2", (NOWHERE, 0)),
        ("move_mount", (BAD_FD, None, BAD_FD, None, 0)),
        ("open_tree", (AT_FDCWD, NOWHERE, 0)),
        ("fsopen", (b"none", 0)),
        ("pivot_root", (NOWHERE, NOWHERE)),
        ("chroot", (NOWHERE,)),
    ],
    "use the kernel's workshops": [
        ("bpf", (BAD_FD, None, 0)),
        ("perf_event_open", (None, 0, 0, BAD_FD, 0)),
        ("userfaultfd", (-1,)),
        ("keyctl", (-1, 0, 0, 0, 0)),
        ("add_key", (b"user", b"synedrion-probe", None, 0, 0)),
        ("request_key", (b"user", b"synedrion-probe", None, 0)),
        ("fanotify_init", (0xFFFF, 0)),
        ("inotify_init1", (-1,)),
        ("syslog", (3, None, 0)),
    ],
    "loosen the sandbox": [
        ("prctl", (kernel.PR_SET_DUMPABLE, 1, 0, 0, 0)),
        ("prlimit64", (0, 1, None, None)),
        ("setrlimit", (1, None)),
        ("personality", (0xFFFFFFFF,)),
        ("setresuid", (-1, -1, -1)),
        ("capset", (None, None)),
        ("landlock_create_ruleset", (None, 0, 1)),
        ("seccomp", (-1, 0, None)),
    ],
}
