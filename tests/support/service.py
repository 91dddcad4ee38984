"""The whole service as people start it, with ports and a data folder of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.support.ports import free_port, free_ports
from tests.support.processes import children, name_of, words_of
from tests.support.repository import ROOT

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0
OUTPUT = ROOT / "var/test-output"
"""Logs and screenshots of the last run, for people to look at."""

CONFIG = """\
data_folder = "{data_folder}"

[http]
port = {http_port}

[media]
first_port = {media_port}
listen_addresses = {listen_addresses}

[[workers]]
name = "council"
room_class = "council"

[[workers]]
name = "kep"
room_class = "kep"

[kep]
allow_unencrypted_browsers = {allows_unencrypted}

[demo]
enabled = true
token_burst = 10000

{rooms}
"""
ROOM = """\
[[demo.rooms]]
id = "{room}"
room_class = "{room_class}"
title = "{title}"
"""
COUNCIL_ROOMS = 60
TITLE = "Δημοτικό Συμβούλιο {number}"
KEP_ROOM = "kep-1"
KEP_ROOMS = 16

_SAMPLE = re.compile(r"^(?P<name>[a-z_]+)(?:\{(?P<labels>[^}]*)\})? (?P<value>\S+)$", re.MULTILINE)


@dataclass
class Service:
    """A running service."""

    process: asyncio.subprocess.Process
    base: str
    """Address of the home page, without a slash at the end."""
    media_port: int
    """UDP port of the council worker."""
    log: Path
    rooms_given: int = 0
    kep_rooms_given: int = 1

    def new_room(self, query: str = "") -> str:
        """Return the address of a council room that no test has entered yet."""
        self.rooms_given += 1
        assert self.rooms_given <= COUNCIL_ROOMS, "more rooms are wanted than the config has"
        return f"{self.base}/rooms/council-{self.rooms_given}{query}"

    @property
    def kep_room(self) -> str:
        """Address of the kep room."""
        return f"{self.base}/rooms/{KEP_ROOM}"

    def new_kep_room(self, query: str = "") -> str:
        """Return the address of a kep room that no test has entered yet."""
        self.kep_rooms_given += 1
        assert self.kep_rooms_given <= KEP_ROOMS, "more rooms are wanted than the config has"
        return f"{self.base}/rooms/kep-{self.kep_rooms_given}{query}"

    def control_plane_id(self) -> int:
        """Return the process id of the control plane that runs now."""
        return self._child("control-plane")

    def worker_id(self, name: str = "council") -> int:
        """Return the process id of the media worker that runs now."""
        return self._child("sfu.worker", named=name)

    def kill(self, process_id: int) -> None:
        """Kill one of the service's processes as a crash would."""
        os.kill(process_id, signal.SIGKILL)

    async def metrics(self) -> dict[str, float]:
        """Return every sample by name and labels as they are written, such as `a_total{x="y"}`."""
        async with aiohttp.ClientSession() as http, http.get(f"{self.base}/metrics") as answer:
            text = await answer.text()
        return {
            match["name"] + (f"{{{match['labels']}}}" if match["labels"] else ""): float(
                match["value"]
            )
            for match in _SAMPLE.finditer(text)
        }

    async def wait_until_ready(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Wait for /readyz.

        Raises:
            AssertionError: it ended, or is not ready in time; the text has the end of its log.
        """
        end = time.monotonic() + timeout_s
        async with aiohttp.ClientSession() as http:
            while time.monotonic() < end:
                assert self.process.returncode is None, f"the service ended:\n{self.log_tail()}"
                with contextlib.suppress(aiohttp.ClientError):
                    async with http.get(f"{self.base}/readyz") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.05)
        raise AssertionError(f"not ready within {timeout_s} s:\n{self.log_tail()}")

    def log_tail(self, lines: int = 40) -> str:
        """Return the end of the log."""
        return "\n".join(
            self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
        )

    def _child(self, word: str, named: str = "") -> int:
        """Return the child whose command line has `word`, among workers that named `named`."""
        found = [
            each
            for each in children(self.process.pid)
            if any(word in one for one in words_of(each))
            and (not named or name_of(each) == f"sfu-{named}")
        ]
        assert len(found) == 1, f"{word}: {found}"
        return found[0]


@contextlib.asynccontextmanager
async def running_service(
    folder: Path,
    name: str,
    *,
    listen_addresses: Sequence[str] = ("0.0.0.0", "::"),
    allows_unencrypted: bool = False,
) -> AsyncIterator[Service]:
    """Start the service with its data in `folder`; it ends with the block, its log stays.

    The media ports are bound on `listen_addresses`. Browsers leave 127.0.0.1 out of what they use.
    """
    http_port, media_port = free_port(), free_ports(2)
    config = folder / "synedrion.toml"
    rooms = [("council", f"council-{number}", TITLE.format(number=number))
             for number in range(1, COUNCIL_ROOMS + 1)]  # fmt: skip
    rooms += [("kep", f"kep-{number}", "ΚΕΠ Δήμου Αθηναίων") for number in range(1, KEP_ROOMS + 1)]
    config.write_text(
        CONFIG.format(
            data_folder=folder / "data",
            http_port=http_port,
            allows_unencrypted=str(allows_unencrypted).lower(),
            media_port=media_port,
            listen_addresses=json.dumps(list(listen_addresses)),
            rooms="".join(
                ROOM.format(room_class=room_class, room=room, title=title)
                for room_class, room, title in rooms
            ),
        ),
        encoding="utf-8",
    )
    log = OUTPUT / f"logs/{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "signaling.main", "serve", "--config", str(config),
            cwd=ROOT, stdout=output, stderr=output, stdin=asyncio.subprocess.DEVNULL,
            # Asyncio's debug mode is for the tests' own loop: in the service it would cost time.
            env={key: value for key, value in os.environ.items() if key != "PYTHONASYNCIODEBUG"},
        )  # fmt: skip
    service = Service(process, f"http://127.0.0.1:{http_port}", media_port, log)
    try:
        await service.wait_until_ready()
        yield service
    finally:
        await _stop(process)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise AssertionError(f"the service did not stop within {STOP_TIMEOUT_S} s") from None
