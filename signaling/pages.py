"""The pages: home, room, error. Templates are in `web/templates`, Greek unless asked otherwise."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
from aiohttp import web

from sfu.values import Role, RoomClass
from signaling.encryption import policy_of
from signaling.grants import INITIAL_GRANTS
from signaling.rendering import Renderer, language_of
from signaling.room_session import RoomDescription
from signaling.rooms import RoomTable
from signaling.tokens import MAX_DISPLAY_NAME

VisitorOf = Callable[[web.Request], Awaitable[object]]
"""Tells who is asking; never fails."""
ReadUpcoming = Callable[[object], Awaitable[Sequence[object]]]
"""Tells what a visitor has before them; never fails."""


@dataclass(frozen=True)
class WebFolders:
    """Where the front end lies."""

    templates: Path
    static: Path

    @classmethod
    def of_package(cls) -> WebFolders:
        """Return the folders of this package."""
        web_folder = Path(__file__).resolve().parent / "web"
        return cls(templates=web_folder / "templates", static=web_folder / "static")


@dataclass(frozen=True)
class HomeSettings:
    """What the home page shows."""

    demo_rooms: tuple[str, ...]
    """Empty without the demo entrance."""
    visitor_of: VisitorOf
    read_upcoming: ReadUpcoming


@dataclass(frozen=True)
class RoomPageSettings:
    """What the room's page is told."""

    max_video_streams: int
    """Receive-only video m-lines it may offer."""
    allows_unencrypted: bool
    """Whether browsers without end-to-end encryption may enter kep rooms."""


class Pages:
    """Renders the pages."""

    def __init__(
        self, renderer: Renderer, rooms: RoomTable, home: HomeSettings, room_page: RoomPageSettings
    ) -> None:
        self._renderer = renderer
        self._rooms = rooms
        self._home = home
        self._room_page = room_page

    async def home(self, request: web.Request) -> web.Response:
        """Answer `/`."""
        rooms = [self._rooms.describe(room) for room in self._home.demo_rooms]
        listed = [_room_value(description) for description in rooms if description is not None]
        visitor = await self._home.visitor_of(request)
        values = {"rooms": listed, "upcoming": await self._home.read_upcoming(visitor)}
        return self._renderer.render(request, "home.html", values, visitor=visitor)

    async def room(self, request: web.Request) -> web.Response:
        """Answer `/rooms/{room}`: lobby and call."""
        description = self._rooms.describe(request.match_info["room"])
        if description is None or not self._rooms.is_listed(description.room):
            raise web.HTTPNotFound()  # a room with a door is entered through it
        is_demo = description.room in self._home.demo_rooms
        config = {
            "room": description.room,
            "room_class": description.room_class.value,
            "title": description.title,
            "socket_path": "/ws",
            "demo_tokens_path": "/api/v1/demo/tokens" if is_demo else None,
            "roles": [role.value for role in roles_of(description.room_class)] if is_demo else [],
            "max_video_streams": self._room_page.max_video_streams,
            "encryption": policy_of(
                description.room_class, self._room_page.allows_unencrypted
            ).value,
            "max_name": MAX_DISPLAY_NAME,
            "lang": language_of(request),
        }
        values = {"room": _room_value(description), "config": config}
        return self._renderer.render(request, "room.html", values)

    async def error(self, request: web.Request, status: int) -> web.Response:
        """Return a page that says no more than the status does, to who is signed in as such."""
        visitor = None if status >= 500 else await self._home.visitor_of(request)
        values = {"status": status}
        try:
            response = self._renderer.render(request, "error.html", values, visitor=visitor)
        except jinja2.TemplateError:
            response = web.Response(text=f"{status}\n")
        response.set_status(status)
        return response


def roles_of(room_class: RoomClass) -> list[Role]:
    """Return the roles that may enter rooms of the class."""
    return [role for each_class, role in INITIAL_GRANTS if each_class is room_class]


def _room_value(description: RoomDescription) -> dict[str, str]:
    return {
        "id": description.room,
        "room_class": description.room_class.value,
        "title": description.title,
        "path": f"/rooms/{description.room}",
    }
