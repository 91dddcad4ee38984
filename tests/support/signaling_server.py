"""The real aiohttp application on loopback, joined to fake workers over real UNIX sockets."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry

from sfu.client import SfuClient
from sfu.rpc import RpcServer
from sfu.values import Role, RoomClass
from signaling.addresses import parse_networks
from signaling.app import AppParts, AppSettings, make_app, make_doors
from signaling.audit.config import AuditConfig
from signaling.audit.service import AuditService
from signaling.clock import read_clocks
from signaling.demo import DemoSettings
from signaling.limits import OutgoingLimits, SessionLimits
from signaling.metrics import SignalingMetrics
from signaling.pages import WebFolders
from signaling.randomness import Randomness, SystemRandomness
from signaling.rooms import RoomTable
from signaling.tokens import TokenKey
from signaling.worker_link import RoomDirectory, WorkerAddress, WorkerClient, WorkerLink
from tests.support.fake_worker import FakeWorker
from tests.support.signaling_parts import COUNCIL_ROOM, KEP_ROOM
from tests.support.waiting import PATIENCE_S

TEMPLATES = {
    "home.html": "<html lang={{ lang }}>{% for room in rooms %}{{ room.title }}{% endfor %}",
    "room.html": "<html lang={{ lang }}>{{ room.title }} {{ config.socket_path }}",
    "error.html": "<html lang={{ lang }}>{{ status }}",
}
"""In place of the front end's, which has tests of its own."""


class WorkerProcess:
    """A fake worker behind a real RPC server; `restart` loses its rooms as a crash would."""

    def __init__(self, room_class: RoomClass, folder: Path) -> None:
        self.room_class = room_class
        self.path = folder / f"{room_class.value}.sock"
        self.incarnations = 0
        self.fake = self._fresh()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Serve; returns once connections are accepted."""
        server = RpcServer(self.path, self.fake.handle)
        self.fake.publish = server.publish
        listening = asyncio.Event()
        self._task = asyncio.create_task(server.run(listening.set))
        await listening.wait()

    async def stop(self) -> None:
        """Break all connections, keep the rooms."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def restart(self) -> None:
        """Come back as another incarnation, with nothing."""
        await self.stop()
        self.fake = self._fresh()
        await self.start()

    def _fresh(self) -> FakeWorker:
        self.incarnations += 1
        return FakeWorker(
            room_class=self.room_class, name=self.room_class.value,
            incarnation=f"incarnation-{self.incarnations}",
        )  # fmt: skip


def make_client(path: Path, on_event: Any, on_state: Any) -> WorkerClient:
    """Return the real client of a worker."""
    return SfuClient(path, on_event=on_event, on_state=on_state)


