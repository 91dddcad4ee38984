"""The entrance of load tests: tells their rooms and mints tokens for them. Only there when
`[loadtest] enabled` is true; see docs/loadtest.md.

Whoever has the secret may fill these rooms, and no others.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from sfu.values import RoomClass
from signaling.demo import DemoTokens
from signaling.room_session import RoomDescription

MIN_SECRET_CHARACTERS = 16
TOKEN_BURST = 10_000
TOKENS_PER_SECOND = 1000.0
"""Who has the secret is trusted with the rate; it is bounded all the same."""


@dataclass(frozen=True)
class LoadTestSettings:
    """What the entrance tells and asks for."""

    rooms: Sequence[RoomDescription]
    secret: str
    """Empty: none is asked for."""
    origins: frozenset[str]
    room_capacity: Mapping[RoomClass, int]
    """Most participants of one room."""
    total_capacity: Mapping[RoomClass, int]
    """Most participants of all workers of the class."""


class LoadTestEntrance:
    """Tells what there is and mints tokens."""

    def __init__(self, settings: LoadTestSettings, tokens: DemoTokens) -> None:
        """`tokens` mints for the rooms of `settings` and limits the rate."""
        self._settings = settings
        self._tokens = tokens

    async def describe(self, request: web.Request) -> web.Response:
        """Answer `GET /api/v1/loadtest`: rooms and capacities by class."""
        self._check(request)
        return web.json_response(
            {
                room_class.value: {
                    "rooms": [
                        each.room for each in self._settings.rooms if each.room_class is room_class
                    ],
                    "room_capacity": self._settings.room_capacity.get(room_class, 0),
                    "total_capacity": self._settings.total_capacity.get(room_class, 0),
                }
                for room_class in RoomClass
            }
        )

    async def tokens(self, request: web.Request) -> web.Response:
        """Answer `POST /api/v1/loadtest/tokens`, as the demo entrance does."""
        self._check(request)
        return await self._tokens.handle(request)

    def _check(self, request: web.Request) -> None:
        if not self._settings.secret:
            return
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        is_right = hmac.compare_digest(given.encode(), self._settings.secret.encode())
        if scheme.lower() != "bearer" or not is_right:
            raise web.HTTPUnauthorized(
                text="wrong_secret", headers={"WWW-Authenticate": 'Bearer realm="loadtest"'}
            )
