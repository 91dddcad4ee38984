"""The device and network check: its page, and the entrance that gives it a room for a minute."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from sfu.logs import Log
from sfu.values import Role, RoomClass
from signaling.clock import Clock
from signaling.demo import read_small_body
from signaling.frame_socket import is_own_origin
from signaling.helpdesk.check_rooms import LIFETIME_S, CheckRooms, TooManyChecks
from signaling.helpdesk.config import CheckConfig
from signaling.randomness import Randomness
from signaling.rate_limits import RateLimit
from signaling.rendering import Renderer, language_of
from signaling.tokens import TokenKey
from signaling.worker_link import RoomDirectory

log = Log(__name__)

TICK_S = 1.0
NO_WORKER_RETRY_S = 5
PUBLISHER, VIEWER = "publisher", "viewer"
ROLES = {PUBLISHER: Role.MEMBER, VIEWER: Role.GUEST}
"""What the two ends of the check are in their room: one sends, the other only hears and sees."""
SAME_ORIGIN_REFERRER = {"Referrer-Policy": "same-origin"}
"""Of pages with forms for everybody: with `no-referrer` browsers send `Origin: null` with a form
(Fetch §3.2), and nothing would tell our page from another."""


@dataclass(frozen=True)
class CheckParts:
    """What the check works with."""

    directory: RoomDirectory
    key: TokenKey
    randomness: Randomness
    clock: Clock
    renderer: Renderer
    origins: frozenset[str]
    address_of: Callable[[web.Request], str]
    visitor_of: Callable[[web.Request], Awaitable[object]]


class CheckPages:
    """Answers `/check` and `POST /api/v1/check`. `run` must be running in a task of the owner."""

    def __init__(self, parts: CheckParts, config: CheckConfig, phone: str) -> None:
        self._parts = parts
        self._phone = phone
        directory = parts.directory
        self.rooms = CheckRooms(directory.rooms, config.max_rooms, directory.post)
        self._limit = RateLimit(burst=float(config.burst), rate=config.per_minute / 60)

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        app.router.add_get("/check", self.page)
        app.router.add_post("/api/v1/check", self.begin)

    async def page(self, request: web.Request) -> web.Response:
        """Show the check."""
        values = {"language": language_of(request), "phone": self._phone}
        visitor = await self._parts.visitor_of(request)
        response = self._parts.renderer.render(request, "check.html", values, visitor=visitor)
        response.headers.update(SAME_ORIGIN_REFERRER)
        return response

    async def begin(self, request: web.Request) -> web.Response:
        """Open a room and answer a token for each end: `{}` → `{publisher, viewer, lifetime_s}`."""
        parts = self._parts
        if not is_own_origin(request.headers.getall("Origin", []), parts.origins):
            raise web.HTTPForbidden(text="wrong_origin")
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="not_json")
        self._limit.take(parts.address_of(request), parts.clock().monotonic_s)
        if (await read_small_body(request)).strip() != b"{}":
            raise web.HTTPBadRequest(text="bad_request")
        if not self._has_worker():
            raise _unavailable("room_unavailable", NO_WORKER_RETRY_S)
        try:
            room = self.rooms.open(secrets.token_hex(16), parts.clock().monotonic_s).room
        except TooManyChecks as refusal:
            raise _unavailable("too_many_checks", refusal.retry_after_s) from None
        answer: dict[str, object] = {end: self._mint(room, end) for end in ROLES}
        return web.json_response({**answer, "lifetime_s": LIFETIME_S})

    async def run(self) -> None:
        """Close and forget rooms, for ever."""
        while True:
            try:
                self.rooms.handle_timeout(self._parts.clock().monotonic_s)
            except Exception:  # task root: the other rooms must go on to be closed
                log.exception("the rooms of checks cannot be closed")
            await asyncio.sleep(TICK_S)

    def _has_worker(self) -> bool:
        links = self._parts.directory.links
        return any(link.address.room_class is RoomClass.COUNCIL and link.is_ready for link in links)

    def _mint(self, room: str, end: str) -> str:
        parts = self._parts
        return parts.key.mint(
            room=room, subject=f"{end}-{parts.randomness.token_id()}", display_name=end,
            role=ROLES[end], token_id=parts.randomness.token_id(), now=parts.clock(),
            lifetime_s=LIFETIME_S,
        )  # fmt: skip


def _unavailable(code: str, retry_after_s: int) -> web.HTTPServiceUnavailable:
    return web.HTTPServiceUnavailable(text=code, headers={"Retry-After": str(retry_after_s)})
