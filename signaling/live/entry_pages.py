"""The door of a sitting as pages: `/sittings/{id}/enter` and the tickets its script asks for.

Who is not entitled is answered exactly as for a sitting that does not exist: sent to sign in first,
then 404.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import msgspec
from aiohttp import web

from sfu.values import RoomClass
from signaling.accounts.parts import PageParts
from signaling.accounts.visitor import Stage, Visitor
from signaling.demo import read_small_body
from signaling.door.doors import Doors
from signaling.door.values import Caller, DoorLimits
from signaling.encryption import EncryptionPolicy
from signaling.errors import ErrorCode, RequestError
from signaling.frame_socket import is_own_origin
from signaling.live.entry import Entitlement, entitlement_of
from signaling.live.presence import Presence, Visit
from signaling.live.sitting_rooms import SittingRooms
from signaling.rate_limits import RateLimit
from signaling.rendering import language_of
from signaling.scheduling.invitations import find_own
from signaling.scheduling.sittings import get_sitting
from signaling.scheduling.values import SittingState
from signaling.storage.models import new_id
from signaling.tokens import MAX_DISPLAY_NAME, clean_display_name, room_scoped_subject
from signaling.vault import token_hash

GUEST_COOKIE_AGE_S = 24 * 3600
TICKET_BURST = 10.0
TICKET_RATE = 0.2
"""Tickets one browser gets at once, and a second after that."""
GUEST_BURST = 60.0
GUEST_RATE = 1.0
"""The same for all guests of one address: an office's network is one."""


@dataclass(frozen=True)
class EntrySettings:
    """What the pages need of the configuration."""

    origins: frozenset[str]
    is_https: bool
    max_video_streams: int
    address_of: Callable[[web.Request], str]


@dataclass(frozen=True)
class DoorParts:
    """What the pages work with."""

    doors: Doors
    rooms: SittingRooms
    presence: Presence


class TicketRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of `POST /api/v1/sittings/{id}/tickets`."""

    display_name: Annotated[str, msgspec.Meta(max_length=256)] = ""
    """Of guests only: others have the name of their account."""


class EntryPages:
    """Answers the two."""

    def __init__(self, parts: PageParts, door: DoorParts, settings: EntrySettings) -> None:
        self._parts = parts
        self._accounts = parts.accounts
        self._door = door
        self._settings = settings
        self._tickets = RateLimit(burst=TICKET_BURST, rate=TICKET_RATE)
        self._guests = RateLimit(burst=GUEST_BURST, rate=GUEST_RATE)
        self._limits = DoorLimits()

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        app.router.add_get("/sittings/{id}/enter", self.enter)
        app.router.add_post("/api/v1/sittings/{id}/tickets", self.ticket)

    async def enter(self, request: web.Request) -> web.Response:
        """Show the lobby: devices, and for guests a name; or why one cannot enter now."""
        visitor, found = await self._find(request)
        if found is None:
            await self._accounts.visitors.require(request)
            raise web.HTTPNotFound()
        state = self._state(found)
        config: dict[str, object] = {
            "room": "",
            "room_class": RoomClass.COUNCIL.value,
            "encryption": EncryptionPolicy.OFF.value,
            "lang": language_of(request),
            "roles": [],
            "socket_path": "/ws",
            "demo_tokens_path": None,
            "door_path": "/door",
            "tickets_path": f"/api/v1/sittings/{found.sitting.id}/tickets",
            "max_video_streams": self._settings.max_video_streams,
            "max_name": MAX_DISPLAY_NAME,
            "asks_name": not found.is_known,
            "enters_at_once": found.enters_at_once,
        }
        response = self._parts.page(
            request, "enter.html", visitor, sitting=found.sitting, config=config, state=state,
            opens_at=self._from_unix(found.window.opens_s), own_name=found.display_name,
            room={"title": found.sitting.title, "room_class": RoomClass.COUNCIL.value},
        )  # fmt: skip
        if not found.is_known and state == "open":
            self._greet_guest(request, response)
        return response

    async def ticket(self, request: web.Request) -> web.Response:
        """Answer a ticket for the door: `{display_name?}` → `{ticket}`."""
        if not is_own_origin(request.headers.getall("Origin", []), self._settings.origins):
            raise web.HTTPForbidden(text="wrong_origin")
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="not_json")
        wanted = _decode(await read_small_body(request))
        visitor, found = await self._find(request)
        if found is None:
            raise web.HTTPNotFound()
        if self._state(found) in ("cancelled", "over"):
            raise web.HTTPConflict(text="too_late")
        holder = self._take_turn(request, visitor, found)
        caller = self._caller(found, holder, wanted.display_name)
        await self._door.rooms.ensure(found.sitting)
        visit = Visit(found.person_id, found.invitation_id)
        self._door.presence.note_visit(caller.room, caller.subject, visit)
        try:
            ticket = self._door.doors.give_ticket(caller)
        except RequestError as error:
            raise _http_error(error) from None
        return web.json_response({"ticket": ticket})

    async def _find(self, request: web.Request) -> tuple[Visitor, Entitlement | None]:
        visitor = await self._accounts.visitors.of(request)
        person = visitor.person if visitor.stage is Stage.READY else None
        async with self._accounts.database.read() as session:
            sitting = await get_sitting(session, request.match_info["id"])
            if sitting is None:
                if person is not None:
                    # As long as for one that is there: the time must not tell them apart.
                    await find_own(session, person, new_id())
                return visitor, None
            return visitor, await entitlement_of(session, sitting, person, visitor.actor)

    def _state(self, found: Entitlement) -> str:
        """Return what the page shows: `open`, `early`, `over` or `cancelled`."""
        now_s = self._accounts.now().timestamp()
        if found.sitting.state == SittingState.CANCELLED:
            return "cancelled"
        if found.sitting.state == SittingState.ENDED or now_s >= found.window.closes_s:
            return "over"
        return "open" if now_s >= found.window.opens_s - self._limits.early_s else "early"

    def _take_turn(self, request: web.Request, visitor: Visitor, found: Entitlement) -> str:
        """Return the hash of the cookie that the ticket is for.

        Raises:
            HTTPTooManyRequests, HTTPForbidden: too many, or a guest without the page's cookie.
        """
        now_s = self._accounts.monotonic_s()
        if found.is_known:
            holder = token_hash(visitor.session_token)
        else:
            cookie = request.cookies.get(self._accounts.visitors.guest_cookie_name)
            if not cookie:
                raise web.HTTPForbidden(text="no_cookie")
            holder = token_hash(cookie)
            self._guests.take(self._settings.address_of(request), now_s)
        self._tickets.take(holder, now_s)
        return holder

    def _caller(self, found: Entitlement, holder: str, typed: str) -> Caller:
        room = found.sitting.room
        person = found.person_id if found.person_id is not None else f"guest {holder}"
        try:
            name = found.display_name or clean_display_name(typed)
        except ValueError:
            raise web.HTTPBadRequest(text="bad_display_name") from None
        return Caller(
            room=room, subject=room_scoped_subject(room, person), holder=holder, display_name=name,
            role=found.role, window=found.window, is_known=found.is_known,
            enters_at_once=found.enters_at_once,
        )  # fmt: skip

    def _greet_guest(self, request: web.Request, response: web.Response) -> None:
        """Give a guest's browser a cookie to be told from others by."""
        name = self._accounts.visitors.guest_cookie_name
        if not request.cookies.get(name):
            response.set_cookie(
                name, secrets.token_urlsafe(32), max_age=GUEST_COOKIE_AGE_S, path="/",
                httponly=True, samesite="Strict", secure=self._settings.is_https,
            )  # fmt: skip

    def _from_unix(self, seconds: float) -> object:
        now = self._accounts.now()
        return now.fromtimestamp(seconds, now.tzinfo)


def _decode(body: bytes) -> TicketRequest:
    try:
        return msgspec.json.decode(body, type=TicketRequest)
    except (msgspec.DecodeError, RecursionError):
        raise web.HTTPBadRequest(text="bad_request") from None


def _http_error(error: RequestError) -> web.HTTPException:
    if error.code is ErrorCode.ROOM_UNAVAILABLE:
        headers = {"Retry-After": str(error.retry_after_s or 1)}
        return web.HTTPServiceUnavailable(text=error.code.value, headers=headers)
    return web.HTTPConflict(text=error.code.value)
