"""Load tests run by tests: in this process, or as the command that people type."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtest.cast import Target
from loadtest.machine import describe_machine
from loadtest.plan import Plan
from loadtest.processes import service_on_port
from loadtest.run import RunOptions, run_scenario
from loadtest.scenario_file import read_scenario
from loadtest.series import Point
from loadtest.summary import summarise

RUN_TIMEOUT_S = 100.0


class QuietObserver:
    """Says nothing; `when_people` calls back once so many are in."""

    def __init__(self) -> None:
        self.people = 0
        self.has_changed = asyncio.Event()

    def handle_start(self, plan: Plan, target: Target) -> None:
        pass

    def handle_point(self, point: Point) -> None:
        self.people = point.people
        self.has_changed.set()

    def handle_event(self, text: str) -> None:
        pass

    async def wait_for(self, people: int) -> None:
        """Wait until so many are in."""
        while self.people < people:
            self.has_changed.clear()
            await self.has_changed.wait()


async def run_loadtest(
    url: str, name: str, *changes: str, people: int = 0,
    then: Callable[[], Awaitable[None]] | None = None, **target: Any,
) -> dict[str, Any]:  # fmt: skip
    """Return the report of a run; once `people` are in, `then` happens."""
    observer = QuietObserver()
    port = int(url.rpartition(":")[2])
    scenario = read_scenario(name, changes)
    running = asyncio.create_task(
        run_scenario(
            scenario,
            Target(url, **{"secret": "", "agent_address": "127.0.0.1", **target}),
            RunOptions(server_pid=service_on_port(port)),
            observer,
            asyncio.Event(),
        )
    )
    async with asyncio.timeout(RUN_TIMEOUT_S):
        if then is not None:
            await observer.wait_for(people)
            await then()
        outcome = await running
    return summarise(outcome, name, describe_machine())


@dataclass(frozen=True)
class CommandResult:
    """What a command left behind."""

    status: int
    output: str
    errors: str
    report: dict[str, Any] | None
    html: str


class Command:
    """`synedrion loadtest …` as a process of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._json, self._html = folder / "report.json", folder / "report.html"
        paths = ("--json", str(self._json), "--html", str(self._html))
        self._arguments = ("-m", "loadtest.main", *arguments, *paths)

    async def __aenter__(self) -> Command:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, *self._arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def line_with(self, words: str) -> None:
        """Wait for a line of its output."""
        assert self.process.stdout is not None
        async with asyncio.timeout(RUN_TIMEOUT_S):
            async for line in self.process.stdout:
                if words in line.decode():
                    return
        raise AssertionError(f"no line with {words!r}")

    async def result(self) -> CommandResult:
        """Wait for its end."""
        async with asyncio.timeout(RUN_TIMEOUT_S):
            output, errors = await self.process.communicate()
        assert self.process.returncode is not None
        return CommandResult(
            self.process.returncode,
            output.decode(),
            errors.decode(),
            json.loads(self._json.read_text()) if self._json.exists() else None,
            self._html.read_text() if self._html.exists() else "",
        )
