"""The doors of appointments: who waits is the appointment's state, who is taken in begins the call.

Follows `live/sitting_rooms.py` and `live/sitting_door.py`: the domain opens a door when somebody
entitled comes, reads the database again every few seconds, and closes what is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from sfu import rpc_messages as rpc
from sfu.logs import Log
from sfu.values import Role, RoomClass
from signaling.audit.calls import CallAudit
from signaling.clock import Clock
from signaling.door.doors import Doors
from signaling.door.values import Caller, Outcome
from signaling.errors import ErrorCode, RequestError
from signaling.kep.call import Cause
from signaling.kep.call_records import CallRecords, sound_only_of
from signaling.kep.calls import KepCalls
from signaling.kep.entry import window_of
from signaling.kep.queue import IN_CALL
from signaling.kep.states import OVER, WrongState
from signaling.kep.values import AppointmentState
from signaling.live.records import Records
from signaling.room_session import RoomDescription
from signaling.rooms import RoomTable
from signaling.storage.database import RETRY_AFTER_S, ChangedMeanwhile, Database, StorageUnavailable
from signaling.storage.models import Appointment
from signaling.tokens import room_scoped_subject

log = Log(__name__)

REFRESH_S = 3.0
TAKEN_FOR_S = 120.0
"""How long a colleague is kept from taking what somebody has taken who is not in the room yet."""
ROOM_TITLE = "ΚΕΠ"
"""What people read above the call. Nothing that tells citizens apart."""


@dataclass(frozen=True)
class CallDoorParts:
    """What the doors of all appointments work with."""

    rooms: RoomTable
    doors: Doors
    calls: KepCalls
    database: Database
    call_records: CallRecords
    records: Records
    clock: Clock
    now: Callable[[], datetime]
    post: Callable[[rpc.Request], None]
    open_before: timedelta
    audit: CallAudit | None


class AppointmentJournal:
    """Implements `door.doors.DoorJournal` for one appointment."""

    def __init__(self, parts: CallDoorParts, appointment: Appointment) -> None:
        self._parts = parts
        self._id = appointment.id
        self._room = appointment.room
        self._people: dict[str, str] = {}
        """Subject → person."""

    def note_person(self, subject: str, person_id: str) -> None:
        """Remember who stands behind a subject."""
        self._people[subject] = person_id

    async def admit(self, callers: Sequence[Caller], by: str) -> Sequence[Caller]:
        """Begin the identification when the citizen is taken in; others may come while it runs, and
        so may the citizen after a lost connection.

        Raises:
            RequestError: it cannot be written down, so nobody enters.
        """
        parts = self._parts
        has_citizen = any(each.role is Role.CITIZEN for each in callers)
        try:
            async with parts.database.write() as session:
                appointment = await session.get_one(Appointment, self._id)
                begins = has_citizen and AppointmentState(appointment.state) not in IN_CALL
                if begins:
                    await self._begin(session, appointment, by)
        except (StorageUnavailable, ChangedMeanwhile):
            text = "it cannot be written down now"
            raise RequestError(ErrorCode.ROOM_UNAVAILABLE, text, RETRY_AFTER_S) from None
        except WrongState:
            raise RequestError(ErrorCode.NOT_ALLOWED, "the appointment is over") from None
        if begins:
            parts.calls.handle_phase(self._room, AppointmentState.IDENTIFYING)
            if parts.audit is not None:
                parts.audit.phase_changed(self._room, AppointmentState.IDENTIFYING.value, None)
        return callers

    async def _begin(self, session: AsyncSession, appointment: Appointment, by: str) -> None:
        parts, now = self._parts, self._parts.now()
        if appointment.state != AppointmentState.WAITING:
            await parts.call_records.note_waiting(session, appointment, True, now)
        person = self._people.get(by)
        if person is None:
            raise RequestError(ErrorCode.NOT_ALLOWED, "only the employee takes in")
        await parts.call_records.begin(session, appointment, person, now)

    def note_refused(self, caller: Caller, by: str) -> None:
        """An employee's refusal at the door is an entry of the call's audit."""

    def note_moved_back(self, subject: str, by: str) -> None:
        """As above; the phase stays: the citizen comes in again."""

    def note_queue(self, waiting: Sequence[Caller]) -> None:
        """Keep in the appointment whether the citizen waits."""
        is_waiting = any(each.role is Role.CITIZEN for each in waiting)

        async def write(session: AsyncSession) -> None:
            appointment = await session.get_one(Appointment, self._id)
            state = AppointmentState(appointment.state)
            may_wait = state in (AppointmentState.BOOKED, AppointmentState.ABSENT)
            if (is_waiting and may_wait) or (not is_waiting and state is AppointmentState.WAITING):
                now = self._parts.now()
                await self._parts.call_records.note_waiting(session, appointment, is_waiting, now)

        self._parts.records.put(write)


@dataclass
class OpenAppointment:
    """One that has a door."""

    appointment_id: str
    journal: AppointmentJournal
    is_closing: bool = False
    takes_in: str = ""
    """Subject of the employee who wants the citizen as soon as they are in the room themselves."""
    taken_s: float = 0.0
    """When they said so, on the monotonic clock."""


class CallRooms:
    """`run` must be running in a task of the owner."""

    def __init__(self, parts: CallDoorParts) -> None:
        self._parts = parts
        self._open: dict[str, OpenAppointment] = {}
        """By room."""
        self._taking: set[asyncio.Task[None]] = set()
        parts.rooms.observe(self)

    async def ensure(self, appointment: Appointment) -> AppointmentJournal:
        """Let the appointment have a door, if it has none; take over a room that ran before us.

        Raises:
            StorageUnavailable: it has none, and what is known of its call cannot be read.
        """
        if appointment.room not in self._open:
            async with self._parts.database.read() as session:
                causes = await sound_only_of(session, [appointment.id])
            self._ensure(appointment, causes.get(appointment.id))
        return self._open[appointment.room].journal

    def _ensure(self, appointment: Appointment, noted: Cause | None) -> None:
        if appointment.room in self._open:
            return
        journal = AppointmentJournal(self._parts, appointment)
        self._open[appointment.room] = OpenAppointment(appointment.id, journal)
        description = RoomDescription(appointment.room, RoomClass.KEP, ROOM_TITLE)
        self._parts.doors.open(description, journal)
        self._parts.calls.begin(appointment, noted)

    async def run(self) -> None:
        """Read and close, for ever."""
        while True:
            try:
                await self.refresh()
            except StorageUnavailable:
                log.warning("appointments cannot be read; running calls go on")
            except Exception:  # task root: other calls must go on to be watched
                log.exception("the rooms of appointments cannot be refreshed")
            await asyncio.sleep(REFRESH_S)

    async def refresh(self) -> None:
        """Read the appointments of all rooms that have a door or run, and close what is over.

        Raises:
            StorageUnavailable: nothing was done.
        """
        rooms = {*self._open, *self._adopted()}
        if not rooms:
            return
        async with self._parts.database.read() as session:
            found = list(
                await session.scalars(select(Appointment).where(Appointment.room.in_(rooms)))
            )
            new = [each.id for each in found if each.room not in self._open]
            causes = await sound_only_of(session, new) if new else {}
        for appointment in found:
            self._ensure(appointment, causes.get(appointment.id))
            self._handle(appointment)

    async def take_in(self, appointment: Appointment, person_id: str) -> None:
        """The employee takes the next: who waits enters once the employee is in the room.

        Raises:
            WrongState: a colleague has taken it.
            StorageUnavailable: as `ensure`.
        """
        journal, room = await self.ensure(appointment), appointment.room
        subject = room_scoped_subject(room, person_id)
        opened, now_s = self._open[room], self._parts.clock().monotonic_s
        serving = self._employees_in(room)
        is_claimed = opened.takes_in not in ("", subject)
        if serving - {subject} or (is_claimed and now_s < opened.taken_s + TAKEN_FOR_S):
            raise WrongState("taken")
        journal.note_person(subject, person_id)
        opened.takes_in, opened.taken_s = subject, now_s
        if serving:
            self._take_in_now(room)

    def _employees_in(self, room: str) -> set[str]:
        """Return the subjects of the employees who are in the room."""
        entry = self._parts.rooms.entry(room)
        roster = {} if entry is None else entry.roster
        found = {
            self._parts.rooms.subject_of(room, participant)
            for participant, each in roster.items()
            if each.role is Role.EMPLOYEE
        }
        return {each for each in found if each is not None}

    def handle_event(self, event: rpc.Event) -> None:
        """Take in whom the employee who has just come wants."""
        opened = self._open.get(event.room)
        if opened is None or not isinstance(event, rpc.ParticipantJoined):
            return
        if event.participant.role is Role.EMPLOYEE and opened.takes_in:
            self._take_in_now(event.room)

    def _take_in_now(self, room: str) -> None:
        opened = self._open[room]
        by, opened.takes_in = opened.takes_in, ""

        async def take_in() -> None:
            try:
                await self._parts.doors.take_in(room, by)
            except RequestError as refusal:  # seen in the room's own list of who waits
                log.warning("nobody was taken in", code=refusal.code.value)

        task = asyncio.create_task(take_in(), name="take-in")
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)

    def close(self, room: str, reason: str) -> None:
        """The call is over: close the room, send away who waits."""
        opened = self._open.get(room)
        if opened is None:
            return
        if not opened.is_closing:
            opened.is_closing = True
            self._parts.doors.close(room, Outcome.ENDED)
        if self._parts.rooms.discard(room):
            self._parts.calls.end(room)
            del self._open[room]
            return
        self._parts.post(rpc.CloseRoom(room=room, reason=reason))

    def _handle(self, appointment: Appointment) -> None:
        parts = self._parts
        phase = AppointmentState(appointment.state)
        call = parts.calls.call_of(appointment.room)
        if call is not None and call.phase is not phase:
            parts.calls.handle_phase(appointment.room, phase)
        window = window_of(appointment, Role.EMPLOYEE, parts.open_before)
        if phase in OVER or window.is_over(parts.clock()):
            self.close(appointment.room, "ended" if phase in OVER else "time_over")
            return
        windows = {role: window_of(appointment, role, parts.open_before) for role in CALL_ROLES}
        parts.doors.handle_windows(appointment.room, windows)

    def _adopted(self) -> set[str]:
        """Return kep rooms that run and were open before this process began."""
        return {
            room
            for room, entry in self._parts.rooms.rooms.items()
            if not entry.is_listed
            and entry.description.room_class is RoomClass.KEP
            and room not in self._open
        }


CALL_ROLES = (Role.CITIZEN, Role.EMPLOYEE, Role.INTERPRETER)
