"""The control plane as its own process, supervised, with the real pages and configuration."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from sfu.values import RoomClass
from signaling.config import load_config
from signaling.main import EXIT_CONFIG, EXIT_FAILED
from signaling.supervisor import ProcessSpec, Supervisor
from signaling.tokens import MAX_DISPLAY_NAME
from tests.support.ports import free_port
from tests.support.processes import children, words_of
from tests.support.signaling_server import Client, WorkerProcess
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.asyncio

COMMAND = (sys.executable, "-m", "signaling.main")


@dataclass
class Service:
    """A supervised control plane and fake workers."""

    port: int
    http: aiohttp.ClientSession
    supervisor: Supervisor

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def connect(self) -> Client:
        headers = {"Origin": self.url}
        return Client(await self.http.ws_connect(f"{self.url}/ws", headers=headers))

    async def joined(self) -> Client:
        body = {"room": "dimotiko-symvoulio", "display_name": "Άννα", "role": "member"}
        url = f"{self.url}/api/v1/demo/tokens"
        async with self.http.post(url, json=body, headers={"Origin": self.url}) as response:
            token = (await response.json())["token"]
        client = await self.connect()
        client.joined = await client.request(type="join", token=token, encryption="on")
        assert client.joined["type"] == "joined"
        return client


def write_config(folder: Path, port: int) -> Path:
    text = Path("configs/dev.toml").read_text(encoding="utf-8")
    text = text.replace("port = 8080", f"port = {port}")
    path = folder / "synedrion.toml"
    path.write_text(text.replace('data_folder = "var"', f'data_folder = "{folder}/var"'))
    return path


@contextlib.asynccontextmanager
async def running_service(folder: Path) -> AsyncIterator[Service]:
    port = free_port()
    path = write_config(folder, port)
    run_folder = load_config(path).run_folder
    run_folder.mkdir(mode=0o700, parents=True)
    workers = [WorkerProcess(each, run_folder) for each in RoomClass]
    ready = asyncio.Event()
    spec = ProcessSpec(
        name="control-plane",
        command=(*COMMAND, "control-plane", "--config", str(path)),
        tells_ready=True,
    )
    supervisor = Supervisor([spec], lambda line: ready.set())
    async with aiohttp.ClientSession() as http:
        for worker in workers:
            await worker.start()
        running = asyncio.create_task(supervisor.run())
        try:
            async with asyncio.timeout(PATIENCE_S):
                await ready.wait()
            yield Service(port, http, supervisor)
        finally:
            supervisor.handle_stop_signal()
            await running
            for worker in workers:
                await worker.stop()


def control_plane_pid() -> int:
    """Return our child that is a control plane."""
    [found] = [each for each in children(os.getpid()) if "control-plane" in words_of(each)]
    return found


async def test_pages_name_only_our_own_files_and_all_are_there(tmp_path: Path) -> None:
    async with running_service(tmp_path) as service:
        for page in ("/", "/rooms/dimotiko-symvoulio", "/rooms/kep-demo?lang=en", "/nowhere"):
            async with service.http.get(service.url + page) as response:
                text = await response.text()
                assert response.status == (404 if page == "/nowhere" else 200)
            if page.startswith("/rooms/"):
                assert f'data-max-name="{MAX_DISPLAY_NAME}"' in text
            assert "<script>" not in text and "style=" not in text and " on" + "click" not in text
            for address in re.findall(r'(?:src|href)="([^"]+)"', text):
                assert address.startswith(("/", "#")), address
                # What npm brings is copied by the build, not kept here.
                if address.startswith("/static/") and "/vendor/" not in address:
                    async with service.http.get(service.url + address) as file:
                        assert file.status == 200, address


async def test_killed_control_plane_is_back_and_clients_resume(
    tmp_path: Path,
) -> None:
    async with running_service(tmp_path) as service:
        clients = [await service.joined() for _ in range(3)]

        os.kill(control_plane_pid(), signal.SIGKILL)

        for client in clients:
            await client.closed()
            resumed = await _reconnect(service)
            reply = await resumed.request(**client.resume_message())
            while reply.get("code") == "room_unavailable":
                await asyncio.sleep(0.1)
                reply = await resumed.request(**client.resume_message())
            assert reply["participant"] == client.joined["participant"], reply


async def _reconnect(service: Service) -> Client:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await service.connect()
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)


async def run_main(*arguments: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    return process.returncode, errors.decode()


async def test_busy_port_is_named_with_the_remedy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        path = write_config(tmp_path, port)
        code, errors = await run_main("control-plane", "--config", str(path))

    assert code == EXIT_FAILED
    assert f"http.port = {port}" in errors and "choose another port" in errors
    assert "Traceback" not in errors


async def test_wrong_certificate_is_named_with_the_remedy(tmp_path: Path) -> None:
    path = write_config(tmp_path, free_port())
    text = path.read_text().replace('tls_certificate = ""', f'tls_certificate = "{path}"')
    path.write_text(text.replace('tls_key = ""', f'tls_key = "{path}"'))

    code, errors = await run_main("control-plane", "--config", str(path))

    assert code == EXIT_FAILED
    assert "http.tls_certificate" in errors and "Traceback" not in errors


async def test_wrong_configuration_ends_with_its_exit_code(tmp_path: Path) -> None:
    path = tmp_path / "synedrion.toml"
    path.write_text("[http]\nport = 1\n")

    code, errors = await run_main("serve", "--config", str(path))

    assert code == EXIT_CONFIG
    assert "[[workers]]" in errors and "Traceback" not in errors
