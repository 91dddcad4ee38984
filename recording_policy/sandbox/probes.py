"""The prohibitions, each tried on the process itself. A prohibition holds if every try is refused.

Every try is told with what the kernel answered: the name of an errno, or `held` for what is asked.

Two rounds, since what seccomp refuses never reaches Landlock: the first runs when limits and Landlock
are on, the second when the filter is.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import socket
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from recording_policy.sandbox import kernel, privileges
from recording_policy.sandbox.forbidden import FORBIDDEN_CALLS, Call
from recording_policy.sandbox.syscalls import Architecture


@dataclass(frozen=True)
class Answer:
    """What came of one try."""

    text: str
    """Name of the errno; `done` if nothing refused it; for questions `held` or `not held`."""
    is_refused: bool
    """It was refused as it must be."""


Answers = dict[str, Answer]
"""By try."""


HELD, DONE = "held", "done"


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


def first_round(architecture: Architecture, witnesses: Witnesses) -> dict[str, Answers]:
    """Return for each prohibition of limits and Landlock what was answered."""
    folders = ("/", "/tmp", "/var/tmp", "/dev/shm", ".")
    tries: Mapping[str, Mapping[str, Callable[[], Answer]]] = {
        "grow a file": {
            "write to a memory file": lambda: _fails(
                lambda: os.write(witnesses.memory_file, b"x"), errno.EFBIG
            ),
            "limits": lambda: _held(privileges.has_limits()),
        },
        "leave a core": {"dumpable": lambda: _held(not privileges.is_dumpable())},
        "gain privileges": {"no-new-privs": lambda: _held(not privileges.may_gain_privileges())},
        "keep capabilities": {"sets": lambda: _held(not privileges.has_capabilities(architecture))},
        "landlock: open files": {
            "read": lambda: _landlocked(lambda: os.open("/proc/self/status", os.O_RDONLY)),
            "write": lambda: _landlocked(lambda: os.open("/dev/null", os.O_WRONLY)),
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
        name: {what: attempt() for what, attempt in each.items()} for name, each in tries.items()
    }


def second_round(architecture: Architecture) -> dict[str, Answers]:
    """Return for each prohibition of the filter what was answered."""
    return {
        name: {
            _text(each): _filtered(architecture, each)
            for each in calls
            if each[0] in architecture.numbers
        }
        for name, calls in FORBIDDEN_CALLS.items()
    }


def once_more(architecture: Architecture) -> dict[str, Answers]:
    """Return what is answered now for some prohibitions of the filter: those by which something would
    be kept. Few, because the kernel logs each."""
    tried: dict[str, Answers] = {}
    for name in AGAIN:
        each = FORBIDDEN_CALLS[name][0]
        tried[name] = {_text(each): _filtered(architecture, each)}
    return tried


AGAIN = ("open files", "make memory files", "make UDP sockets", "execute programs")


def _filtered(architecture: Architecture, call: Call) -> Answer:
    name, arguments = call
    number = architecture.number(name)
    if name == "clone":
        return _try_clone(number, arguments)
    wanted = errno.ENOSYS if name == "clone3" else errno.EPERM
    found = kernel.errno_of(number, *arguments)
    return Answer(_name_of(found), found == wanted)


def _try_clone(number: int, arguments: tuple[kernel.Argument, ...]) -> Answer:
    try:
        child = kernel.call(number, *arguments)
    except OSError as error:
        return Answer(_name_of(error.errno), error.errno == errno.EPERM)
    if child == 0:
        os._exit(0)
    return Answer(DONE, False)


def _text(call: Call) -> str:
    return f"{call[0]}{call[1]}"


def _held(is_so: bool) -> Answer:
    return Answer(HELD if is_so else "not held", is_so)


def _name_of(number: int | None) -> str:
    return errno.errorcode.get(number or 0, str(number)) if number else DONE


def _fails(action: Callable[[], object], *refusals: int) -> Answer:
    try:
        action()
    except OSError as error:
        return Answer(_name_of(error.errno), error.errno in refusals)
    return Answer(DONE, False)


def _landlocked(action: Callable[[], object]) -> Answer:
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
