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
from sfu.errors import SfuError, WorkerUnavailable
from sfu.values import Grants, Role, RoomClass
from tests.support.waiting import PATIENCE_S

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(60)]


@contextlib.asynccontextmanager
async def worker_process(
    path: Path, **settings: object
) -> AsyncIterator[asyncio.subprocess.Process]:
    config = {
        **settings,
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
        stderr=asyncio.subprocess.PIPE if "log_level" in settings else asyncio.subprocess.DEVNULL,
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
    async with asyncio.timeout(PATIENCE_S):
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
            assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0
        running.cancel()

    assert states[:3] == [(True, False), (False, False), (True, True)]


async def test_log_is_json_from_the_configured_level_on_and_names_no_one(tmp_path: Path) -> None:
    path = tmp_path / "w.sock"
    client = SfuClient(path, on_event=lambda event: None, on_state=lambda *state: None)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(client.run())
        async with worker_process(path, log_level="debug") as process:
            await until(lambda: client.is_connected)
            await client.open_room("needle-room", RoomClass.KEP, "Needle-Title")
            await client.join(
                "needle-room",
                "needle-participant",
                subject="needle-subject",
                display_name="Needle-Name",
                role=Role.CITIZEN,
                grants=Grants(),
                secret_digest=b"needle-digest".ljust(32, b"."),
            )
            with pytest.raises(SfuError):
                sdp = "v=0\r\na=ice-ufrag:needle-ufrag\r\n"
                await client.negotiate("needle-room", "needle-participant", sdp, {})
            await _send_garbage(path)
            process.send_signal(signal.SIGTERM)
            _, written = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        running.cancel()

    entries = [json.loads(line) for line in written.decode().splitlines()]
    events = {entry["event"] for entry in entries}
    assert {"worker ready", "rpc frame refused"} <= events
    assert b"needle" not in written.lower()


async def test_a_quiet_level_leaves_out_what_is_no_trouble(tmp_path: Path) -> None:
    path = tmp_path / "w.sock"
    client = SfuClient(path, on_event=lambda event: None, on_state=lambda *state: None)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(client.run())
        async with worker_process(path, log_level="error") as process:
            await until(lambda: client.is_connected)
            process.send_signal(signal.SIGTERM)
            _, written = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        running.cancel()

    assert written == b""


async def test_a_wrong_configuration_ends_it_with_a_line_of_json() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sfu.worker",
        stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip

    _, written = await process.communicate(b'{"worker": "x", "log_level": "loud"}')

    assert process.returncode == 2
    assert json.loads(written)["event"] == "bad configuration"


async def _send_garbage(path: Path) -> None:
    _, writer = await asyncio.open_unix_connection(str(path))
    writer.write(b"\x00\x00\x00\x0cneedle-frame")
    await writer.drain()
    await asyncio.sleep(0.2)
    writer.close()
