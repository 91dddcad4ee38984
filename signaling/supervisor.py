"""Starts the media workers and the control plane as siblings, and starts again what ends.

    supervisor ──► worker council     one dies: only its rooms are hurt
              ├──► worker kep
              └──► control plane      dies: media goes on, the next one adopts the rooms

The first signal stops all in order (control plane, then workers), the second kills. If the
supervisor itself is killed, the kernel kills the children: there are no orphans. Its death ends all on
purpose: the next one needs their ports and sockets, and cannot wait for processes not its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sfu.logs import Log
from signaling.restart_policy import RestartPolicy
from signaling.spares import Spares, spawn

log = Log(__name__)

STOP_TIMEOUT_S = 10.0
"""From the request to stop a process until it is killed."""
MAX_READY_BYTES = 1024
MAX_RELAYED_BYTES = 65536


@dataclass(frozen=True)
class ProcessSpec:
    """One process to keep running."""

    name: str
    command: tuple[str, ...]
    standard_input: bytes = b""
    """Written once after the start, then closed."""
    tells_ready: bool = False
    """It is given `--ready-fd N` and writes one line there once it serves."""
    gives_up_with: int | None = None
    """Exit code that says: starting again changes nothing. It is left alone, the others go on."""
    has_spare: bool = False
    """A process of this command is kept waiting for its input, to replace one that ends. Not
    together with `tells_ready`."""


class StartFailed(Exception):
    """A process ended before everything was ready for the first time."""

    def __init__(self, name: str, exit_code: int) -> None:
        super().__init__(name, exit_code)
        self.name = name
        self.exit_code = exit_code

    def __str__(self) -> str:
        return (
            f"{self.name} ended with exit code {self.exit_code} while starting: see its log above"
        )


class Supervisor:
    """`run` returns when all processes have ended."""

    def __init__(
        self, specs: Sequence[ProcessSpec], on_ready: Callable[[bytes], None],
        stop_timeout_s: float = STOP_TIMEOUT_S,
    ) -> None:  # fmt: skip
        """`specs` are started in order and stopped in reverse. `on_ready` gets the first line of
        the process that tells it, once."""
        self._spares = Spares()
        self._children = [_Child(spec, self._spares) for spec in specs]
        self._on_ready = on_ready
        self._stop_timeout_s = stop_timeout_s
        self._stop_requests = 0
        self._stopping = asyncio.Event()
        self._ready = asyncio.Event()
        self._failure: StartFailed | None = None

    def handle_stop_signal(self) -> None:
        """Stop gracefully; when called again, kill."""
        self._stop_requests += 1
        self._stopping.set()
        if self._stop_requests > 1:
            for child in self._children:
                child.send(signal.SIGKILL)

    async def run(self) -> None:
        """Run until stopped.

        Raises:
            StartFailed: a process could not start at all; the others were stopped.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_stop_signal)
        try:
            async with asyncio.TaskGroup() as tasks:
                keepers = [
                    tasks.create_task(self._keep_running(child), name=f"keeper-{child.spec.name}")
                    for child in self._children
                ]
                keepers.append(tasks.create_task(self._keep_spares(), name="keeper-spares"))
                await self._stopping.wait()
                await self._stop_in_order()
                for keeper in keepers:
                    keeper.cancel()
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)
        if self._failure is not None:
            raise self._failure

    async def _keep_running(self, child: _Child) -> None:
        policy = RestartPolicy()
        while not self._stopping.is_set():
            exit_code = await self._run_once(child, policy)
            if self._stopping.is_set():
                return
            if exit_code == child.spec.gives_up_with:
                log.error("process refuses to serve", process=child.spec.name, exit_code=exit_code)
                return
            if not self._ready.is_set():
                self._failure = self._failure or StartFailed(child.spec.name, exit_code)
                self._stopping.set()
                return
            pause_s = policy.handle_ended(time.monotonic())
            log.error(
                "process ended", process=child.spec.name, exit_code=exit_code, delay_s=pause_s
            )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._stopping.wait()

    async def _keep_spares(self) -> None:
        # Not before everything serves: spares would only delay the start.
        await self._ready.wait()
        await self._spares.keep(
            frozenset(each.spec.command for each in self._children if each.spec.has_spare)
        )

    async def _run_once(self, child: _Child, policy: RestartPolicy) -> int:
        async with asyncio.TaskGroup() as tasks:
            ready_descriptor = await child.start()
            policy.handle_started(time.monotonic())
            if ready_descriptor is not None:
                tasks.create_task(self._hear_ready(ready_descriptor), name="ready-reader")
            tasks.create_task(child.relay_output(), name="output-relay")
            return await child.wait()

    async def _hear_ready(self, descriptor: int) -> None:
        line = await _read_line(descriptor)
        if line and not self._ready.is_set() and not self._stopping.is_set():
            self._ready.set()
            self._on_ready(line)

    async def _stop_in_order(self) -> None:
        for child in reversed(self._children):
            child.send(signal.SIGTERM)
            try:
                async with asyncio.timeout(self._stop_timeout_s):
                    await child.wait()
            except TimeoutError:
                log.error("process did not stop in time", process=child.spec.name)
                child.send(signal.SIGKILL)
                await child.wait()


class _Child:
    """One process, started perhaps many times."""

    def __init__(self, spec: ProcessSpec, spares: Spares) -> None:
        self.spec = spec
        self._spares = spares
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> int | None:
        """Start it. Return the descriptor to read its ready line from, if it tells one."""
        if not self.spec.tells_ready:
            self._process = await self._spares.take(self.spec.command)
            await self._give_input(self._process)
            return None
        reader, writer = os.pipe()
        try:
            command = (*self.spec.command, "--ready-fd", str(writer))
            self._process = await spawn(command, (writer,))
        except OSError:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        await self._give_input(self._process)
        return reader

    async def wait(self) -> int:
        """Return the exit code once it has ended; 0 if it was never started."""
        return 0 if self._process is None else await self._process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal if it runs."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def relay_output(self) -> None:
        """Copy what it writes, if that comes to us, until it has ended."""
        if self._process is None or self._process.stdout is None:
            return
        while output := await self._process.stdout.read(MAX_RELAYED_BYTES):
            sys.stderr.buffer.write(output)
            sys.stderr.buffer.flush()

    async def _give_input(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None, "invariant: a pipe was asked for"
        with contextlib.suppress(ConnectionError):  # it ended at once: `wait` tells
            process.stdin.write(self.spec.standard_input)
            await process.stdin.drain()
            process.stdin.close()


async def _read_line(descriptor: int) -> bytes:
    """Return the first line, or nothing if the other end closed before. Closes `descriptor`."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=MAX_READY_BYTES)
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    try:
        return await reader.readline()
    except ValueError:
        return b""
    finally:
        transport.close()
