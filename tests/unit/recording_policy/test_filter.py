"""The assembler of seccomp programs, the allow-list, and the tables of system calls."""

from __future__ import annotations

import errno
import platform
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recording_policy.sandbox import bpf, seccomp
from recording_policy.sandbox.bpf import RET_ALLOW, RET_ERRNO, RET_KILL_PROCESS, ArgumentTest, Rule
from recording_policy.sandbox.forbidden import FORBIDDEN_CALLS
from recording_policy.sandbox.syscalls import AARCH64, TABLES, X86_64, Architecture

REFUSED = RET_ERRNO | errno.EPERM
PID = 4321
WORD = st.integers(0, 2**64 - 1)


def decide(architecture: Architecture, name: str, *arguments: int) -> int:
    rules = seccomp.filter_rules(architecture, PID)
    program = bpf.assemble(architecture.audit_value, rules, REFUSED)
    words = [argument % 2**64 for argument in arguments]
    return bpf.run(program, architecture.audit_value, architecture.number(name), words)


@given(
    rules=st.lists(
        st.builds(
            Rule,
            number=st.integers(0, 8),
            tests=st.lists(
                st.builds(ArgumentTest, index=st.integers(0, 5), value=WORD, mask=WORD), max_size=3
            ).map(tuple),
            action=st.sampled_from([RET_ALLOW, RET_ERRNO | 38]),
        ),
        max_size=12,
    ),
    number=st.integers(0, 9),
    data=st.data(),
)
@settings(max_examples=300)
def test_program_decides_as_its_rules_say(
    rules: list[Rule], number: int, data: st.DataObject
) -> None:
    # Arguments near the rules' own values, or few tests would ever hold.
    values = [test.value for rule in rules for test in rule.tests] or [0]
    arguments = data.draw(st.lists(st.sampled_from(values) | WORD, min_size=6, max_size=6))
    program = bpf.assemble(7, rules, REFUSED)

    expected = REFUSED
    for rule in rules:
        holds = all(
            arguments[test.index] & test.mask == test.value & test.mask for test in rule.tests
        )
        if rule.number == number and holds:
            expected = rule.action
            break
    assert bpf.run(program, 7, number, arguments) == expected
    assert bpf.run(program, 8, number, arguments) == RET_KILL_PROCESS


def test_jumps_stay_within_what_the_kernel_can_express() -> None:
    tests = tuple(ArgumentTest(index, 2**63 + 1) for index in range(6))
    for step in bpf.assemble(1, [Rule(1, tests)] * 60, REFUSED):
        assert len(step.pack()) == 8
    with pytest.raises(ValueError, match="instructions"):
        bpf.assemble(1, [Rule(1)] * 3000, REFUSED)


@pytest.mark.parametrize("architecture", TABLES.values(), ids=list(TABLES))
def test_every_call_outside_the_list_is_refused(architecture: Architecture) -> None:
    conditional = {"mmap", "mprotect", "clone", "clone3", "sendto", "prctl", "tgkill"}
    conditional |= {"sched_getattr", "sched_setattr", "getpriority"}
    known = {*seccomp.ALLOWED, *conditional, "fcntl", "ioctl"}
    program = bpf.assemble(
        architecture.audit_value, seccomp.filter_rules(architecture, PID), REFUSED
    )
    numbers = {architecture.numbers[name] for name in known if name in architecture.numbers}
    for number in range(1024):
        answer = bpf.run(program, architecture.audit_value, number, [0] * 6)
        if number not in numbers:
            assert answer == REFUSED, number


@pytest.mark.parametrize("architecture", TABLES.values(), ids=list(TABLES))
def test_every_probed_call_is_refused_by_the_filter(architecture: Architecture) -> None:
    for name, calls in FORBIDDEN_CALLS.items():
        tried = 0
        for call, arguments in calls:
            if call not in architecture.numbers:
                continue
            words = [1 if isinstance(each, bytes) else each or 0 for each in arguments]
            answer = decide(architecture, call, *words)  # type: ignore[arg-type]
            wanted = RET_ERRNO | errno.ENOSYS if call == "clone3" else REFUSED
            assert answer == wanted, (name, call)
            tried += 1
        assert tried, name


