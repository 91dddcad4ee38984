"""The load agent's process: commands down, events up. Messages: `load-agent/src/protocol.rs`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

STOP_TIMEOUT_S = 5.0
REPORT_TIMEOUT_S = 30.0
MAX_LINE_BYTES = 256 * 1024 * 1024
"""LIMIT: one event: a report of ten thousand participants has about 20 MB."""
EVENTS_OF_ONE = frozenset({"ready", "connected", "first_media", "failed", "wrong_source", "silent"})


class AgentFailed(Exception):
    """The agent could not start, ended early or refused a command."""


class Agent:
    """One process. `await start()`, add participants, `await stop()`."""

    def __init__(self, address: str | None = None) -> None:
        """Bind the sockets of participants to `address`, by default to any IPv4 one."""
        self._arguments = [] if address is None else [address]
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._listeners: dict[int, asyncio.Queue[dict[str, Any]]] = {}
        self._reports: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.statistics: dict[str, Any] = {}
        """The newest, at most a second old."""
        self.wrong_sources: list[dict[str, Any]] = []
        """Frames that must not have arrived where they did: one event for each run of them."""
        self.silences: list[dict[str, Any]] = []
        """Who was wished for and neither seen nor heard for over 2 s: one event for each time."""
        self.refusals: list[str] = []
        self.has_ended = asyncio.Event()
        """The process is gone, for whatever reason."""

    async def start(self, loops: Mapping[str, Path]) -> None:
        """Start the process and have it read `loops`.

        Raises:
            AgentFailed: there is no such program.
        """
        self._process = await asyncio.create_subprocess_exec(
            find_program(),
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=MAX_LINE_BYTES,
            process_group=0,  # Ctrl-C is for us: the agent has a report to give yet
        )
        self._reader = asyncio.create_task(self._read(), name="load-agent-events")
        for name, path in loops.items():
            self.send(command="load", name=name, path=str(path.absolute()))

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process is not None, "start() first"
        return self._process.pid

    def send(self, **command: Any) -> None:
        """Send a command; a dead process is noticed by who waits for its events."""
        assert self._process is not None and self._process.stdin is not None, "start() first"
        if not self._process.stdin.is_closing():
            self._process.stdin.write(msgspec.json.encode(command) + b"\n")

    def add(self, participant: int, room: int, **options: Any) -> asyncio.Queue[dict[str, Any]]:
        """Make a participant; the queue gets its events, `ready` first. `options` of `add`."""
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._listeners[participant] = queue
        self.send(command="add", id=participant, room=room, **options)
        return queue

    def remove(self, participant: int) -> None:
        """Forget a participant; its counts stay in the totals."""
        if self._listeners.pop(participant, None) is not None:
            self.send(command="remove", id=participant)

    async def report(self, *, resets: bool = False) -> dict[str, Any]:
        """Return the report of all participants; `resets` starts the counts again.

        Raises:
            AgentFailed: it is dead, or does not answer.
        """
        self.send(command="report", resets=resets)
        try:
            async with asyncio.timeout(REPORT_TIMEOUT_S):
                report = await self._reports.get()
        except TimeoutError:
            raise AgentFailed("the load agent does not answer") from None
        if not report:
            raise AgentFailed("the load agent ended")
        return report

    async def stop(self) -> None:
        """End the process; it says BYE for nobody."""
        if self._process is None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        if self._reader is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader

    async def _read(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        try:
            async for line in self._process.stdout:
                self._handle(msgspec.json.decode(line))
        finally:
            self.has_ended.set()
            # Nobody may wait for a dead process.
            for participant, queue in self._listeners.items():
                queue.put_nowait(
                    {"event": "failed", "id": participant, "reason": "the load agent ended"}
                )
            self._reports.put_nowait({})

    def _handle(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "wrong_source":
            self.wrong_sources.append(event)
        elif kind == "silent":
            self.silences.append(event)
        if kind in EVENTS_OF_ONE:
            queue = self._listeners.get(event["id"])
            if queue is not None:
                queue.put_nowait(event)
        elif kind == "statistics":
            self.statistics = event
        elif kind == "report":
            self._reports.put_nowait(event)
        else:
            self.refusals.append(str(event.get("reason", kind)))


def find_program() -> str:
    """Return the path of `load-agent`: beside our Python, on PATH, or as built in the tree.

    Raises:
        AgentFailed: there is none.
    """
    beside = Path(sys.executable).parent / "load-agent"
    built = Path("sfu/native/target/release/load-agent").absolute()
    for path in (os.environ.get("LOAD_AGENT"), beside, shutil.which("load-agent"), built):
        if path and os.access(path, os.X_OK):
            return str(path)
    raise AgentFailed("there is no load-agent: `make .venv/bin/load-agent` builds it")
