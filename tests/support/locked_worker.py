"""A kep worker for tests: the product's, with something that only a test may do.

`python -m tests.support.locked_worker MODE` reads a `WorkerConfig` on stdin as `sfu.worker` does.
sabotage  once locked, tries to get something out, prints what came of it as one line of JSON
readable  leaves its memory readable for the test that searches it (all other layers stay)
unlocked  serves without any sandbox: the control that proves that a test can fail
Two modes may be joined by a comma.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import json
import mmap
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Container
from multiprocessing import shared_memory
from pathlib import Path
from unittest import mock

from recording_policy.sandbox import (
    REQUIRED_PROHIBITIONS,
    SandboxReport,
    kernel,
    privileges,
)
from recording_policy.sandbox.syscalls import Architecture
from sfu import worker
from sfu.config import WorkerConfig
from sfu.logs import Log, configure_logs
from tests.support.statements import whole_statement

NEEDLE = b"sabotage"
HARMLESS = ("write a file", "read a file", "memory file", "UDP", "signal others", "code", "fork")
"""What an unlocked worker may try: it succeeds, and hurts nobody."""


Tries = dict[str, Callable[[], object]]
"""By name; each raises OSError if it is refused."""


def tries(folder: str) -> Tries:
    """Return what sabotage tries."""
    return _tries_to_keep(folder) | _tries_to_send() | _tries_to_break_out()


def _tries_to_keep(folder: str) -> Tries:
    return {
        "write a file": lambda: Path(folder, "stolen").write_bytes(NEEDLE),
        "write to /dev/shm": lambda: Path("/dev/shm/stolen").write_bytes(NEEDLE),
        "write to /tmp": lambda: Path("/tmp/stolen").write_bytes(NEEDLE),
        "read a file": lambda: Path("/etc/hostname").read_bytes(),
        "list a folder": lambda: os.listdir("/"),
        "rename": lambda: os.rename(folder, folder + "-" + NEEDLE.hex()),
        "link": lambda: os.symlink(NEEDLE, os.path.join(folder, "link")),
        "attribute": lambda: os.setxattr(folder, "user.stolen", NEEDLE),
        "memory file": lambda: os.write(os.memfd_create("stolen"), NEEDLE),
        "shared memory": lambda: shared_memory.SharedMemory("stolen", create=True, size=4096),
        "System V memory": _raw("shmget", 0, 4096, 0o1600),
        "kernel keyring": _raw("add_key", b"user", b"stolen", NEEDLE, len(NEEDLE), -3),
    }


def _tries_to_send() -> Tries:
    def udp() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(NEEDLE, ("127.0.0.1", 9))

    def udp_from_media_port() -> None:
        media = _media_socket()
        try:
            media.sendto(NEEDLE, ("127.0.0.1", 9))
        finally:
            media.detach()

    def abstract() -> None:
        with socket.socket(socket.AF_UNIX) as end:
            end.connect("\0synedrion-sabotage")

    return {
        "TCP": lambda: socket.create_connection(("127.0.0.1", 9), timeout=1),
        "UDP": udp,
        "UDP from the media port": udp_from_media_port,
        "abstract socket": abstract,
        "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
        "io_uring": _raw("io_uring_setup", 8, b"\0" * 120),
    }


def _tries_to_break_out() -> Tries:
    def fork() -> None:
        if os.fork() == 0:
            os._exit(0)

    limits = (ctypes.c_uint64 * 2)(1 << 20, 1 << 20)
    return {
        "program": lambda: subprocess.run(["/bin/true"], check=True),
        "exec": lambda: os.execv("/bin/true", ["true"]),
        "fork": fork,
        "ptrace": _raw("ptrace", 16, os.getppid(), None, None),  # PTRACE_ATTACH
        "read memory of others": _raw("process_vm_readv", os.getppid(), None, 0, None, 0, 0),
        "signal others": lambda: os.kill(os.getppid(), signal.SIGWINCH),
        "code": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC),
        "be dumpable": lambda: kernel.prctl(kernel.PR_SET_DUMPABLE, 1, 0, 0, 0),
        "raise limits": _raw("prlimit64", 0, 1, limits, None),
        "another user": lambda: os.setuid(65534),
        "system log": _raw("syslog", 3, None, 0),
    }


def _raw(name: str, *arguments: kernel.Argument) -> Callable[[], object]:
    return lambda: kernel.call(kernel.architecture().number(name), *arguments)


def _media_socket() -> socket.socket:
    """Return the worker's own UDP socket, among what is open."""
    for descriptor in range(3, 64):
        try:
            found = socket.socket(fileno=descriptor)
        except OSError:
            continue
        if found.type == socket.SOCK_DGRAM and found.family == socket.AF_INET:
            return found
        found.detach()
    raise AssertionError("the worker has no media socket")


def sabotage(folder: str, names: Container[str] | None = None) -> None:
    """Try these, or everything, from this thread and from one that is started after the lock."""
    results: dict[str, str] = {}

    def try_all(where: str) -> None:
        for name, attempt in tries(folder).items():
            if names is not None and name not in names:
                continue
            try:
                attempt()
                outcome = "done"
            except OSError as error:
                outcome = errno.errorcode.get(error.errno or 0, "?")
            except Exception as error:
                outcome = type(error).__name__
            results[f"{name}, {where}"] = outcome

    try_all("main thread")
    thread = threading.Thread(target=try_all, args=("new thread",))
    thread.start()
    thread.join()
    print(json.dumps(results), flush=True)
    try:
        raise LookupError("a defect")
    except LookupError:
        Log("sfu.test").exception("stumbled")


def readable() -> None:
    """Lift the one layer that hides the memory from a test that is not root."""
    give_up = privileges.give_up

    def give_up_but_stay_readable(architecture: Architecture) -> None:
        give_up(architecture)
        kernel.prctl(kernel.PR_SET_DUMPABLE, 1, 0, 0, 0)

    mock.patch.object(privileges, "give_up", give_up_but_stay_readable).start()
    mock.patch.object(privileges, "is_dumpable", lambda: False).start()


def unlocked() -> None:
    """Claim a sandbox that is not there."""
    report = SandboxReport(tuple(REQUIRED_PROHIBITIONS), 0.0, whole_statement())
    mock.patch.object(worker, "lock_down", lambda packages: report).start()


def main(mode: str) -> int:
    """Run as `sfu.worker` would, in the mode given."""
    if "readable" in mode:
        readable()
    if "unlocked" in mode:
        unlocked()
    if "sabotage" not in mode:
        return worker.main([])
    configure_logs("info")
    config: WorkerConfig = worker.read_config(None)
    folder = str(config.socket_path.parent)
    names = HARMLESS if "unlocked" in mode else None
    asyncio.run(worker.run_worker(config, ready=lambda: sabotage(folder, names)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
