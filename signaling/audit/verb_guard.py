"""Doors that do not exist for kep rooms, whatever routes the application has or will have.

Before any handler runs: an address that names a kep room and a verb of `recording_policy.rules` is
answered as an address that leads nowhere, and the attempt becomes an entry of the audit log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from recording_policy.rules import verb_of, verbs_of
from signaling.room_session import RoomDescription

Describe = Callable[[str], RoomDescription | None]
Refused = Callable[[str, str], None]
"""(room, verb)."""


def verb_guard(describe: Describe, refused: Refused) -> Middleware:
    """Return the middleware; it stands behind the one that renders errors."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        found = forbidden_verb(request.path.split("/"), describe)
        if found is not None:
            refused(*found)
            raise web.HTTPNotFound()
        return await handler(request)

    return middleware


def forbidden_verb(segments: Sequence[str], describe: Describe) -> tuple[str, str] | None:
    """Return (room, verb) if the parts of a path name a room and a verb that its class lacks."""
    asked = [(at, verb) for at, each in enumerate(segments) if (verb := verb_of(each)) is not None]
    if not asked:
        return None
    for place, segment in enumerate(segments):
        description = describe(segment)
        if description is None:
            continue
        for at, verb in asked:
            # A room may be called like a verb.
            if at != place and verb not in verbs_of(description.room_class):
                return description.room, verb.value
    return None
