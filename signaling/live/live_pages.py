"""The coordinator's live view of a sitting (R8): who is in, who waits, how each connection does.

A page that works without scripts; `live.js` asks for its inner part again every few seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from aiohttp import web
from sqlalchemy import select

from sfu.values import TrackSource
from signaling.accounts.parts import PageParts
from signaling.accounts.rights import Action
from signaling.door.doors import Doors
from signaling.door.values import KnockState
from signaling.live.presence import PresenceKind
from signaling.rooms import RoomTable
from signaling.scheduling.desk_parts import find_sitting
from signaling.storage.models import PresenceEvent, Sitting

MAX_EVENTS = 20
"""The latest comings and goings shown."""


@dataclass(frozen=True)
class LivePerson:
    """Somebody in the room."""

    name: str
    role: str
    is_connected: bool
    has_microphone: bool
    has_camera: bool
    score: int | None
    """5 excellent … 1 bad, 0 lost; None: not known."""
    round_trip_ms: int | None
    loss_percent: float


@dataclass(frozen=True)
class LiveKnock:
    """Somebody who waits."""

    name: str
    role: str
    is_known: bool
    is_connected: bool
    knocked_at: datetime


@dataclass(frozen=True)
class LiveView:
    """What the page shows."""

    path: str
    at: datetime
    people: list[LivePerson]
    knocks: list[LiveKnock]
    events: list[PresenceEvent]


class LivePages:
    """Answers `/desk/sittings/{id}/live`."""

    def __init__(self, parts: PageParts, rooms: RoomTable, doors: Doors) -> None:
        self._parts = parts
        self._rooms = rooms
        self._doors = doors

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        app.router.add_get("/desk/sittings/{id}/live", self.show)

    async def show(self, request: web.Request) -> web.Response:
        """Show the page; with `?part=1` what is inside of it."""
        accounts = self._parts.accounts
        visitor = await accounts.visitors.require(request)
        async with accounts.database.read() as session:
            sitting = await find_sitting(
                session, request.match_info["id"], visitor, Action.SUPERVISE_SITTING
            )
            events = await session.scalars(
                select(PresenceEvent)
                .where(PresenceEvent.sitting_id == sitting.id)
                .order_by(PresenceEvent.number.desc())
                .limit(MAX_EVENTS)
            )
            live = self._live(sitting, list(events))
        name = "sitting_live_part.html" if "part" in request.query else "sitting_live_page.html"
        return self._parts.page(
            request, name, visitor, sitting=sitting, live=live, kinds=list(PresenceKind)
        )

    def _live(self, sitting: Sitting, events: list[PresenceEvent]) -> LiveView:
        entry = self._rooms.entry(sitting.room)
        people = []
        for participant, info in entry.roster.items() if entry is not None else ():
            quality = entry.quality.get(participant) if entry is not None else None
            sends = {each.source for each in info.tracks if not each.is_muted | each.is_blocked}
            people.append(
                LivePerson(
                    info.display_name, info.role, info.is_connected,
                    TrackSource.MICROPHONE in sends, TrackSource.CAMERA in sends,
                    None if quality is None else quality.score,
                    None if quality is None else quality.round_trip_ms,
                    0.0 if quality is None
                    else max(quality.loss_in_percent, quality.loss_out_percent),
                )
            )  # fmt: skip
        now = self._parts.accounts.now()
        knocks = [
            LiveKnock(
                each.caller.display_name, each.caller.role, each.caller.is_known,
                each.state is KnockState.WAITING,
                now.fromtimestamp(each.knocked_at.wall_s, now.tzinfo),
            )
            for each in self._doors.waiting(sitting.room)
        ]  # fmt: skip
        return LiveView(f"/desk/sittings/{sitting.id}/live", now, people, knocks, events)
