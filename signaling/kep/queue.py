"""What a waiting citizen is told: place, the employee's state, expected delay, a line, a telephone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec
from sqlalchemy import select

from signaling.kep.states import OVER
from signaling.kep.values import AppointmentState
from signaling.storage.database import Database
from signaling.storage.models import Appointment, Kep

SEEN_FOR = timedelta(minutes=2)
"""An employee whose desk has not asked for so long is away."""
MISSED_AFTER = timedelta(minutes=30)
"""An earlier appointment whose citizen has not come is not waited for longer."""
MAX_MESSAGE = 200
MAX_REMEMBERED = 10_000
"""LIMIT: employees whose line and presence are remembered."""
IN_CALL = frozenset({AppointmentState.IDENTIFYING, AppointmentState.SERVING})


class EmployeeState(StrEnum):
    """What the employee does."""

    AWAY = "away"
    READY = "ready"
    IN_CALL = "in_call"


class QueueState(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands for one who waits."""

    place: int
    """1 is next."""
    employee: EmployeeState
    delay_minutes: int
    """Expected, behind the appointed time."""
    message: str
    """A line that the employee wrote; volatile."""
    phone: str
    """Of the ΚΕΠ, for when the call does not come about."""


class Queue:
    """Knows who is before whom. Lines and presence are in memory only."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self._messages: dict[str, str] = {}
        self._seen: dict[str, datetime] = {}

    def note_seen(self, employee_id: str) -> None:
        """The employee's desk is open."""
        self._seen.pop(employee_id, None)
        self._seen[employee_id] = self._now()
        if len(self._seen) > MAX_REMEMBERED:
            del self._seen[next(iter(self._seen))]

    def set_message(self, employee_id: str, text: str) -> None:
        """Show a line to those who wait for the employee; empty: none."""
        self._messages.pop(employee_id, None)
        if text:
            self._messages[employee_id] = text[:MAX_MESSAGE]
            if len(self._messages) > MAX_REMEMBERED:
                del self._messages[next(iter(self._messages))]

    def message_of(self, employee_id: str) -> str:
        """Return the line."""
        return self._messages.get(employee_id, "")

    async def state_of(self, appointment: Appointment) -> QueueState:
        """Return how it stands.

        Raises:
            StorageUnavailable: it cannot be known now.
        """
        async with self._database.read() as session:
            before = list(
                await session.scalars(
                    select(Appointment)
                    .where(
                        Appointment.employee_id == appointment.employee_id,
                        Appointment.starts_at < appointment.starts_at,
                        Appointment.starts_at > appointment.starts_at - timedelta(hours=12),
                        Appointment.state.not_in([each.value for each in OVER]),
                    )
                    .order_by(Appointment.starts_at)
                )
            )
            kep = await session.get_one(Kep, appointment.kep_id)
        now = self._now()
        ahead = [each for each in before if _is_ahead(each, now)]
        is_in_call = any(AppointmentState(each.state) in IN_CALL for each in ahead)
        seen = self._seen.get(appointment.employee_id)
        is_there = seen is not None and now - seen <= SEEN_FOR
        employee = EmployeeState.READY if is_there else EmployeeState.AWAY
        return QueueState(
            place=len(ahead) + 1,
            employee=EmployeeState.IN_CALL if is_in_call else employee,
            delay_minutes=expected_delay_minutes(ahead, appointment.starts_at, now),
            message=self.message_of(appointment.employee_id),
            phone=kep.phone,
        )


def expected_delay_minutes(ahead: Sequence[Appointment], starts_at: datetime, now: datetime) -> int:
    """Return how late an appointment is expected to begin: those ahead, one after the other, each
    as long as it was booked for; a running one is over when it was to be, at the earliest now."""
    free_at = now
    for each in ahead:
        begins = max(free_at, each.starts_at)
        is_running = AppointmentState(each.state) in IN_CALL
        free_at = max(now, each.ends_at) if is_running else begins + (each.ends_at - each.starts_at)
    return max(0, round((max(free_at, now) - starts_at).total_seconds() / 60))


def _is_ahead(appointment: Appointment, now: datetime) -> bool:
    """Whether the employee will still be busy with an earlier appointment."""
    state = AppointmentState(appointment.state)
    if state in IN_CALL or state is AppointmentState.WAITING:
        return True
    return state is AppointmentState.BOOKED and now < appointment.starts_at + MISSED_AFTER
