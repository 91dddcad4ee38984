"""What the page of one ΚΕΠ shows, and which appointments no longer fit its plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.kep.config import STEP_MIN
from signaling.kep.day_steps import bits, day_of, midnight_step, step_of
from signaling.kep.parts import KepParts
from signaling.kep.plans import KepFacts, Plans
from signaling.kep.values import AppointmentState
from signaling.storage.models import (
    Appointment,
    Kep,
    KepAbsence,
    KepEmployee,
    KepHours,
    KepShift,
    KepSpecialDay,
    KepWorkstation,
    Municipality,
)


@dataclass(frozen=True)
class KepView:
    """One ΚΕΠ with all that belongs to it."""

    municipalities: Sequence[Municipality]
    hours: Mapping[int, KepHours]
    days: Sequence[KepSpecialDay]
    workstations: Sequence[KepWorkstation]
    employees: Sequence[KepEmployee]
    shifts: Mapping[str, Sequence[KepShift]]
    """By employee."""
    absences: Mapping[str, Sequence[KepAbsence]]
    misfits: Sequence[Appointment]
    """Booked for times at which nobody is there any more."""

    def workstation_name(self, workstation_id: str) -> str:
        """Return what a workstation is called."""
        return next((each.name for each in self.workstations if each.id == workstation_id), "")

    def employee_name(self, employee_id: str) -> str:
        """Return who an employee is."""
        return next((each.name for each in self.employees if each.id == employee_id), "")


async def read_kep_view(session: AsyncSession, parts: KepParts, kep: Kep) -> KepView:
    """Return everything about one ΚΕΠ."""
    employees = list(
        await session.scalars(
            select(KepEmployee).where(KepEmployee.kep_id == kep.id).order_by(KepEmployee.name)
        )
    )
    ids = [each.id for each in employees]
    shifts: dict[str, list[KepShift]] = {each: [] for each in ids}
    for shift in await session.scalars(
        select(KepShift)
        .where(KepShift.employee_id.in_(ids))
        .order_by(KepShift.weekday, KepShift.starts_min, KepShift.id)
    ):
        shifts[shift.employee_id].append(shift)
    absences: dict[str, list[KepAbsence]] = {each: [] for each in ids}
    for absence in await session.scalars(
        select(KepAbsence)
        .where(KepAbsence.employee_id.in_(ids), KepAbsence.last_day >= parts.today)
        .order_by(KepAbsence.first_day)
    ):
        absences[absence.employee_id].append(absence)
    days = select(KepSpecialDay).where(
        KepSpecialDay.kep_id == kep.id, KepSpecialDay.day >= parts.today
    )
    return KepView(
        list(await session.scalars(select(Municipality).order_by(Municipality.name_key))),
        {each.weekday: each for each in await _of(session, KepHours, kep)},
        list(await session.scalars(days.order_by(KepSpecialDay.day))),
        await _of(session, KepWorkstation, kep),
        employees, shifts, absences, await list_misfits(session, parts, kep.id),
    )  # fmt: skip


async def list_misfits(
    session: AsyncSession, parts: KepParts, kep_id: str
) -> Sequence[Appointment]:
    """Return the appointments ahead that lie outside the shifts or hours of now."""
    plans = await parts.plans.get(session)
    rows = await session.scalars(
        select(Appointment)
        .where(
            Appointment.kep_id == kep_id,
            Appointment.state == AppointmentState.BOOKED,
            Appointment.starts_at > parts.accounts.now(),
        )
        .order_by(Appointment.starts_at)
    )
    kep = plans.keps.get(kep_id)
    return [each for each in rows if kep is None or not _fits(plans, kep, each)]


def _fits(plans: Plans, kep: KepFacts, appointment: Appointment) -> bool:
    step = step_of(appointment.starts_at)
    day = day_of(step)
    length = (appointment.ends_at - appointment.starts_at) // timedelta(minutes=STEP_MIN)
    wanted = bits(step - midnight_step(day), length)
    return any(
        each.employee_id == appointment.employee_id
        and each.workstation_id == appointment.workstation_id
        and wanted & ~each.mask == 0
        for each in plans.on(kep, day).windows
    )


async def _of(session: AsyncSession, table: type, kep: Kep) -> list:  # type: ignore[type-arg]
    return list(await session.scalars(select(table).where(table.kep_id == kep.id)))  # type: ignore[attr-defined]
