"""Finding appointments: a citizen's own, those of a link, those of a ΚΕΠ on a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlalchemy import bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.rendering import ATHENS
from signaling.storage.models import (
    Appointment,
    AppointmentGuest,
    Kep,
    KepEmployee,
    KepService,
    KepWorkstation,
    Person,
)
from signaling.vault import token_hash

MAX_LISTED = 50
"""LIMIT: appointments in one citizen's list, newest first."""
MAX_LISTED_A_DAY = 500
"""LIMIT: appointments of one ΚΕΠ on one day."""
MAX_TOKEN_LENGTH = 64


@dataclass(frozen=True)
class Listed:
    """An appointment with the names that people read."""

    appointment: Appointment
    kep: Kep
    service: KepService


@dataclass(frozen=True)
class DayRow:
    """An appointment in the list of a ΚΕΠ."""

    appointment: Appointment
    service: KepService
    employee: KepEmployee
    workstation: KepWorkstation


@dataclass(frozen=True)
class Linked:
    """What a mailed link leads to."""

    appointment: Appointment
    guest: AppointmentGuest | None
    """The third person whose link it is; None: the citizen's."""


async def list_own(
    session: AsyncSession, person_id: str, *, since: datetime | None = None
) -> Sequence[Listed]:
    """Return a citizen's appointments that end after `since`, the next one first; without `since`
    all, the newest first."""
    query = _OWN if since is None else _OWN_SINCE
    rows = await session.execute(query, {"person_id": person_id, "since": since})
    return [Listed(*row) for row in rows]


async def list_day(
    session: AsyncSession, kep_id: str, day: date, *, employee_id: str | None = None,
    until: datetime | None = None,
) -> Sequence[DayRow]:  # fmt: skip
    """Return the appointments of a ΚΕΠ, or of one of its employees, on a day in Athens; with `until`
    also later ones that begin before it."""
    begins, ends = day_bounds(day)
    ends = max(ends, until or ends)
    query = (
        select(Appointment, KepService, KepEmployee, KepWorkstation)
        .join(KepService, KepService.id == Appointment.service_id)
        .join(KepEmployee, KepEmployee.id == Appointment.employee_id)
        .join(KepWorkstation, KepWorkstation.id == Appointment.workstation_id)
        .where(
            Appointment.kep_id == kep_id,
            Appointment.starts_at >= begins,
            Appointment.starts_at < ends,
        )
        .order_by(Appointment.starts_at, KepEmployee.name, Appointment.id)
        .limit(MAX_LISTED_A_DAY)
    )
    if employee_id is not None:
        query = query.where(Appointment.employee_id == employee_id)
    return [DayRow(*row) for row in await session.execute(query)]


async def find_by_link(session: AsyncSession, token: str) -> Linked | None:
    """Return what the secret of a link leads to. It admits nobody: ask `is_guest` or the rights."""
    if len(token) > MAX_TOKEN_LENGTH:
        return None
    hashed = token_hash(token)
    appointment: Appointment | None = await session.scalar(
        select(Appointment).where(Appointment.token_hash == hashed)
    )
    if appointment is not None:
        return Linked(appointment, None)
    guest: AppointmentGuest | None = await session.scalar(
        select(AppointmentGuest).where(
            AppointmentGuest.token_hash == hashed, AppointmentGuest.revoked_at.is_(None)
        )
    )
    if guest is None:
        return None
    return Linked(await session.get_one(Appointment, guest.appointment_id), guest)


async def list_guests(session: AsyncSession, appointment_id: str) -> Sequence[AppointmentGuest]:
    """Return the third persons that are invited."""
    rows = await session.scalars(
        select(AppointmentGuest)
        .where(
            AppointmentGuest.appointment_id == appointment_id,
            AppointmentGuest.revoked_at.is_(None),
        )
        .order_by(AppointmentGuest.invited_at)
    )
    return list(rows)


async def find_successor(session: AsyncSession, appointment_id: str) -> Appointment | None:
    """Return the appointment that took the place of a rescheduled one."""
    found: Appointment | None = await session.scalar(
        select(Appointment).where(Appointment.replaces_id == appointment_id)
    )
    return found


async def employee_of(session: AsyncSession, person: Person, kep_id: str) -> KepEmployee | None:
    """Return as which employee of the ΚΕΠ a person works."""
    found: KepEmployee | None = await session.scalar(
        select(KepEmployee).where(
            KepEmployee.kep_id == kep_id,
            KepEmployee.is_active,
            (KepEmployee.person_id == person.id)
            | (
                KepEmployee.person_id.is_(None)
                & (KepEmployee.email == func.lower(person.email or ""))
            ),
        )
    )
    return found


def is_guest(guest: AppointmentGuest, person: Person) -> bool:
    """Return whether a third person's link is for this person."""
    if guest.person_id is not None:
        return guest.person_id == person.id
    return person.email is not None and guest.email == person.email.lower()


def day_bounds(day: date) -> tuple[datetime, datetime]:
    """Return when a day in Athens begins, and the next one."""
    begins = datetime.combine(day, time(), ATHENS)
    return begins, datetime.combine(day + timedelta(days=1), time(), ATHENS)


_OWN_OF_PERSON = (
    select(Appointment, Kep, KepService)
    .join(Kep, Kep.id == Appointment.kep_id)
    .join(KepService, KepService.id == Appointment.service_id)
    .where(Appointment.person_id == bindparam("person_id"))
    .limit(MAX_LISTED)
)
_OWN = _OWN_OF_PERSON.order_by(Appointment.starts_at.desc(), Appointment.id)
_OWN_SINCE = _OWN_OF_PERSON.where(Appointment.ends_at > bindparam("since")).order_by(
    Appointment.starts_at
)
