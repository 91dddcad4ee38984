"""Sittings that run, put together: pages, doors, rooms, presence, and the tasks behind them."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from signaling.accounts.parts import PageParts
from signaling.background import beside
from signaling.clock import Clock
from signaling.door.doors import Doors
from signaling.live.entry_pages import DoorParts, EntryPages, EntrySettings
from signaling.live.live_pages import LivePages
from signaling.live.presence import Presence
from signaling.live.records import Records
from signaling.live.sitting_door import DoorKeeping
from signaling.live.sitting_rooms import SittingRooms
from signaling.worker_link import RoomDirectory


@dataclass(frozen=True)
class LiveParts:
    """What it works with."""

    directory: RoomDirectory
    doors: Doors
    clock: Clock
    settings: EntrySettings


class LiveService:
    """Sittings that run, as the application sees them."""

    def __init__(self, pages: PageParts, parts: LiveParts) -> None:
        accounts = pages.accounts
        rooms = parts.directory.rooms
        self.records = Records(accounts.database, accounts.now)
        self.presence = Presence(rooms, self.records, accounts.now)
        keeping = DoorKeeping(
            accounts.database, accounts.trail, self.presence, self.records, accounts.now
        )
        self.rooms = SittingRooms(rooms, parts.doors, keeping, parts.clock, parts.directory.post)
        door = DoorParts(parts.doors, self.rooms, self.presence)
        self._entry = EntryPages(pages, door, parts.settings)
        self._live = LivePages(pages, rooms, parts.doors)

    def add_routes(self, app: web.Application) -> None:
        """Add all pages, and the tasks that run beside them."""
        self._entry.add_routes(app)
        self._live.add_routes(app)
        app.cleanup_ctx.append(beside(self.rooms.run, "sitting-rooms"))
        self.records.add_to(app)
