"""Processes started ahead of need, so that a replacement costs no start.

A media worker spends most of its start on imports, and learns from its standard input which worker
it is. One that has done its imports and still waits for its input can replace any of them at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Callable

Command = tuple[str, ...]

SPARE_DELAY_S = 5.0
"""From a replacement to the start of the next spare: what was hurt needs the processor first."""
PR_SET_PDEATHSIG = 1
"""prctl(2)."""


class Spares:
    """At most one waiting process for each command."""

    def __init__(self, delay_s: float = SPARE_DELAY_S) -> None:
        self._delay_s = delay_s
        self._waiting: dict[Command, Process] = {}
        self._is_wanted = asyncio.Event()

    async def take(self, command: Command) -> Process:
        """Return a process that has not read its standard input: the spare, else a new one.

        Raises:
            OSError: it cannot be started.
        """
        spare = self._waiting.pop(command, None)
        self._is_wanted.set()
        if spare is not None and spare.returncode is None:
            return spare
        return await spawn(command, pipes_output=True)

    async def keep(self, commands: frozenset[Command]) -> None:
        """Keep a spare for each of `commands` until cancelled, then kill them."""
        try:
            while commands:
                self._is_wanted.clear()
                for command in commands - self._waiting.keys():
                    with contextlib.suppress(OSError):  # a spare is a luxury: tried again later
                        self._waiting[command] = await spawn(command, pipes_output=True)
                await self._is_wanted.wait()
                await asyncio.sleep(self._delay_s)
        finally:
            for spare in self._waiting.values():
                with contextlib.suppress(ProcessLookupError):
                    spare.kill()
            await asyncio.gather(*(spare.wait() for spare in self._waiting.values()))


async def spawn(
    command: Command, inherited: tuple[int, ...] = (), *, pipes_output: bool = False
) -> Process:
    """Start a process with a pipe to its standard input; it dies with us.

    `pipes_output`: what it writes comes through a pipe, for the caller to read. Ours may be a file,
    and a kep worker that locks itself down refuses to hold one.

    Raises:
        OSError: it cannot be started.
    """
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE if pipes_output else None,
        stderr=asyncio.subprocess.STDOUT if pipes_output else None,
        pass_fds=inherited,
        # Ctrl-C in a terminal reaches the supervisor only, which stops all in order.
        start_new_session=True,
        preexec_fn=_die_with_parent(os.getpid()),
    )


def _die_with_parent(parent: int) -> Callable[[], None]:
    """Return what the child does before exec: ask the kernel to be killed with its parent."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the kernel was asked
            os._exit(1)

    return ask
