"""Janus of Debian on loopback, with a configuration of our own, and its WebSocket API.

https://janus.conf.meetecho.com/docs/rest.html, https://janus.conf.meetecho.com/docs/videoroom
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from tests.support.ports import free_port

LIBRARIES = Path("/usr/lib")
PLUGIN = "janus.plugin.videoroom"
START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 10.0
REPLY_TIMEOUT_S = 10.0
MEDIA_PORTS = "40000-60000"
KEEPALIVE_S = 20.0
"""A session without a message for 60 s ends."""


class JanusMissing(Exception):
    """Debian's package is not installed."""


class JanusRefused(Exception):
    """It answered with an error, or not at all."""


class JanusApi:
    """One session over one socket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._last = 0
        self._replies: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._session: int | None = None

    async def open(self) -> None:
        """Create the session."""
        reply = await self._request(janus="create")
        self._session = reply["data"]["id"]

    async def attach(self) -> int:
        """Return a new handle of the video rooms: a peer connection to be."""
        reply = await self._request(janus="attach", plugin=PLUGIN)
        handle: int = reply["data"]["id"]
        return handle

    async def message(
        self, handle: int, body: dict[str, Any], jsep: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """Send a request to the plugin; return its reply with `plugindata` and maybe `jsep`.

        Raises:
            JanusRefused: it said so, or nothing.
        """
        extra = {} if jsep is None else {"jsep": jsep}
        reply = await self._request(janus="message", handle_id=handle, body=body, **extra)
        data = reply["plugindata"]["data"]
        if "error" in data:
            raise JanusRefused(f"{body['request']}: {data['error']}")
        return reply

    async def read(self) -> None:
        """Give replies to who waits for them, until the socket ends."""
        async for frame in self._socket:
            message = msgspec.json.decode(frame.data)
            if message.get("janus") == "ack":
                continue  # the reply proper comes as an event
            reply = self._replies.pop(message.get("transaction", ""), None)
            if reply is not None and not reply.done():
                reply.set_result(message)

    async def keep_alive(self) -> None:
        """Keep the session, for ever."""
        while True:
            await asyncio.sleep(KEEPALIVE_S)
            self._last += 1
            await self._send({"janus": "keepalive", "transaction": str(self._last)})

    async def _request(self, **fields: Any) -> dict[str, Any]:
        self._last += 1
        transaction = str(self._last)
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._replies[transaction] = reply
        await self._send({**fields, "transaction": transaction})
        try:
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                message = await reply
        except TimeoutError:
            raise JanusRefused(f"{fields['janus']}: no answer") from None
        if message["janus"] == "error":
            raise JanusRefused(f"{fields['janus']}: {message['error']['reason']}")
        return message

    async def _send(self, message: dict[str, Any]) -> None:
        if self._session is not None:
            message["session_id"] = self._session
        await self._socket.send_str(msgspec.json.encode(message).decode())


@contextlib.asynccontextmanager
async def janus_server(folder: Path) -> AsyncIterator[tuple[int, JanusApi]]:
    """Run it with its files in `folder`; yield its pid and a session.

    Raises:
        JanusMissing: see there.
    """
    program, port = shutil.which("janus"), free_port()
    if program is None:
        raise JanusMissing("janus is not installed: .ci/debian.sh bench installs it")
    _write_configuration(folder, port)
    with (folder / "janus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program, "-F", str(folder), stdout=log, stderr=log, cwd=folder, process_group=0
        )
    try:
        async with contextlib.AsyncExitStack() as stack:
            http = await stack.enter_async_context(aiohttp.ClientSession())
            api = JanusApi(await _connect(http, port, process))
            for work in (api.read(), api.keep_alive()):
                stack.push_async_callback(_cancel, asyncio.create_task(work))
            await api.open()
            yield process.pid, api
    finally:
        await _stop(process)


def _write_configuration(folder: Path, port: int) -> None:
    """Only the video rooms and the WebSocket are where it looks for plugins and transports."""
    for kind, library in (("plugins", "videoroom"), ("transports", "websockets")):
        (folder / kind).mkdir()
        found = sorted(LIBRARIES.glob(f"*/janus/{kind}/libjanus_{library}.so"))
        if not found:
            raise JanusMissing(f"libjanus_{library}.so is missing: .ci/debian.sh bench")
        (folder / kind / found[0].name).symlink_to(found[0])
    (folder / "janus.jcfg").write_text(
        f'general: {{ configs_folder = "{folder}"\nplugins_folder = "{folder}/plugins"\n'
        f'transports_folder = "{folder}/transports"\ndebug_level = 3\ndebug_colors = false }}\n'
        # Our clients are controlling, as those of any server with a public address.
        f'nat: {{ ice_lite = true\nrtp_port_range = "{MEDIA_PORTS}" }}\n'
    )
    (folder / "janus.transport.websockets.jcfg").write_text(
        f'general: {{ json = "compact"\nws = true\nws_port = {port}\nws_ip = "127.0.0.1" }}\n'
    )
    (folder / f"{PLUGIN}.jcfg").write_text("general: { }\n")


async def _connect(
    http: aiohttp.ClientSession, port: int, process: asyncio.subprocess.Process
) -> aiohttp.ClientWebSocketResponse:
    async with asyncio.timeout(START_TIMEOUT_S):
        while process.returncode is None:
            try:
                return await http.ws_connect(
                    f"http://127.0.0.1:{port}", protocols=("janus-protocol",)
                )
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)
    raise JanusRefused("janus ended when it started")


async def _stop(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