class ControlPlane:
    """One control-plane process's worth: it can be stopped and started again on the same port."""

    def __init__(self, workers: list[WorkerProcess], folder: Path, key: TokenKey,
                 settings: AppSettings, randomness: Randomness, port: int = 0, *,
                 audit: AuditConfig) -> None:  # fmt: skip
        self.key = key
        self.port = port
        addresses = [
            WorkerAddress(each.room_class.value, each.room_class, each.path) for each in workers
        ]
        table = RoomTable([COUNCIL_ROOM, KEP_ROOM])
        self.audit = AuditService(audit, folder, read_clocks)
        links = [WorkerLink(address, table, make_client, self.audit.calls) for address in addresses]
        self.directory = RoomDirectory(table, links)
        table.watch_kep = self.audit.calls.handle_event
        self.audit.calls.attest = self.directory.attest
        registry = CollectorRegistry()
        self.doors = make_doors(self.directory, key, randomness, read_clocks)
        parts = AppParts(
            directory=self.directory,
            key=key,
            clock=read_clocks,
            randomness=randomness,
            folders=WebFolders(folder / "templates", folder / "static"),
            registry=registry,
            metrics=SignalingMetrics(registry),
            audit=self.audit,
            doors=self.doors,
            holders_of=lambda request: frozenset(request.headers.getall("X-Test-Browser", [])),
        )
        self.app = make_app(settings, parts)
        self._extra: dict[str, Any] = {}
        self.app.router.add_post("/rooms/{room}/recording", self._do_extra)
        self._runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=1)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, *, wait_for_audit: bool = True) -> None:
        """Listen, and wait until the workers are adopted and kep calls may begin."""
        self._tasks = [
            asyncio.create_task(self.directory.run()),
            asyncio.create_task(self.audit.run()),
        ]
        if wait_for_audit:
            await self.audit.writer.wait_open()
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        await until(lambda: self.directory.is_ready)

    def extra_route(self, path: str, handler: Any) -> None:
        """Let the route that tests have beside the application's own do something."""
        self._extra[path] = handler

    async def _do_extra(self, request: web.Request) -> web.StreamResponse:
        resource = request.match_info.route.resource
        handler = self._extra.get(resource.canonical if resource is not None else "")
        if handler is None:
            raise web.HTTPNotFound()
        response: web.StreamResponse = await handler(request)
        return response

    async def stop(self, *, crash: bool = False) -> None:
        """Stop as a service does, or as a killed process does: no goodbye, sockets cut."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if crash and self._runner.server is not None:
            for handler in list(self._runner.server.connections):
                if handler.transport is not None:
                    handler.transport.abort()
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@dataclass
class Server:
    """Workers, one control plane, and clients of it."""

    folder: Path
    settings: AppSettings
    randomness: Randomness = field(default_factory=SystemRandomness)
    key: TokenKey = field(default_factory=TokenKey.generate)
    audit: AuditConfig = field(default_factory=AuditConfig)

    def __post_init__(self) -> None:
        self.workers = [WorkerProcess(each, self.folder / "run") for each in RoomClass]
        self.control = ControlPlane(
            self.workers, self.folder, self.key, self.settings, self.randomness, audit=self.audit
        )
        self.http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))

    def worker(self, room_class: RoomClass = RoomClass.COUNCIL) -> WorkerProcess:
        return next(each for each in self.workers if each.room_class is room_class)

    async def restart_control_plane(self, *, crash: bool = True) -> None:
        """Stop it and start another that knows nothing."""
        await self.control.stop(crash=crash)
        for worker in self.workers:
            worker.fake.disconnect()
        port = self.control.port
        self.control = ControlPlane(
            self.workers, self.folder, self.key, self.settings, self.randomness, port,
            audit=self.audit,
        )  # fmt: skip
        await self.control.start()

    def token(self, *, room: str = COUNCIL_ROOM.room, name: str = "Άννα",
              role: Role = Role.MEMBER, subject: str | None = None) -> str:  # fmt: skip
        randomness = SystemRandomness()
        return self.key.mint(
            room=room,
            subject=subject or randomness.token_id(),
            display_name=name,
            role=role,
            token_id=randomness.token_id(),
            now=read_clocks(),
        )

    async def connect(self, path: str = "/ws", **headers: str) -> Client:
        headers.setdefault("Origin", "http://own.test")
        socket = await self.http.ws_connect(
            f"{self.control.url}{path}", headers=headers, max_msg_size=0, autoping=True
        )
        return Client(socket)

    async def joined(self, *, encryption: str = "on", **token: Any) -> Client:
        client = await self.connect()
        client.joined = await client.request(
            type="join", token=self.token(**token), encryption=encryption
        )
        assert client.joined["type"] == "joined", client.joined
        return client


class Client:
    """A client of the protocol that keeps what it has heard."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.heard: list[dict[str, Any]] = []
        self.joined: dict[str, Any] = {}
        self._last_id = 0

    async def request(self, **message: Any) -> dict[str, Any]:
        """Send a request and return its reply; notifications before it are kept in `heard`."""
        self._last_id += 1
        await self.socket.send_str(msgspec.json.encode({**message, "id": self._last_id}).decode())
        while True:
            received = await self.receive()
            if received.get("id") == self._last_id:
                return received

    async def receive(self) -> dict[str, Any]:
        """Return the next message."""
        async with asyncio.timeout(PATIENCE_S):
            frame = await self.socket.receive()
        assert frame.type is aiohttp.WSMsgType.TEXT, (frame, self.socket.close_code, self.heard)
        message: dict[str, Any] = msgspec.json.decode(frame.data)
        self.heard.append(message)
        return message

    async def hear(self, message_type: str) -> dict[str, Any]:
        """Return the next message of that type; others are kept in `heard`."""
        while True:
            message = await self.receive()
            if message["type"] == message_type:
                return message

    async def closed(self) -> int | None:
        """Read to the end and return the close code."""
        async with asyncio.timeout(PATIENCE_S):
            async for frame in self.socket:
                self.heard.append(msgspec.json.decode(frame.data))
        return self.socket.close_code

    def resume_message(self) -> dict[str, Any]:
        return {
            "type": "resume",
            "room": self.joined["room"],
            "participant": self.joined["participant"],
            "secret": self.joined["secret"],
        }


async def until(condition: Any, seconds: float = PATIENCE_S) -> None:
    """Wait until `condition()` is true."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def default_settings() -> AppSettings:
    """Return settings with a demo entrance and the origin `http://own.test`."""
    origins = frozenset({"http://own.test"})
    return AppSettings(
        origins=origins,
        is_https=False,
        trusted_proxies=(),
        metrics_from=parse_networks(["127.0.0.0/8"]),
        demo=DemoSettings(
            rooms=frozenset({COUNCIL_ROOM.room}), token_burst=5, token_rate=1.0, origins=origins
        ),
        demo_rooms=(COUNCIL_ROOM.room,),
        session_limits=SessionLimits(),
        outgoing_limits=OutgoingLimits(),
        max_video_streams=20,
    )


@contextlib.asynccontextmanager
async def running_server(
    randomness: Randomness | None = None, *, audit: AuditConfig | None = None,
    wait_for_audit: bool = True, **changes: Any,
) -> AsyncIterator[Server]:  # fmt: skip
    """Run workers and a control plane; `changes` are to the settings."""
    with tempfile.TemporaryDirectory(prefix="syn") as name:
        folder = Path(name)
        shutil.copytree(WebFolders.of_package().templates, folder / "templates")
        (folder / "static").mkdir()
        (folder / "static" / "main.js").write_text("export {};\n")
        (folder / "outside.txt").write_text("outside")
        for template, text in TEMPLATES.items():
            (folder / "templates" / template).write_text(text)
        settings = replace(default_settings(), **changes)
        server = Server(
            folder, settings, randomness or SystemRandomness(), audit=audit or AuditConfig()
        )
        try:
            for worker in server.workers:
                await worker.start()
            await server.control.start(wait_for_audit=wait_for_audit)
            yield server
        finally:
            await server.http.close()
            await server.control.stop()
            for worker in server.workers:
                await worker.stop()
