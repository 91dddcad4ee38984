"""The desk of a ΚΕΠ's workstations and employees: who takes appointments when, and where (R64)."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.rights import Action
from signaling.accounts.texts import fold
from signaling.kep.availability import Shift
from signaling.kep.kep_pages import ADMINISTRATION, change_kep
from signaling.kep.parts import KepParts, check
from signaling.kep.plan_changes import find_kep
from signaling.kep.plan_forms import (
    Mistakes,
    parse_absence,
    parse_employee,
    parse_shift,
    parse_title,
    shifts_meet,
)
from signaling.kep.states import WrongState
from signaling.storage.models import (
    Appointment,
    Kep,
    KepAbsence,
    KepEmployee,
    KepShift,
    KepWorkstation,
    Person,
)

Form = Mapping[str, str]


class StaffPages:
    """Answers `/administration/kep/keps/{id}/workstations…`, `…/employees…`, `…/shifts…` and
    `…/appointments…`."""

    def __init__(self, parts: KepParts) -> None:
        self._parts = parts

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        kep = ADMINISTRATION + "/keps/{id}"
        app.router.add_post(kep + "/workstations", self.add_workstation)
        app.router.add_post(kep + "/workstations/{workstation}", self.change_workstation)
        app.router.add_post(kep + "/employees", self.add_employee)
        app.router.add_post(kep + "/employees/{employee}", self.change_employee)
        app.router.add_post(kep + "/employees/{employee}/absences", self.add_absence)
        app.router.add_post(kep + "/absences/{absence}/remove", self.remove_absence)
        app.router.add_post(kep + "/shifts", self.add_shift)
        app.router.add_post(kep + "/shifts/{shift}/remove", self.remove_shift)
        app.router.add_post(kep + "/appointments/{appointment}/cancel", self.cancel_appointment)

    async def add_workstation(self, request: web.Request) -> web.Response:
        """Add a workstation."""

        async def work(session: AsyncSession, form: Form) -> str:
            kep, name = await find_kep(session, request), parse_title(form, "workstation_name")
            where = KepWorkstation.kep_id == kep.id, KepWorkstation.name_key == fold(name)
            if await session.scalar(select(KepWorkstation.id).where(*where)):
                raise Mistakes(workstation_name="name_taken")
            session.add(KepWorkstation(kep_id=kep.id, name=name, name_key=fold(name)))
            return kep.id

        return await change_kep(self._parts, request, work)

    async def change_workstation(self, request: web.Request) -> web.Response:
        """Take a workstation out of service, or put it back."""

        async def work(session: AsyncSession, form: Form) -> str:
            kep = await find_kep(session, request)
            row = await session.get(KepWorkstation, request.match_info["workstation"])
            if row is None or row.kep_id != kep.id:
                raise web.HTTPNotFound()
            row.is_active = form.get("set") == "open"
            return kep.id

        return await change_kep(self._parts, request, work)

    async def add_employee(self, request: web.Request) -> web.Response:
        """Add an employee, or take one back. Who has the address confirmed is linked at once."""

        async def work(session: AsyncSession, form: Form) -> str:
            kep = await find_kep(session, request)
            name, email = parse_employee(form)
            row = await session.scalar(
                select(KepEmployee).where(KepEmployee.kep_id == kep.id, KepEmployee.email == email)
            )
            if row is None:
                people = list(await session.scalars(select(Person.id).where(Person.email == email)))
                person_id = people[0] if len(people) == 1 else None
                row = KepEmployee(kep_id=kep.id, email=email, person_id=person_id)
                session.add(row)
            elif row.is_active:
                raise Mistakes(employee_email="name_taken")
            row.name, row.is_active = name, True
            return kep.id

        return await change_kep(self._parts, request, work)

    async def change_employee(self, request: web.Request) -> web.Response:
        """Let an employee take no more appointments, or again."""

        async def work(session: AsyncSession, form: Form) -> str:
            kep, row = await self._employee(session, request)
            row.is_active = form.get("set") == "open"
            return kep.id

        return await change_kep(self._parts, request, work)

    async def add_absence(self, request: web.Request) -> web.Response:
        """Note days on which an employee is away."""

        async def work(session: AsyncSession, form: Form) -> str:
            kep, row = await self._employee(session, request)
            first, last = parse_absence(form)
            session.add(KepAbsence(employee_id=row.id, first_day=first, last_day=last))
            return kep.id

        return await change_kep(self._parts, request, work)

    async def remove_absence(self, request: web.Request) -> web.Response:
        """Forget an absence."""

        async def work(session: AsyncSession, form: Form) -> str:
            kep = await find_kep(session, request)
            row = await session.get(KepAbsence, request.match_info["absence"])
            await self._delete(session, kep, row)
            return kep.id

        return await change_kep(self._parts, request, work)

    async def add_shift(self, request: web.Request) -> web.Response:
        """Let an employee take appointments at a workstation, on some days of the week."""

        async def work(session: AsyncSession, form: Form) -> str:
            kep = await find_kep(session, request)
            typed = parse_shift(form, self._parts.today)
            employee = await session.get(KepEmployee, typed.employee_id)
            workstation = await session.get(KepWorkstation, typed.workstation_id)
            if employee is None or employee.kep_id != kep.id:
                raise Mistakes(employee_id="employee_missing")
            if workstation is None or workstation.kep_id != kep.id:
                raise Mistakes(workstation_id="workstation_missing")
            shifts = [
                Shift(employee.id, workstation.id, weekday, *typed.hours, typed.first_day,
                      typed.last_day)
                for weekday in typed.weekdays
            ]  # fmt: skip
            await _check_meeting(session, employee, shifts)
            session.add_all(_row(each) for each in shifts)
            return kep.id

        return await change_kep(self._parts, request, work)

    async def remove_shift(self, request: web.Request) -> web.Response:
        """End a shift."""

        async def work(session: AsyncSession, form: Form) -> str:
            kep = await find_kep(session, request)
            await self._delete(
                session, kep, await session.get(KepShift, request.match_info["shift"])
            )
            return kep.id

        return await change_kep(self._parts, request, work)

    async def cancel_appointment(self, request: web.Request) -> web.Response:
        """Cancel an appointment for the ΚΕΠ; the citizen is told by mail."""
        accounts = self._parts.accounts
        visitor, _ = await accounts.visitors.read_form(request)
        check(visitor, Action.MANAGE_KEPS)
        accounts.take_turn(visitor)
        async with accounts.database.read() as session:
            kep = await find_kep(session, request)
            appointment = await session.get(Appointment, request.match_info["appointment"])
            if appointment is None or appointment.kep_id != kep.id:
                raise web.HTTPNotFound()
        done = "changed"
        try:
            await self._parts.booking.cancel(appointment.id, visitor.actor.person_id)
        except WrongState:
            done = "not_cancelled"
        raise web.HTTPSeeOther(f"{ADMINISTRATION}/keps/{kep.id}?done={done}")

    async def _employee(
        self, session: AsyncSession, request: web.Request
    ) -> tuple[Kep, KepEmployee]:
        kep = await find_kep(session, request)
        row = await session.get(KepEmployee, request.match_info["employee"])
        if row is None or row.kep_id != kep.id:
            raise web.HTTPNotFound()
        return kep, row

    async def _delete(
        self, session: AsyncSession, kep: Kep, row: KepShift | KepAbsence | None
    ) -> None:
        employee = await session.get(KepEmployee, row.employee_id) if row is not None else None
        if employee is None or employee.kep_id != kep.id:
            raise web.HTTPNotFound()
        await session.delete(row)


async def _check_meeting(session: AsyncSession, employee: KepEmployee, shifts: list[Shift]) -> None:
    """Refuse a shift at the time of another one of the same employee."""
    rows = await session.scalars(select(KepShift).where(KepShift.employee_id == employee.id))
    existing = [
        Shift(row.employee_id, row.workstation_id, row.weekday, row.starts_min, row.ends_min,
              row.first_day, row.last_day)
        for row in rows
    ]  # fmt: skip
    if any(shifts_meet(one, other) for one in shifts for other in existing):
        raise Mistakes(starts="shift_meets")


def _row(shift: Shift) -> KepShift:
    return KepShift(
        employee_id=shift.employee_id, workstation_id=shift.workstation_id, weekday=shift.weekday,
        starts_min=shift.starts_min, ends_min=shift.ends_min, first_day=shift.first_day,
        last_day=shift.last_day,
    )  # fmt: skip
