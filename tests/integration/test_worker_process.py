"""The worker as the supervisor runs it: configuration on stdin, SIGTERM to stop, restart told
apart."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from sfu.client import SfuClient
from sfu.errors import WorkerUnavailable
from sfu.values import RoomClass

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(60)]


@contextlib.asynccontextmanager
async def worker_process(path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    config = {
        "worker": "kep-0",
        "room_class": "kep",
        "socket_path": str(path),
        "media": {"listen_addresses": ["127.0.0.1"]},
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sfu.worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(config).encode())
    process.stdin.close()
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - no event announces an arbitrary condition
            await asyncio.sleep(0.01)


async def test_killed_worker_is_found_again_as_another_and_sigterm_stops_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "run" / "w.sock"
    states: list[tuple[bool, bool]] = []
    client = SfuClient(
        path,
        on_event=lambda event: None,
        on_state=lambda connected, info, restarted: states.append((connected, restarted)),
    )
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(client.run())
        async with worker_process(path) as process:
            await until(lambda: client.is_connected)
            await client.open_room("kep-1", RoomClass.KEP, "Appointment")
            process.kill()
            await until(lambda: not client.is_connected)
            with pytest.raises(WorkerUnavailable):
                await client.list_rooms()

        async with worker_process(path) as process:
            await until(lambda: client.is_connected)
            assert await client.list_rooms() == []
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 10) == 0
        running.cancel()

    assert states[:3] == [(True, False), (False, False), (True, True)]
