"""A server that attacks the key agreement: stands in front of the real one and plays, to each
browser, the other one. It gets every key; only the codes tell.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from tests.support.e2ee import PairEnd

_KEPT_HEADERS = ("Content-Type", "Content-Security-Policy", "Cache-Control")


@dataclass
class KeySwapper:
    """The attack: one `PairEnd` for each direction of each pair."""

    upstream: str
    http: aiohttp.ClientSession
    address: str = ""
    secrets: list[tuple[str, bytes]] = field(default_factory=list)
    """(who sends, its secret): what the attacker has learnt."""

    def __post_init__(self) -> None:
        self._sockets: dict[str, web.WebSocketResponse] = {}
        self._room = ""
        self._ends: dict[tuple[str, str], PairEnd] = {}

    async def page(self, request: web.Request) -> web.Response:
        """Pass everything but the socket on."""
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() in ("accept", "accept-language", "content-type", "cookie")
        }
        headers["Origin"] = self.upstream
        async with self.http.request(
            request.method, self.upstream + request.path_qs, headers=headers,
            data=await request.read(),
        ) as answer:  # fmt: skip
            kept = {name: answer.headers[name] for name in _KEPT_HEADERS if name in answer.headers}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        """Pass a socket on, but for keys."""
        client = web.WebSocketResponse()
        await client.prepare(request)
        url = self.upstream.replace("http", "ws") + "/ws"
        async with self.http.ws_connect(url, headers={"Origin": self.upstream}) as server:
            down = asyncio.create_task(self._pass_down(server, client))
            async for frame in client:
                message = json.loads(frame.data)
                if message["type"] == "keys":
                    await self._attack(client, message)
                else:
                    await server.send_str(frame.data)
            down.cancel()
        return client

    async def _pass_down(self, server: Any, client: web.WebSocketResponse) -> None:
        async for frame in server:
            message = json.loads(frame.data)
            if message["type"] == "joined":
                self._sockets[message["participant"]] = client
                self._room = message["room"]
            with contextlib.suppress(ConnectionError):
                await client.send_str(frame.data)

    async def _attack(self, client: web.WebSocketResponse, message: dict[str, Any]) -> None:
        victim = next(who for who, its in self._sockets.items() if its is client)
        played = message["participant"]
        end = self._end(victim, played)
        answers, secret = end.handle(message["payload"])
        await client.send_json({"type": "done", "id": message["id"]})
        for answer in answers:
            await self._tell(victim, played, answer)
        if secret is None:
            return
        self.secrets.append((victim, secret[1]))
        # Hand it on under the other pair's key, so that the call works as if nothing were wrong.
        onward = self._end(played, victim)
        while onward.code is None:  # noqa: ASYNC110 - another socket completes it
            await asyncio.sleep(0.05)
        await self._tell(played, victim, onward.secret(*secret))

    def _end(self, victim: str, played: str) -> PairEnd:
        if (victim, played) not in self._ends:
            self._ends[victim, played] = PairEnd(self._room, played, victim)
        return self._ends[victim, played]

    async def _tell(self, victim: str, sender: str, payload: str) -> None:
        told = {"type": "peer_keys", "participant": sender, "payload": payload}
        await self._sockets[victim].send_json(told)


@contextlib.asynccontextmanager
async def key_swapper(upstream: str) -> AsyncIterator[KeySwapper]:
    """Run the attacking server in front of `upstream`."""
    async with aiohttp.ClientSession() as http:
        swapper = KeySwapper(upstream, http)
        app = web.Application()
        app.router.add_get("/ws", swapper.socket)
        app.router.add_route("*", "/{path:.*}", swapper.page)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        swapper.address = f"http://{host}:{port}"
        try:
            yield swapper
        finally:
            await runner.cleanup()
