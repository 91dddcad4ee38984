"""The rooms and doors of sittings that run: opened when needed, warned, closed, adopted again.

What the database says is read again every few seconds; while it is away, what was read last holds.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import event, select
from sqlalchemy.ext.asyncio import AsyncSession

from sfu import rpc_messages as rpc
from sfu.logs import Log
from sfu.values import Role, RoomClass
from signaling.clock import Clock, Instant
from signaling.door.doors import Doors
from signaling.door.values import Outcome
from signaling.live.entry import window_of
from signaling.live.room_life import Close, LifeOutput, RoomLife, Warn
from signaling.live.sitting_door import DoorKeeping, SittingJournal
from signaling.messages import ClosingSoon
from signaling.room_session import RoomDescription
from signaling.rooms import RoomTable
from signaling.scheduling.sittings import SittingChange
from signaling.scheduling.values import SittingState
from signaling.storage.database import StorageUnavailable
from signaling.storage.models import Sitting

log = Log(__name__)

REFRESH_S = 3.0
"""How often the sittings of open rooms are read again."""
REASONS = {Outcome.TOO_LATE: "time_over", Outcome.ENDED: "ended", Outcome.CANCELLED: "cancelled"}
"""What `room_closed` says; pages translate it."""


@dataclass
class OpenSitting:
    """One that has a door, or whose room runs."""

    sitting_id: str
    life: RoomLife
    closing: str | None = None
    """Why it is being closed."""


class SittingRooms:
    """`run` must be running in a task of the owner."""

    def __init__(
        self, rooms: RoomTable, doors: Doors, keeping: DoorKeeping, clock: Clock,
        post: Callable[[rpc.Request], None],
    ) -> None:  # fmt: skip
        self._rooms = rooms
        self._doors = doors
        self._keeping = keeping
        self._clock = clock
        self._post = post
        self._open: dict[str, OpenSitting] = {}
        """By room."""
        self._opening = asyncio.Lock()
        self._is_stale = asyncio.Event()
        """A sitting was changed: what was read last does not hold."""

    async def ensure(self, sitting: Sitting) -> None:
        """Let the sitting have a door, if it has none; take over a room that ran before us.

        Raises:
            StorageUnavailable: it cannot be known who is in the room.
        """
        async with self._opening:
            if sitting.room in self._open:
                return
            async with self._keeping.database.read() as session:
                await self._keeping.presence.adopt(session, sitting)
            self._open_now(sitting)

    async def run(self) -> None:
        """Read, warn and close, for ever."""
        while True:
            try:
                await self.refresh()
            except StorageUnavailable:
                self.handle_timeout()
            except Exception:  # task root: other rooms must go on to be watched
                log.exception("the rooms of sittings cannot be refreshed")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s()):
                    await self._is_stale.wait()
            self._is_stale.clear()

    async def sitting_changed(
        self, session: AsyncSession, sitting: Sitting, change: SittingChange
    ) -> None:
        """Read again once the change is in the database (`SittingObserver`): a room whose sitting
        is ended or cancelled is closed at once."""
        del sitting, change
        event.listen(
            session.sync_session, "after_commit", lambda _: self._is_stale.set(), once=True
        )

    async def refresh(self) -> None:
        """Read the sittings of all rooms that run, and do what follows.

        Raises:
            StorageUnavailable: nothing was done.
        """
        rooms = {*self._open, *self._adopted()}
        if rooms:
            await self._read(rooms)
        self.handle_timeout()

    def handle_timeout(self) -> None:
        """Do what is due by the clock, and finish what is closing."""
        now = self._clock()
        for room, each in list(self._open.items()):
            if each.closing is None:
                self._apply(room, each.life.handle_timeout(now))
            else:
                self._finish(room)

    async def _read(self, rooms: Collection[str]) -> None:
        async with self._keeping.database.read() as session:
            found = list(await session.scalars(select(Sitting).where(Sitting.room.in_(rooms))))
        for sitting in found:
            await self.ensure(sitting)
            self._handle_sitting(sitting, self._clock())

    def _open_now(self, sitting: Sitting) -> None:
        now = self._clock()
        life = RoomLife(window_of(sitting, Role.MEMBER).closes_s, now)
        self._open[sitting.room] = OpenSitting(sitting.id, life)
        description = RoomDescription(sitting.room, RoomClass.COUNCIL, sitting.title)
        self._doors.open(description, SittingJournal(self._keeping, sitting.id, sitting.room))
        self._handle_sitting(sitting, now)

    def _handle_sitting(self, sitting: Sitting, now: Instant) -> None:
        opened = self._open.get(sitting.room)
        if opened is None:
            return
        window = window_of(sitting, Role.MEMBER)
        self._doors.handle_windows(sitting.room, {role: window_of(sitting, role) for role in Role})
        state = SittingState(sitting.state)
        self._apply(sitting.room, opened.life.handle_sitting(state, window.closes_s, now))

    def _apply(self, room: str, outputs: Sequence[LifeOutput]) -> None:
        for output in outputs:
            match output:
                case Warn(minutes, closes_s):
                    closes_at = Instant(0.0, closes_s).rfc3339()
                    if self._rooms.entry(room) is not None:
                        warning = ClosingSoon(minutes=minutes, closes_at=closes_at)
                        self._rooms.broadcast(room, warning)
                case Close(outcome):
                    self._open[room].closing = REASONS[outcome]
                    self._doors.close(room, outcome)
                    self._finish(room)

    def _finish(self, room: str) -> None:
        """Close the room at its worker, and forget it once nobody is there; asked again until so."""
        if self._rooms.discard(room):
            self._keeping.presence.end(room)
            del self._open[room]
            return
        reason = self._open[room].closing or ""
        self._post(rpc.CloseRoom(room=room, reason=reason))

    def _adopted(self) -> set[str]:
        """Return rooms that run and were open before this process began."""
        return {
            room
            for room, entry in self._rooms.rooms.items()
            if not entry.is_listed
            and entry.description.room_class is RoomClass.COUNCIL
            and room not in self._open
        }

    def _pause_s(self) -> float:
        now = self._clock()
        due = [each.life.next_timeout(now) for each in self._open.values()]
        waits = [each - now.wall_s for each in due if each is not None]
        return min(REFRESH_S, max(0.05, min(waits, default=REFRESH_S)))
