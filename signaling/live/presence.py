"""Who was in the room of a sitting, when: events that are only ever added (R8, R30).

Hears the rooms, knows who stands behind a subject, and writes through `Records`. After a restart
what the database says and who is in the room are brought together again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from sfu import rpc_messages as rpc
from sfu.values import ParticipantInfo
from signaling.live.records import Records
from signaling.rooms import RoomTable
from signaling.storage.models import Invitation, PresenceEvent, Sitting
from signaling.tokens import room_scoped_subject


class PresenceKind(StrEnum):
    """What happened."""

    ENTERED = "entered"
    LEFT = "left"
    REFUSED = "refused"


@dataclass(frozen=True)
class Visit:
    """Who stands behind a subject."""

    person_id: str | None = None
    invitation_id: str | None = None


GUEST = Visit()


class Presence:
    """Implements `rooms.Observer`."""

    def __init__(self, rooms: RoomTable, records: Records, now: Callable[[], datetime]) -> None:
        self._rooms = rooms
        self._records = records
        self._now = now
        self._sittings: dict[str, str] = {}
        """Room → sitting, of rooms whose presence is kept."""
        self._visits: dict[str, dict[str, Visit]] = {}
        """Room → subject → who it is."""
        rooms.observe(self)

    def begin(self, room: str, sitting_id: str) -> None:
        """Keep the presence of a room from now on."""
        self._sittings[room] = sitting_id
        self._visits.setdefault(room, {})

    def end(self, room: str) -> None:
        """The room is gone."""
        self._sittings.pop(room, None)
        self._visits.pop(room, None)

    def note_visit(self, room: str, subject: str, visit: Visit) -> None:
        """Remember who a subject is."""
        self._visits[room][subject] = visit

    def visit(self, room: str, subject: str) -> Visit:
        """Return who stands behind a subject; nobody known: a guest."""
        return self._visits.get(room, {}).get(subject, GUEST)

    def handle_event(self, event: rpc.Event) -> None:
        """Note who comes and goes."""
        if event.room not in self._sittings:
            return
        if isinstance(event, rpc.ParticipantJoined):
            self._note(event.room, event.participant, event.subject, PresenceKind.ENTERED)
        elif isinstance(event, rpc.ParticipantLeft):
            subject = self._rooms.subject_of(event.room, event.participant) or ""
            info = self._rooms.last_info(event.room, event.participant)
            if info is not None:
                self._note(event.room, info, subject, PresenceKind.LEFT)
        elif isinstance(event, rpc.RoomClosed):
            entry = self._rooms.entry(event.room)
            for participant, info in entry.roster.items() if entry is not None else ():
                subject = self._rooms.subject_of(event.room, participant) or ""
                self._note(event.room, info, subject, PresenceKind.LEFT)

    def note_refused(self, room: str, name: str, role: str, subject: str) -> None:
        """Note that somebody was sent away."""
        self._put(room, self.visit(room, subject), name, role, PresenceKind.REFUSED)

    async def adopt(self, session: AsyncSession, sitting: Sitting) -> None:
        """Begin to keep the presence of a room that ran before, where it stands.

        Raises:
            StorageUnavailable: it is not kept.
        """
        room = sitting.room
        await self._records.flush()  # what was kept of the room before
        visits = await _known_visits(session, sitting)
        missing = await _open_intervals(session, sitting.id)
        # From here on nothing is awaited: nobody comes or goes between comparing and keeping.
        self.begin(room, sitting.id)
        for subject, visit in visits.items():
            self._visits[room].setdefault(subject, visit)
        entry = self._rooms.entry(room)
        for participant, info in entry.roster.items() if entry is not None else ():
            subject = self._rooms.subject_of(room, participant) or ""
            visit = self.visit(room, subject)
            interval = Interval(visit.person_id, visit.invitation_id, info.display_name, info.role)
            if missing[interval] > 0:
                missing[interval] -= 1
            else:
                self._note(room, info, subject, PresenceKind.ENTERED)
        for interval in missing.elements():
            visit = Visit(interval.person_id, interval.invitation_id)
            self._put(room, visit, interval.name, interval.role, PresenceKind.LEFT)

    def _note(self, room: str, info: ParticipantInfo, subject: str, kind: PresenceKind) -> None:
        self._put(room, self.visit(room, subject), info.display_name, info.role, kind)

    def _put(self, room: str, visit: Visit, name: str, role: str, kind: PresenceKind) -> None:
        sitting_id, at = self._sittings[room], self._now()

        async def write(session: AsyncSession) -> None:
            session.add(
                PresenceEvent(
                    sitting_id=sitting_id, invitation_id=visit.invitation_id,
                    person_id=visit.person_id, name=name, role=str(role), kind=kind.value, at=at,
                )
            )  # fmt: skip

        self._records.put(write)


@dataclass(frozen=True)
class Interval:
    """A presence that has begun and not ended."""

    person_id: str | None
    invitation_id: str | None
    name: str
    role: str


async def _known_visits(session: AsyncSession, sitting: Sitting) -> Mapping[str, Visit]:
    """Return who the subjects of a sitting's room are, as far as they have accounts."""
    present = await session.execute(
        select(PresenceEvent.person_id, PresenceEvent.invitation_id)
        .where(PresenceEvent.sitting_id == sitting.id, PresenceEvent.person_id.is_not(None))
        .distinct()
    )
    invited = await session.execute(
        select(Invitation.person_id, Invitation.id).where(
            Invitation.sitting_id == sitting.id, Invitation.person_id.is_not(None)
        )
    )
    return {
        room_scoped_subject(sitting.room, person_id): Visit(person_id, invitation_id)
        for person_id, invitation_id in [*invited, *present]
    }


async def _open_intervals(session: AsyncSession, sitting_id: str) -> Counter[Interval]:
    """Return who, says the database, is in the room."""
    found: Counter[Interval] = Counter()
    for event in await session.scalars(
        select(PresenceEvent)
        .where(PresenceEvent.sitting_id == sitting_id)
        .order_by(PresenceEvent.number)
    ):
        interval = Interval(event.person_id, event.invitation_id, event.name, event.role)
        if event.kind == PresenceKind.ENTERED:
            found[interval] += 1
        elif event.kind == PresenceKind.LEFT:
            found[interval] -= 1
    return +found