@pytest.mark.parametrize(
    ("name", "arguments", "is_allowed"),
    [
        ("mmap", (0, 4096, 3, 0x22, -1, 0), True),
        ("mmap", (0, 4096, 7, 0x22, -1, 0), False),
        ("mmap", (0, 4096, 4, 0x22, -1, 0), False),
        ("mprotect", (0, 4096, 0), True),
        ("mprotect", (0, 4096, 5), False),
        ("clone", (0x3D0F00,), True),  # glibc's threads
        ("clone", (17,), False),  # fork
        ("clone", (0x4111,), False),  # vfork
        ("clone", (0x3D0F00 | 0x10000000,), False),  # a thread in a new user namespace
        ("sendto", (5, 1, 10, 0, 0, 0), True),
        ("sendto", (5, 1, 10, 0, 0x7FFF00000000, 16), False),
        ("prctl", (15, 1), True),
        ("prctl", (4, 1), False),
        ("prctl", (29, 1000), True),
        ("sched_getattr", (0, 1, 48, 0), True),
        ("sched_getattr", (1, 1, 48, 0), False),
        ("sched_setattr", (0, 1, 0), True),
        ("sched_setattr", (1, 1, 0), False),  # another's
        ("getpriority", (0, 0), True),
        ("getpriority", (0, 1), False),
        ("getpriority", (2, 0), False),  # a user's
        ("tgkill", (PID, 9, 6), True),
        ("tgkill", (1, 1, 6), False),
        ("fcntl", (3, 1030, 0), True),
        ("fcntl", (3, 1033, 0), False),  # F_ADD_SEALS
        ("fcntl", (3, 1033 + 2**32, 0), False),
        ("ioctl", (3, 0x5421, 0), True),
        ("ioctl", (3, 0x5412, 0), False),  # TIOCSTI
        ("sendmmsg", (3, 1, 1, 0), True),
        ("write", (2, 1, 1), True),
        ("openat", (-100, 1, 0), False),
        ("io_uring_enter", (4, 1), False),
    ],
)
@pytest.mark.parametrize("architecture", TABLES.values(), ids=list(TABLES))
def test_conditions_on_arguments(
    architecture: Architecture, name: str, arguments: tuple[int, ...], is_allowed: bool
) -> None:
    answer = decide(architecture, name, *arguments)
    assert (answer == RET_ALLOW) is is_allowed


def test_x32_and_32_bit_entries_are_no_way_around() -> None:
    program = bpf.assemble(X86_64.audit_value, seccomp.filter_rules(X86_64, PID), REFUSED)
    x32_write = 0x40000000 | X86_64.number("write")
    assert bpf.run(program, X86_64.audit_value, x32_write, [2, 1, 1]) == REFUSED
    i386 = 0x40000003
    assert bpf.run(program, i386, X86_64.number("write"), [2, 1, 1]) == RET_KILL_PROCESS


HEADERS = [
    pytest.param(
        AARCH64, ("/usr/include/asm-generic/unistd.h",), r"^#define __NR(?:3264)?_(\w+)\s+(\d+)",
        id="aarch64",
    )
]  # fmt: skip
if platform.machine() == "x86_64":  # others have the generic headers, and their own
    own = ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h")
    HEADERS.append(pytest.param(X86_64, own, r"^#define __NR_(\w+)\s+(\d+)", id="x86_64"))


@pytest.mark.parametrize(("architecture", "headers", "pattern"), HEADERS)
def test_numbers_are_those_of_the_kernel_headers(
    architecture: Architecture, headers: tuple[str, ...], pattern: str
) -> None:
    found = [Path(path) for path in headers if Path(path).exists()]
    assert found, f"none of {headers} is there: install linux-libc-dev"
    numbers = {name: int(n) for name, n in re.findall(pattern, found[0].read_text(), re.M)}
    numbers.setdefault("newfstatat", numbers.get("fstatat", -1))
    wrong = {
        name: (number, numbers.get(name))
        for name, number in architecture.numbers.items()
        if numbers.get(name) != number
    }
    assert wrong == {}
