"""The pages: home, room, error. Templates are in `web/templates`, Greek unless asked otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from aiohttp import web

from sfu.values import Role, RoomClass
from signaling.grants import INITIAL_GRANTS
from signaling.room_session import RoomDescription
from signaling.rooms import RoomTable
from signaling.tokens import MAX_DISPLAY_NAME

LANGUAGES = ("el", "en")
LANGUAGE_COOKIE = "lang"
LANGUAGE_COOKIE_AGE_S = 365 * 24 * 3600


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


class Pages:
    """Renders the pages."""

    def __init__(
        self, folders: WebFolders, rooms: RoomTable, demo_rooms: tuple[str, ...],
        max_video_streams: int,
    ) -> None:  # fmt: skip
        self._rooms = rooms
        self._demo_rooms = demo_rooms
        """Rooms the home page offers; empty without the demo entrance."""
        self._max_video_streams = max_video_streams
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(folders.templates),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            auto_reload=False,
        )

    async def home(self, request: web.Request) -> web.Response:
        """Answer `/`."""
        rooms = [self._rooms.describe(room) for room in self._demo_rooms]
        listed = [_room_value(description) for description in rooms if description is not None]
        return self._render(request, "home.html", {"rooms": listed})

    async def room(self, request: web.Request) -> web.Response:
        """Answer `/rooms/{room}`: lobby and call."""
        description = self._rooms.describe(request.match_info["room"])
        if description is None:
            raise web.HTTPNotFound()
        is_demo = description.room in self._demo_rooms
        config = {
            "room": description.room,
            "room_class": description.room_class.value,
            "title": description.title,
            "socket_path": "/ws",
            "demo_tokens_path": "/api/v1/demo/tokens" if is_demo else None,
            "roles": [role.value for role in roles_of(description.room_class)] if is_demo else [],
            "max_video_streams": self._max_video_streams,
            "max_name": MAX_DISPLAY_NAME,
            "lang": language_of(request),
        }
        values = {"room": _room_value(description), "config": config}
        return self._render(request, "room.html", values)

    def error(self, request: web.Request, status: int) -> web.Response:
        """Return a page that says no more than the status does."""
        try:
            response = self._render(request, "error.html", {"status": status})
        except jinja2.TemplateError:
            response = web.Response(text=f"{status}\n")
        response.set_status(status)
        return response

    def _render(self, request: web.Request, name: str, values: Mapping[str, Any]) -> web.Response:
        language = language_of(request)
        text = self._templates.get_template(name).render(
            lang=language, other_lang=other_language(language), path=request.path, **values
        )
        response = web.Response(text=text, content_type="text/html", charset="utf-8")
        if request.query.get("lang") == language:
            response.set_cookie(
                LANGUAGE_COOKIE, language, max_age=LANGUAGE_COOKIE_AGE_S, httponly=True,
                samesite="Lax", secure=request.secure,
            )  # fmt: skip
        return response


def roles_of(room_class: RoomClass) -> list[Role]:
    """Return the roles that may enter rooms of the class."""
    return [role for each_class, role in INITIAL_GRANTS if each_class is room_class]


def language_of(request: web.Request) -> str:
    """Return what `?lang=` or the cookie asks for; Greek first."""
    for asked in (request.query.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        if asked in LANGUAGES:
            return asked
    return LANGUAGES[0]


def other_language(language: str) -> str:
    """Return the language to switch to."""
    return LANGUAGES[1] if language == LANGUAGES[0] else LANGUAGES[0]


def _room_value(description: RoomDescription) -> dict[str, str]:
    return {
        "id": description.room,
        "room_class": description.room_class.value,
        "title": description.title,
        "path": f"/rooms/{description.room}",
    }
