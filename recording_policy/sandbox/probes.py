"""The prohibitions, each tried on the process itself. A prohibition holds if every try is refused.

Two rounds, since what seccomp refuses never reaches Landlock: the first runs when limits and Landlock
are on, the second when the filter is. Every try has arguments with which nothing happens, or
nothing that outlives the process, should it not be refused: the process ends then.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import signal
import socket
import stat
from collections.abc import Callable, Mapping
from functools import partial

from recording_policy.sandbox import kernel, privileges
from recording_policy.sandbox.seccomp import PROT_EXEC
from recording_policy.sandbox.syscalls import Architecture

AT_FDCWD = -100
PTRACE_PEEKDATA = 2
BAD_FD = -1
NO_PROCESS = (1 << 31) - 1
NOWHERE = b"/nonexistent/synedrion-probe"
ANYWHERE = b"/dev/null"


class Witnesses:
    """What the first round needs and could not make once it is forbidden."""

    def __init__(self) -> None:
        self.memory_file = os.memfd_create("synedrion-probe")
        self.abstract_name = "\0synedrion-probe-" + secrets.token_hex(8)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.abstract_name)
        self._listener.listen(1)

    def close(self) -> None:
        os.close(self.memory_file)
        self._listener.close()


def first_round(architecture: Architecture, witnesses: Witnesses) -> dict[str, list[str]]:
    """Return for each prohibition of limits and Landlock what was not refused."""
    folders = ("/", "/tmp", "/var/tmp", "/dev/shm", ".")
    tries: Mapping[str, Mapping[str, Callable[[], bool]]] = {
        "grow a file": {
            "write to a memory file": lambda: _fails(
                lambda: os.write(witnesses.memory_file, b"x"), errno.EFBIG
            ),
            "limits": privileges.has_limits,
        },
        "leave a core": {"dumpable": lambda: not privileges.is_dumpable()},
        "gain privileges": {"no-new-privs": lambda: not privileges.may_gain_privileges()},
        "keep capabilities": {"sets": lambda: not privileges.has_capabilities(architecture)},
        "landlock: open files": {
            "read": lambda: _landlocked(lambda: os.open("/proc/self/status", os.O_RDONLY)),
            "write": lambda: _landlocked(lambda: os.open(ANYWHERE, os.O_WRONLY)),
            "list": lambda: _landlocked(lambda: os.open("/", os.O_RDONLY | os.O_DIRECTORY)),
        },
        "landlock: create files": {
            f"{what} in {folder}": partial(_landlocked, partial(_make_and_remove, make, folder))
            for folder in folders
            if os.access(folder, os.W_OK)
            for what, make in _MAKERS.items()
        },
        "landlock: use TCP": {
            "connect": lambda: _landlocked(lambda: _tcp(lambda end: end.connect(("127.0.0.1", 9)))),
            "bind": lambda: _landlocked(lambda: _tcp(lambda end: end.bind(("127.0.0.1", 0)))),
        },
        "landlock: reach abstract sockets": {
            "connect": lambda: _fails(
                lambda: _connect_abstract(witnesses.abstract_name), errno.EPERM
            )
        },
        "landlock: signal others": {
            "kill": lambda: _fails(lambda: os.kill(_other_process(), 0), errno.EPERM)
        },
    }
    return {
        name: [what for what, is_refused in each.items() if not is_refused()]
        for name, each in tries.items()
    }


def second_round(architecture: Architecture) -> dict[str, list[str]]:
    """Return for each prohibition of the filter which calls were not refused."""
    missing: dict[str, list[str]] = {}
    for name, calls in forbidden_calls().items():
        present = [each for each in calls if each[0] in architecture.numbers]
        missing[name] = [_text(each) for each in present if not _is_filtered(architecture, each)]
    return missing


Call = tuple[str, tuple[kernel.Argument, ...]]


def forbidden_calls() -> dict[str, list[Call]]:
    """Return the calls that the filter must refuse, by prohibition."""
    parent = os.getppid()
    return {
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
            ("pidfd_open", (parent, 0)),
            ("pidfd_getfd", (BAD_FD, 0, 0)),
            ("kcmp", (parent, parent, 99, 0, 0)),
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


def _is_filtered(architecture: Architecture, call: Call) -> bool:
    name, arguments = call
    number = architecture.number(name)
    if name == "clone":
        return _clone_is_refused(number, arguments)
    wanted = errno.ENOSYS if name == "clone3" else errno.EPERM
    return kernel.errno_of(number, *arguments) == wanted


def _clone_is_refused(number: int, arguments: tuple[kernel.Argument, ...]) -> bool:
    try:
        child = kernel.call(number, *arguments)
    except OSError as error:
        return error.errno == errno.EPERM
    if child == 0:
        os._exit(0)
    return False


def _text(call: Call) -> str:
    return f"{call[0]}{call[1]}"


def _fails(action: Callable[[], object], *refusals: int) -> bool:
    try:
        action()
    except OSError as error:
        return error.errno in refusals
    return False


def _landlocked(action: Callable[[], object]) -> bool:
    return _fails(action, errno.EACCES)


def _make_and_remove(make: Callable[[str], object], folder: str) -> None:
    path = os.path.join(folder, "synedrion-probe-" + secrets.token_hex(8))
    make(path)
    with contextlib.suppress(OSError):
        os.rmdir(path) if os.path.isdir(path) else os.unlink(path)


_MAKERS: Mapping[str, Callable[[str], object]] = {
    # Each asks for one right only; opening a new file would ask for writing too.
    "file": lambda path: os.mknod(path, stat.S_IFREG | 0o600),
    "folder": lambda path: os.mkdir(path, 0o700),
    "link": lambda path: os.symlink("nothing", path),
    "socket": lambda path: os.mknod(path, stat.S_IFSOCK | 0o600),
    "pipe": lambda path: os.mknod(path, stat.S_IFIFO | 0o600),
}


def _tcp(use: Callable[[socket.socket], object]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as end:
        end.settimeout(0.1)
        use(end)


def _connect_abstract(name: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as end:
        end.connect(name)


def _other_process() -> int:
    """Return the parent. Without one (0: it is outside our PID namespace) the try would signal our
    own group, which is allowed: the prohibition cannot be shown, so it counts as missing."""
    return os.getppid()
