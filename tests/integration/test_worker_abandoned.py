"""A locked kep worker whose starter and control plane are killed: its call goes on, then it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.aiortc_peer import aiortc_peers
from tests.support.calls import ROOM
from tests.support.kep_worker import Worker, kep_worker, needle_call
from tests.support.needles import NeedleCount
from tests.support.processes import children, runs
from tests.support.waiting import PATIENCE_S

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]

AFTER_S = 6.0
STARTER = (sys.executable, "-c", """
import subprocess, sys
sys.exit(subprocess.run(sys.argv[1:]).returncode)
""")  # fmt: skip
"""Starts the worker without asking the kernel that it shall die with it, as a shell would."""


@contextlib.asynccontextmanager
async def started_worker(folder: Path) -> AsyncIterator[tuple[Worker, int]]:
    """Run a worker below a starter; the process is the starter's, the number the worker's."""
    async with kep_worker(folder, prefix=STARTER, abandoned_after_s=AFTER_S) as running:
        [worker] = children(running.pid)
        yield running, worker


async def goes_on(running: Worker, count: NeedleCount, pid: int, seconds: float) -> None:
    """Require that the worker lives and media keep coming for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        before = count.audio
        await running.call.until(lambda: count.audio > before)  # noqa: B023
        assert runs(pid)
        await asyncio.sleep(0.2)


async def test_call_goes_on_without_anybody_until_the_time_is_over(tmp_path: Path) -> None:
    async with started_worker(tmp_path) as (running, pid), aiortc_peers(2) as peers:
        count, call = NeedleCount(secrets.token_bytes(32)), running.call
        with count.watch():
            await needle_call(running, peers, count)
            running.process.send_signal(signal.SIGKILL)
            await call.until(lambda: not runs(running.pid))
            await goes_on(running, count, pid, AFTER_S + 1)  # the control plane is there

            call.stop_client()
            await goes_on(running, count, pid, AFTER_S / 2)
            client = await call.new_client()
            [room] = await client.list_rooms()
            assert room.room == ROOM and len(room.participants) == 2
            await goes_on(running, count, pid, AFTER_S)  # adopted: the time has begun anew

            call.stop_client()
            alone_s = time.monotonic()
            await goes_on(running, count, pid, AFTER_S / 2)
            await call.until(lambda: not runs(pid), AFTER_S + 5)
            assert time.monotonic() - alone_s >= AFTER_S - 0.5


async def test_worker_whose_starter_lives_waits_for_a_control_plane(tmp_path: Path) -> None:
    async with started_worker(tmp_path) as (running, pid):
        running.call.stop_client()
        await asyncio.sleep(AFTER_S + 1.5)
        assert runs(pid)
        client = await running.call.new_client()
        assert [each.room for each in await client.list_rooms()] == [ROOM]
        os.kill(pid, signal.SIGTERM)
        assert await asyncio.wait_for(running.process.wait(), PATIENCE_S) == 0
