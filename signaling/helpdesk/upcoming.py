"""What a person has before them: the next sittings and appointments, and whether to enter now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from sfu.values import Role
from signaling.accounts.visitor import Stage, Visitor
from signaling.kep.entry import window_of
from signaling.kep.records import list_own
from signaling.kep.states import OVER
from signaling.kep.values import AppointmentState
from signaling.scheduling.invitations import find_own, upcoming_of
from signaling.scheduling.sittings import times_of
from signaling.scheduling.windows import Entry, decide_entry
from signaling.storage.database import Database, StorageUnavailable
from signaling.storage.models import Person

MAX_SHOWN = 5


@dataclass(frozen=True)
class Upcoming:
    """One meeting on the home page."""

    kind: str
    """`sitting` or `appointment`."""
    title: str
    place: str
    starts_at: datetime
    path: str
    enter_path: str
    """Empty: the door is not open yet."""


class UpcomingReader:
    """Reads what comes next."""

    def __init__(
        self, database: Database, now: Callable[[], datetime], open_before: timedelta | None
    ) -> None:
        """`open_before`: how long before an appointment its door opens; None: there are none."""
        self._database = database
        self._now = now
        self._open_before = open_before

    async def read(self, visitor: object) -> Sequence[Upcoming]:
        """Return the next meetings of `visitor`, soonest first. Nothing while the database is away:
        the home page is also the way to rooms that need none."""
        if not isinstance(visitor, Visitor) or visitor.stage is not Stage.READY:
            return []
        assert visitor.person is not None, "invariant: who is ready is somebody"
        try:
            async with self._database.read() as session:
                found = [
                    *await self._sittings(session, visitor.person),
                    *await self._appointments(session, visitor.person),
                ]
        except StorageUnavailable:
            return []
        return sorted(found, key=lambda each: each.starts_at)[:MAX_SHOWN]

    async def _sittings(self, session: AsyncSession, person: Person) -> list[Upcoming]:
        now = self._now()
        found = []
        for sitting in await upcoming_of(session, person, now, MAX_SHOWN):
            invitation = await find_own(session, person, sitting.id)
            known = invitation is not None and invitation.role in set(Role)
            role = Role(invitation.role) if invitation is not None and known else Role.GUEST
            is_open = decide_entry(times_of(sitting), role, now) is Entry.OPEN
            path = f"/sittings/{sitting.id}"
            enter_path = f"{path}/enter" if is_open else ""
            found.append(
                Upcoming("sitting", sitting.title, "", sitting.starts_at, path, enter_path)
            )
        return found

    async def _appointments(self, session: AsyncSession, person: Person) -> list[Upcoming]:
        if self._open_before is None:
            return []
        now = self._now()
        found = []
        for row in await list_own(session, person.id, since=now):
            appointment = row.appointment
            if AppointmentState(appointment.state) in OVER:
                continue
            window = window_of(appointment, Role.CITIZEN, self._open_before)
            enters = window.opens_s <= now.timestamp() < window.closes_s
            found.append(
                Upcoming(
                    "appointment", row.service.name, row.kep.name, appointment.starts_at,
                    f"/kep/appointments/{appointment.id}",
                    f"/appointments/{appointment.id}/enter" if enters else "",
                )
            )  # fmt: skip
        return found
