"""The demo entrance: room tokens for the asking. Only there when `[demo] enabled` is true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import msgspec
from aiohttp import web

from sfu.values import Identifier, Role
from signaling.clock import Clock
from signaling.frame_socket import is_own_origin
from signaling.grants import initial_grants
from signaling.randomness import Randomness
from signaling.rate_limits import RateLimit
from signaling.rooms import RoomTable
from signaling.tokens import TokenKey

MAX_BODY_BYTES = 4096


@dataclass(frozen=True)
class DemoSettings:
    """What the demo entrance gives to whom."""

    rooms: frozenset[str]
    token_burst: int
    token_rate: float
    """Tokens a second for one address after the burst."""
    origins: frozenset[str]


class TokenRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /api/v1/demo/tokens`."""

    room: Identifier
    display_name: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    role: Role


class DemoTokens:
    """Mints tokens for demo rooms."""

    def __init__(
        self, settings: DemoSettings, key: TokenKey, rooms: RoomTable, *,
        clock: Clock, randomness: Randomness, address_of: Callable[[web.Request], str],
    ) -> None:  # fmt: skip
        self._settings = settings
        self._key = key
        self._rooms = rooms
        self._clock = clock
        self._randomness = randomness
        self._address_of = address_of
        self._rate_limit = RateLimit(burst=float(settings.token_burst), rate=settings.token_rate)

    async def handle(self, request: web.Request) -> web.Response:
        """Answer `POST /api/v1/demo/tokens`: `{room, display_name, role}` → `{token}`."""
        if not is_own_origin(request.headers.getall("Origin", []), self._settings.origins):
            raise web.HTTPForbidden(text="wrong_origin")
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="not_json")
        self._take_turn(self._address_of(request))
        wanted = _decode(await read_small_body(request))
        description = self._rooms.describe(wanted.room)
        if description is None or wanted.room not in self._settings.rooms:
            raise web.HTTPNotFound(text="unknown_room")
        if initial_grants(description.room_class, wanted.role) is None:
            raise web.HTTPBadRequest(text="unknown_role")
        try:
            token = self._key.mint(
                room=wanted.room,
                subject=f"demo-{self._randomness.token_id()}",
                display_name=wanted.display_name,
                role=wanted.role,
                token_id=self._randomness.token_id(),
                now=self._clock(),
            )
        except ValueError:
            raise web.HTTPBadRequest(text="bad_display_name") from None
        return web.json_response({"token": token})

    def _take_turn(self, address: str) -> None:
        self._rate_limit.take(address, self._clock().monotonic_s)


async def read_small_body(request: web.Request) -> bytes:
    """Return the body of a small JSON request.

    Raises:
        HTTPRequestEntityTooLarge: it is longer than 4 KiB.
    """
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise web.HTTPRequestEntityTooLarge(MAX_BODY_BYTES, request.content_length or 0)
    body = await request.content.read(MAX_BODY_BYTES + 1)
    while not request.content.at_eof() and len(body) <= MAX_BODY_BYTES:
        body += await request.content.read(MAX_BODY_BYTES + 1 - len(body))
    if len(body) > MAX_BODY_BYTES:
        raise web.HTTPRequestEntityTooLarge(MAX_BODY_BYTES, len(body))
    return body


def _decode(body: bytes) -> TokenRequest:
    try:
        return msgspec.json.decode(body, type=TokenRequest)
    except (msgspec.DecodeError, RecursionError):
        raise web.HTTPBadRequest(text="bad_request") from None
