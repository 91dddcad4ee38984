"""Who may come to the door of an appointment, and as what (R59, R60). Rights are of
`accounts/rights.py`; who was booked and who was invited is in the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from sfu.values import Role
from signaling.accounts.rights import Action, Actor, Target, may
from signaling.door.values import Window
from signaling.kep.states import OVER
from signaling.kep.values import AppointmentState
from signaling.live.entry import room_name
from signaling.storage.models import Appointment, AppointmentGuest, Person
from signaling.storage.models.base import ID_LENGTH

PREPARATION = timedelta(minutes=15)
"""The employee comes before the citizen."""
GRACE = timedelta(minutes=60)
"""After the end: calls run late, and who waits is not sent away."""


@dataclass(frozen=True)
class CallEntitlement:
    """That somebody may come to the door of an appointment."""

    appointment: Appointment
    """Detached."""
    role: Role
    person_id: str
    display_name: str
    window: Window

    @property
    def enters_at_once(self) -> bool:
        """The employee; who waits is taken in by them."""
        return self.role is Role.EMPLOYEE

    @property
    def is_over(self) -> bool:
        """Whether nothing can come of the appointment any more."""
        return AppointmentState(self.appointment.state) in OVER


async def find_appointment(session: AsyncSession, appointment_id: str) -> Appointment | None:
    """Return an appointment by its id, whatever was typed."""
    if len(appointment_id) != ID_LENGTH:
        return None
    return await session.get(Appointment, appointment_id)


def target_of(appointment: Appointment) -> Target:
    """Return an appointment as the table of rights sees it."""
    return Target(owner_id=appointment.person_id, kep_id=appointment.kep_id)


async def call_entitlement(
    session: AsyncSession, appointment: Appointment, person: Person, actor: Actor,
    open_before: timedelta,
) -> CallEntitlement | None:  # fmt: skip
    """Return as what a person may come to the door; None: not at all."""
    target = target_of(appointment)
    if may(actor, Action.JOIN_APPOINTMENT, target):
        role = Role.CITIZEN
    elif may(actor, Action.SERVE_APPOINTMENT, target):
        role = Role.EMPLOYEE
    elif await _is_guest(session, appointment, person):
        role = Role.INTERPRETER
    else:
        return None
    window = window_of(appointment, role, open_before)
    return CallEntitlement(appointment, role, person.id, room_name(person.full_name), window)


def window_of(appointment: Appointment, role: Role, open_before: timedelta) -> Window:
    """Return when a role may enter."""
    opens_at = appointment.starts_at - open_before
    closes_at = appointment.ends_at + GRACE
    if role is Role.EMPLOYEE:
        opens_at, closes_at = opens_at - PREPARATION, closes_at + GRACE
    return Window(opens_at.timestamp(), closes_at.timestamp())


async def _is_guest(session: AsyncSession, appointment: Appointment, person: Person) -> bool:
    """Whether the serving ΚΕΠ has invited the person, by account or by confirmed address (R60)."""
    is_theirs = AppointmentGuest.person_id == person.id
    if person.email:
        by_address = AppointmentGuest.person_id.is_(None) & (
            AppointmentGuest.email == person.email.lower()
        )
        is_theirs = or_(is_theirs, by_address)
    found = await session.scalar(
        select(AppointmentGuest.id)
        .where(
            AppointmentGuest.appointment_id == appointment.id,
            AppointmentGuest.revoked_at.is_(None),
            is_theirs,
        )
        .limit(1)
    )
    return found is not None
