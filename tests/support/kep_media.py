"""The application before a real, locked kep worker, for browsers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from recording_policy.sandbox.memory import ENVIRONMENT
from sfu.values import RoomClass
from signaling.kep.config import KepConfig
from signaling.worker_link import WorkerAddress
from tests.support.accounts_server import AccountsServer, running_accounts
from tests.support.kep_worker import collect
from tests.support.repository import ROOT


@contextlib.asynccontextmanager
async def running_kep_media(folder: Path, listen: str = "0.0.0.0") -> AsyncIterator[AccountsServer]:
    """Run both; the worker is a process of its own, as in production."""
    path = folder / "run" / "kep.sock"
    config = {
        "worker": "kep", "room_class": "kep", "socket_path": str(path),
        "media": {"listen_addresses": [listen]},
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        "/usr/bin/env", *ENVIRONMENT, sys.executable, "-m", "sfu.worker",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT, cwd=ROOT, start_new_session=True,
        env={key: value for key, value in os.environ.items() if key != "PYTHONASYNCIODEBUG"},
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(json.dumps(config).encode())
    process.stdin.close()
    said = bytearray()
    reader = asyncio.create_task(collect(process.stdout, said))
    data = folder / "data"
    data.mkdir()
    try:
        address = WorkerAddress("kep", RoomClass.KEP, path)
        # Two busy cores starve browsers as a weak network would: that is not what is tested.
        kep = KepConfig(weak_network_s=0)
        async with running_accounts("sqlite", workers=[address], folder=data, kep=kep) as accounts:
            yield accounts
    except TimeoutError:
        raise AssertionError(said.decode()) from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        await process.wait()
        await reader
