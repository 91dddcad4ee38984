"""Rules about system calls → a classic BPF program for seccomp. Pure; `run` is its reference meaning.

Classic BPF has one accumulator, forward jumps only, and sees 32 bits at a time (`linux/filter.h`).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

RET_KILL_PROCESS = 0x80000000
RET_ERRNO = 0x00050000
RET_ALLOW = 0x7FFF0000
MAX_INSTRUCTIONS = 4096
"""BPF_MAXINSNS: the kernel takes no more."""

_LOAD_WORD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
_JUMP_IF_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

# struct seccomp_data: nr u32, arch u32, instruction pointer u64, args u64 × 6.
_NUMBER_AT = 0
_ARCHITECTURE_AT = 4
_ARGUMENTS_AT = 16


@dataclass(frozen=True)
class ArgumentTest:
    """Holds if argument `index` (0 to 5), masked, equals `value`. All 64 bits count."""

    index: int
    value: int
    mask: int = (1 << 64) - 1


@dataclass(frozen=True)
class Rule:
    """If the call has this number and all tests hold, the filter returns `action`."""

    number: int
    tests: tuple[ArgumentTest, ...] = ()
    action: int = RET_ALLOW


@dataclass(frozen=True)
class Instruction:
    code: int
    jump_true: int
    jump_false: int
    operand: int

    def pack(self) -> bytes:
        return struct.pack("=HBBI", self.code, self.jump_true, self.jump_false, self.operand)


def assemble(architecture: int, rules: Sequence[Rule], default: int) -> list[Instruction]:
    """Return the program: the first rule that matches decides, else `default`.

    A call of another architecture (32-bit entry points included) kills the process: its numbers
    would mean other calls. Calls of x32 have a bit of their own in the number and match no rule.

    Raises:
        ValueError: more than MAX_INSTRUCTIONS.
    """
    program = [
        Instruction(_LOAD_WORD, 0, 0, _ARCHITECTURE_AT),
        Instruction(_JUMP_IF_EQUAL, 1, 0, architecture),
        Instruction(_RETURN, 0, 0, RET_KILL_PROCESS),
        Instruction(_LOAD_WORD, 0, 0, _NUMBER_AT),
    ]
    for rule in rules:
        body = _body(rule)
        program.append(Instruction(_JUMP_IF_EQUAL, 0, len(body), rule.number))
        program += body
    program.append(Instruction(_RETURN, 0, 0, default))
    if len(program) > MAX_INSTRUCTIONS:
        raise ValueError(f"{len(program)} instructions, the kernel takes {MAX_INSTRUCTIONS}")
    return program


def _body(rule: Rule) -> list[Instruction]:
    """Return what follows once the number is known; falls out of its end if a test fails."""
    halves = [half for test in rule.tests for half in _halves(test)]
    if not halves:
        return [Instruction(_RETURN, 0, 0, rule.action)]
    body: list[Instruction] = []
    for remaining, (offset, mask, value) in zip(
        range(len(halves) - 1, -1, -1), halves, strict=True
    ):
        body.append(Instruction(_LOAD_WORD, 0, 0, offset))
        body.append(Instruction(_AND, 0, 0, mask))
        # Over the halves that remain, three instructions each, and the return.
        body.append(Instruction(_JUMP_IF_EQUAL, 0, 3 * remaining + 1, value))
    body.append(Instruction(_RETURN, 0, 0, rule.action))
    body.append(Instruction(_LOAD_WORD, 0, 0, _NUMBER_AT))  # the tests used the accumulator
    return body


def _halves(test: ArgumentTest) -> list[tuple[int, int, int]]:
    """Return (offset, mask, value) of both 32-bit halves; both processors are little-endian."""
    at = _ARGUMENTS_AT + 8 * test.index
    value = test.value & test.mask
    low = (at, test.mask & 0xFFFFFFFF, value & 0xFFFFFFFF)
    high = (at + 4, test.mask >> 32, value >> 32)
    return [half for half in (low, high) if half[1]]


def run(
    program: Sequence[Instruction], architecture: int, number: int, arguments: Sequence[int]
) -> int:
    """Return what the kernel's interpreter would, for tests."""
    words = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("=IIQ6Q", number & 0xFFFFFFFF, architecture, 0, *words)
    accumulator, at = 0, 0
    while True:
        step = program[at]
        at += 1
        if step.code == _LOAD_WORD:
            (accumulator,) = struct.unpack_from("=I", data, step.operand)
        elif step.code == _AND:
            accumulator &= step.operand
        elif step.code == _JUMP_IF_EQUAL:
            at += step.jump_true if accumulator == step.operand else step.jump_false
        else:
            return step.operand
