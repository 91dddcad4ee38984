"""The supervisor with real processes: order, restarts, signals, no orphans."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from signaling.spares import Spares
from signaling.supervisor import ProcessSpec, StartFailed, Supervisor
from tests.support.processes import children, runs, words_of
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.asyncio

WORKER = """
import os, signal, sys, time
log = open(sys.argv[1], "a", buffering=1)
name = sys.argv[2]
def stop(*_):
    log.write(f"{name} stopped\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN if "stubborn" in name else stop)
text = sys.stdin.read()
log.write(f"{name} {os.getpid()} {text}\\n")
if "--ready-fd" in sys.argv:
    os.write(int(sys.argv[sys.argv.index("--ready-fd") + 1]), b"ready\\n")
if "failing" in name:
    sys.exit(7)
while True:
    time.sleep(60)
"""


def spec(log: Path, name: str, *, tells_ready: bool = False) -> ProcessSpec:
    return ProcessSpec(
        name=name,
        command=(sys.executable, "-c", WORKER, str(log), name),
        standard_input=b"configuration",
        tells_ready=tells_ready,
    )


def lines_now(log: Path, text: str) -> list[str]:
    lines = log.read_text().splitlines() if log.exists() else []
    return [line for line in lines if text in line]


async def lines_with(log: Path, text: str, count: int = 1) -> list[str]:
    """Wait for `count` lines that other processes write."""
    async with asyncio.timeout(PATIENCE_S):
        while len(found := lines_now(log, text)) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return found


@dataclass
class ReadyLines:
    """What `on_ready` was given."""

    lines: list[bytes] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, line: bytes) -> None:
        self.lines.append(line)
        self.heard.set()

    async def wait(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self.heard.wait()


async def test_processes_start_get_input_and_stop_in_reverse_order(tmp_path: Path) -> None:
    log, ready = tmp_path / "log", ReadyLines()
    supervisor = Supervisor([spec(log, "one"), spec(log, "two", tells_ready=True)], ready)
    running = asyncio.create_task(supervisor.run())
    await lines_with(log, "configuration", 2)
    await ready.wait()

    supervisor.handle_stop_signal()
    await running

    assert ready.lines == [b"ready\n"]
    assert [line for line in log.read_text().splitlines() if "stopped" in line] == [
        "two stopped", "one stopped",
    ]  # fmt: skip


async def test_killed_process_is_started_again_and_its_sibling_lives_on(tmp_path: Path) -> None:
    log, ready = tmp_path / "log", ReadyLines()
    supervisor = Supervisor([spec(log, "one"), spec(log, "two", tells_ready=True)], ready)
    running = asyncio.create_task(supervisor.run())
    first = (await lines_with(log, "one "))[0].split()[1]
    sibling = (await lines_with(log, "two "))[0].split()[1]
    await ready.wait()

    os.kill(int(first), signal.SIGKILL)
    started = await lines_with(log, "one ", 2)

    assert started[1].split()[1] != first
    os.kill(int(sibling), 0)
    supervisor.handle_stop_signal()
    await running
    assert len(ready.lines) == 1


async def test_process_that_cannot_start_stops_everything(tmp_path: Path) -> None:
    log = tmp_path / "log"
    supervisor = Supervisor([spec(log, "good"), spec(log, "failing")], lambda line: None)

    with pytest.raises(StartFailed, match="failing ended with exit code 7"):
        await supervisor.run()

    assert "good stopped" in log.read_text()


async def test_process_that_gives_up_is_left_alone_and_the_others_go_on(tmp_path: Path) -> None:
    log, ready = tmp_path / "log", ReadyLines()
    failing = dataclasses.replace(spec(log, "failing"), gives_up_with=7)
    supervisor = Supervisor([failing, spec(log, "good", tells_ready=True)], ready)
    running = asyncio.create_task(supervisor.run())
    await ready.wait()
    await lines_with(log, "failing ")
    await asyncio.sleep(0.5)

    assert len(lines_now(log, "failing ")) == 1
    assert not running.done()
    supervisor.handle_stop_signal()
    await running
    assert "good stopped" in log.read_text()


async def test_output_can_go_through_a_pipe_to_ours(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    program = (
        "import os, stat; print('pipes', [stat.S_ISFIFO(os.fstat(fd).st_mode) for fd in (1, 2)])"
    )
    talking = ProcessSpec(
        name="talking",
        command=(sys.executable, "-c", program),
        gives_up_with=0,
    )
    supervisor = Supervisor([talking, spec(log, "good")], lambda line: None)
    running = asyncio.create_task(supervisor.run())
    await lines_with(log, "good ")
    heard = ""
    async with asyncio.timeout(PATIENCE_S):
        while "pipes" not in heard:
            await asyncio.sleep(0.02)
            heard += capfd.readouterr().err
    supervisor.handle_stop_signal()
    await running

    assert "pipes [True, True]" in heard


async def test_second_signal_kills_what_does_not_stop(tmp_path: Path) -> None:
    log = tmp_path / "log"
    supervisor = Supervisor([spec(log, "stubborn")], lambda line: None, stop_timeout_s=60)
    running = asyncio.create_task(supervisor.run())
    await lines_with(log, "stubborn")

    supervisor.handle_stop_signal()
    await asyncio.sleep(0.1)
    assert not running.done()
    supervisor.handle_stop_signal()

    async with asyncio.timeout(PATIENCE_S):
        await running


async def test_what_does_not_stop_in_time_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    supervisor = Supervisor([spec(log, "stubborn")], lambda line: None, stop_timeout_s=0.2)
    running = asyncio.create_task(supervisor.run())
    await lines_with(log, "stubborn")

    supervisor.handle_stop_signal()

    async with asyncio.timeout(PATIENCE_S):
        await running


async def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = (
        "import asyncio, sys\n"
        "from signaling.supervisor import ProcessSpec, Supervisor\n"
        f"command = (sys.executable, '-c', {WORKER!r}, {str(log)!r}, 'stubborn')\n"
        "specs = [ProcessSpec('x', command, b'')]\n"
        "asyncio.run(Supervisor(specs, lambda line: None).run())\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
    child = int((await lines_with(log, "stubborn"))[0].split()[1])

    process.kill()
    await process.wait()

    async with asyncio.timeout(PATIENCE_S):
        while runs(child):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_spare_replaces_what_ends_and_another_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Spares.__init__, "__defaults__", (0.05,))
    log, ready = tmp_path / "log", ReadyLines()
    worker = replace(spec(log, "one"), has_spare=True)
    supervisor = Supervisor([worker, spec(log, "two", tells_ready=True)], ready)
    running = asyncio.create_task(supervisor.run())
    first = await lines_with(log, "one ")
    await ready.wait()
    spare = await _other_child(log, {int(first[0].split()[1])})

    os.kill(int(first[0].split()[1]), signal.SIGKILL)
    started = await lines_with(log, "one ", 2)

    assert int(started[1].split()[1]) == spare, "started anew although a spare was waiting"
    assert started[1].split()[2] == "configuration"
    next_spare = await _other_child(log, {spare})
    # A spare that died while waiting is no reason not to start.
    os.kill(next_spare, signal.SIGKILL)
    os.kill(spare, signal.SIGKILL)
    await lines_with(log, "one ", 3)
    supervisor.handle_stop_signal()
    await running
    assert _children(log) == []


async def _other_child(log: Path, known: set[int]) -> int:
    async with asyncio.timeout(PATIENCE_S):
        while not (found := [each for each in _children(log) if each not in known]):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return found[0]


def _children(log: Path) -> list[int]:
    """Return our children that run worker `one`, waiting or not."""
    return [
        each
        for each in children(os.getpid())
        if words_of(each)[-2:] == [str(log), "one"] and runs(each)
    ]
