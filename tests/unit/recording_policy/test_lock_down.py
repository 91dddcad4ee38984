"""Locking down a throw-away process, with one thing missing each time: it must never report success."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

PROGRAM = """
import sys
sys.path.insert(0, {root!r})
import os, resource, threading, time
from recording_policy.sandbox import SandboxRefused, lock_down as entry
from recording_policy.sandbox import (
    bpf, descriptors, kernel, landlock, lock_down, privileges, probes, seccomp)
from recording_policy.sandbox.bpf import Rule
{sabotage}
try:
    report = entry()
except SandboxRefused as refusal:
    print("refused:", refusal)
else:
    print("locked", len(report.prohibitions), report.duration_s)
"""


def run(sabotage: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(root=str(ROOT), sabotage=sabotage)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_whole_sandbox_is_locked_fast() -> None:
    word, prohibitions, seconds = run("").split()
    assert (word, prohibitions) == ("locked", "28")
    assert float(seconds) < 0.2


ALLOW = """
normal = seccomp.filter_rules
def with_a_hole(architecture, pid):
    return [*normal(architecture, pid), Rule(architecture.numbers[{name!r}])]
seccomp.filter_rules = with_a_hole
"""


@pytest.mark.parametrize(
    ("name", "prohibition"),
    [
        ("openat", "open files"),
        ("pwrite64", "write at an offset"),
        ("mkdirat", "change names and attributes"),
        ("memfd_create", "make memory files"),
        ("shmget", "share memory"),
        ("execve", "execute programs"),
        ("clone", "start processes"),
        ("ptrace", "reach into processes"),
        ("process_vm_readv", "reach into processes"),
        ("tkill", "signal others"),
        ("io_uring_setup", "use io_uring or aio"),
        ("socket", "make UDP sockets"),
        ("socketpair", "make other sockets"),
        ("connect", "connect and bind"),
        ("sendto", "connect and bind"),
        ("copy_file_range", "copy between descriptors"),
        ("mmap", "make code"),
        ("unshare", "change the view of the system"),
        ("userfaultfd", "use the kernel's workshops"),
        ("keyctl", "use the kernel's workshops"),
        ("prlimit64", "loosen the sandbox"),
    ],
)
def test_hole_in_the_filter_is_found(name: str, prohibition: str) -> None:
    answer = run(ALLOW.format(name=name))
    assert answer.startswith("refused:"), answer
    assert f"{name}(" in answer and f"{prohibition}: " in answer


@pytest.mark.parametrize(
    ("sabotage", "text"),
    [
        ("landlock.enter_domain = lambda architecture: None", "landlock: open files: read, write"),
        ("landlock.ACCESS_NET_TCP = 0", "landlock: use TCP: connect, bind"),
        ("landlock.SCOPES = 0b01", "landlock: signal others: kill"),
        ("landlock.SCOPES = 0b10", "landlock: reach abstract sockets: connect"),
        ("landlock.ACCESS_FS_ALL = (1 << 16) - 1 - 4", "landlock: open files: read"),
        ("landlock.ACCESS_FS_ALL = (1 << 16) - 1 - (1 << 8)", "landlock: create files: file in"),
        ("privileges.LIMITS = (resource.RLIMIT_CORE,)", "grow a file: write to a memory file"),
        ("landlock.abi_version = lambda architecture: 0", "Landlock ABI 6 is needed"),
        ("landlock.abi_version = lambda architecture: 4", "found: ABI 4"),
        ("import platform; platform.machine = lambda: 'riscv64'", "riscv64: use one of"),
        (
            "threading.Thread(target=time.sleep, args=(5,), daemon=True).start()",
            "2 threads are running",
        ),
        ("left_open = os.memfd_create('x')", "memfd:x"),
        ("probes.second_round = lambda architecture: {}", "open files: not tried"),
        (
            "privileges.kernel.PR_SET_DUMPABLE = privileges.kernel.PR_GET_DUMPABLE",
            "leave a core: dumpable",
        ),
    ],
)
def test_missing_layer_is_found_and_named(sabotage: str, text: str) -> None:
    answer = run(sabotage)
    assert answer.startswith("refused:"), answer
    assert text in answer


def test_writable_file_is_found_and_a_readable_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    path.write_bytes(b"")
    assert "something is open" in run(f"left_open = open({str(path)!r}, 'ab')")
    assert run(f"left_open = open({str(path)!r}, 'rb')").startswith("locked")
