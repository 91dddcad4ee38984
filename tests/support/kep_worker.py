"""The kep worker as a process, with the room of a call open, and media that carry a needle."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recording_policy.sandbox.memory import ENVIRONMENT
from sfu.values import Kind, RoomClass, VideoWish
from tests.support.aiortc_peer import AiortcPeer
from tests.support.calls import ROOM, Call
from tests.support.needles import NeedleCount, NeedlePicture, NeedleSound
from tests.support.waiting import PATIENCE_S

PRODUCT = ("-m", "sfu.worker")
REPOSITORY = Path(__file__).parents[2]


def entry_for_tests(mode: str) -> tuple[str, ...]:
    return ("-m", "tests.support.locked_worker", mode)


@dataclass
class Worker:
    """A kep worker process, its output, and a control plane's call on it."""

    process: asyncio.subprocess.Process
    call: Call
    output: bytearray = field(default_factory=bytearray)

    @property
    def pid(self) -> int:
        return self.process.pid

    async def heard(self, text: bytes, seconds: float = PATIENCE_S) -> None:
        await self.call.until(lambda: text in self.output, seconds)


@contextlib.asynccontextmanager
async def kep_worker(
    folder: Path, program: tuple[str, ...] = PRODUCT, *, prefix: tuple[str, ...] = (), **media: Any
) -> AsyncIterator[Worker]:
    """Run a kep worker with the room open; `prefix`: a program to run it under; `media`: settings."""
    socket_path = folder / "run" / "w.sock"
    config = {
        "worker": "kep-0",
        "room_class": "kep",
        "socket_path": str(socket_path),
        "media": {"listen_addresses": ["127.0.0.1"], **media},
    }
    process = await asyncio.create_subprocess_exec(
        *(*prefix, "/usr/bin/env", *ENVIRONMENT, sys.executable, *program),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=REPOSITORY,
        # asyncio's debug mode looks for source files whenever a task is made; no service runs so.
        env={key: value for key, value in os.environ.items() if key != "PYTHONASYNCIODEBUG"},
        start_new_session=True,
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps(config).encode())
    process.stdin.close()
    async with asyncio.TaskGroup() as tasks:
        running = Worker(process, Call(socket_path, tasks))
        reader = tasks.create_task(collect(process.stdout, running.output))
        try:
            await running.call.until(lambda: running.call.client.is_connected)
            await running.call.client.open_room(ROOM, RoomClass.KEP, "Appointment")
            yield running
        except TimeoutError:
            raise AssertionError(running.output.decode()) from None
        finally:
            running.call.stop_client()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            await reader


async def collect(stream: asyncio.StreamReader, output: bytearray) -> None:
    """Read what a process says until it ends."""
    while chunk := await stream.read(4096):
        output += chunk


async def enter_with_needle(running: Worker, name: str, peer: AiortcPeer, needle: bytes) -> None:
    """Join and send the needle as sound and picture."""
    await running.call.enter(name, peer, sound=NeedleSound(needle), picture=NeedlePicture(needle))


async def needle_call(running: Worker, peers: list[AiortcPeer], count: NeedleCount) -> None:
    """Bring both into a call and wait until the needle has reached the other side."""
    for name, peer in zip(("citizen", "employee"), peers, strict=True):
        await enter_with_needle(running, name, peer, count.needle)
    for viewer, peer, shown in zip(
        ("citizen", "employee"), peers, ("employee", "citizen"), strict=True
    ):
        wish = VideoWish(mid=peer.mids(Kind.VIDEO)[0], participant=shown)
        await running.call.client.set_layout(ROOM, viewer, [wish])
    await running.call.until(lambda: count.audio > 50 and count.video > 100)
