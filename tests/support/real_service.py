"""The whole service as its own processes, on free ports, with rooms made for a test."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import aiohttp

from loadtest.processes import descendants, read_use
from tests.support.ports import free_port, free_ports

DEVELOPMENT = Path("configs/dev.toml")
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class RealService:
    """A running service."""

    url: str
    pid: int
    log_path: Path

    def pids(self, *words: str) -> list[int]:
        """Return its processes whose command line has all `words`; all without words."""
        uses = [read_use(pid) for pid in descendants(self.pid)]
        return [use.pid for use in uses if use and all(word in use.command for word in words)]

    @property
    def worker_pid(self) -> int:
        """Of the first media worker."""
        return min(self.pids("sfu.worker"))


@contextlib.asynccontextmanager
async def real_service(
    folder: Path,
    rooms: Sequence[str],
    *,
    room_class: str = "council",
    room_capacity: int = 500,
    loadtest_rooms: int = 0,
    program: str = "signaling.main",
) -> AsyncIterator[RealService]:
    """Run `synedrion serve` with one worker and `rooms` of its class, and as many as asked for of
    load tests; logs go to `folder`.

    `program` is the module to run: another one is the service with a defect.
    """
    port = free_port()
    config = folder / "synedrion.toml"
    text = _config(folder, port, rooms, room_class, room_capacity)
    if loadtest_rooms:
        text += f"[loadtest]\nenabled = true\n{room_class}_rooms = {loadtest_rooms}\n"
    config.write_text(text)
    async with serving(config, port, folder / "service.log", program) as service:
        yield service


@contextlib.asynccontextmanager
async def development_service(
    folder: Path, *, has_samples: bool = False, settings: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[RealService]:
    """Run what `make run` does, on free ports and with the database of the folder: empty at first, or
    with the sample sittings. `settings` are other values for keys that occur once."""
    port = free_ports(2)
    config = folder / "synedrion.toml"
    text = _development_config(folder, port, has_samples)
    for key, value in settings.items():
        text, count = re.subn(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.MULTILINE)
        assert count == 1, key
    config.write_text(text)
    async with serving(config, port, folder / "service.log") as service:
        yield service


def _development_config(folder: Path, port: int, has_samples: bool) -> str:
    text = DEVELOPMENT.read_text()
    for key, value, ours in (
        ("data_folder", '"var"', f'"{folder}/data"'),
        ("port", "8080", str(port)),  # of the pages; the sign-in service has the next
        ("first_port", "7882", str(free_ports(2))),  # one for each worker
        ("has_sample_sittings", "true", str(has_samples).lower()),
        ("level", '"info"', '"warning"'),
    ):
        line = f"\n{key} = {value}\n"
        assert text.count(line) == 1, key
        text = text.replace(line, f"\n{key} = {ours}\n")
    return text


@contextlib.asynccontextmanager
async def serving(
    config: Path, port: int, log_path: Path, program: str = "signaling.main"
) -> AsyncIterator[RealService]:
    """Run `synedrion serve` with a configuration whose pages are on `port` of this machine."""
    with log_path.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", program, "serve", "--config", str(config),
            stdout=asyncio.subprocess.PIPE, stderr=log, process_group=0,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            async with asyncio.timeout(START_TIMEOUT_S):
                line = await process.stdout.readline()
            assert b"ready" in line, _tail(log_path)
            await _wait_ready(port)
            yield RealService(f"http://127.0.0.1:{port}", process.pid, log_path)
        finally:
            await _stop(process)


def _tail(log_path: Path) -> str:
    return log_path.read_text(encoding="utf-8", errors="replace")[-2000:]


async def _wait_ready(port: int) -> None:
    """Wait for /readyz: connections were seen refused for milliseconds after the ready line."""
    async with asyncio.timeout(START_TIMEOUT_S), aiohttp.ClientSession() as http:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with http.get(f"http://127.0.0.1:{port}/readyz") as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.02)


async def _stop(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)  # its own group: nobody else is in it
        await process.wait()


def _config(
    folder: Path, port: int, rooms: Sequence[str], room_class: str, room_capacity: int
) -> str:
    tables = "".join(
        f'[[demo.rooms]]\nid = "{room}"\nroom_class = "{room_class}"\ntitle = "{room}"\n'
        for room in rooms
    )
    return f"""data_folder = "{folder}/data"
[http]
port = {port}
[media]
listen_addresses = ["127.0.0.1"]
first_port = {free_port()}
room_capacity = {room_capacity}
[[workers]]
name = "worker"
room_class = "{room_class}"
[demo]
enabled = true
token_burst = 100000
tokens_per_second = 1000.0
{tables}[log]
level = "warning"
"""
