"""Clients of the JSON API, signed in as a browser does it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import aiohttp

from signaling.scheduling.wall_time import to_wall
from tests.support.accounts_server import AccountsServer, VisitorClient

API = "/api/v1"
RANDOM_ID = "0" * 32


@dataclass
class Reply:
    """An answer."""

    status: int
    value: Any
    content_type: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """The stable word of problem details."""
        return str(self.value.get("code", ""))


@dataclass
class ApiClient:
    """Calls operations as one person."""

    server: AccountsServer
    http: aiohttp.ClientSession
    form_token: str = ""

    async def get(self, path: str, **query: str | int) -> Reply:
        async with self.http.get(self.server.url + API + path, params=query) as response:
            return await _read(response)

    async def send(self, method: str, path: str, body: object = None, **headers: str) -> Reply:
        sent = {"Origin": self.server.url, "X-Form-Token": self.form_token} | headers
        url = self.server.url + API + path
        async with self.http.request(method, url, json=body, headers=sent) as response:
            return await _read(response)

    async def post(self, path: str, body: object = None) -> Reply:
        return await self.send("POST", path, body)

    async def put(self, path: str, body: object) -> Reply:
        return await self.send("PUT", path, body)


async def client_of(visitor: VisitorClient) -> ApiClient:
    """Return the API as a visitor who is signed in sees it."""
    assert isinstance(visitor.server, AccountsServer), (
        "invariant: of the application, not processes"
    )
    client = ApiClient(visitor.server, visitor.http)
    client.form_token = (await client.get("/session")).value["form_token"]
    return client


def sitting_on(place: str, day_shift: int = 7, **changes: object) -> dict[str, object]:
    """Return a sitting so many days from now."""
    day = (to_wall(datetime.now().astimezone()) + timedelta(days=day_shift)).date()
    return {
        "place": place,
        "date": day.isoformat(),
        "time": "18:00",
        "title": "Συνεδρίαση",
    } | changes


async def _read(response: aiohttp.ClientResponse) -> Reply:
    value = await response.json(content_type=None)
    return Reply(response.status, value, response.content_type, dict(response.headers))
