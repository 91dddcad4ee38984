"""The employee's desk: the day, who waits since when, the next one in one click, the outcome (R86)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.rights import AccountRole, Action
from signaling.accounts.texts import clean_line
from signaling.accounts.visitor import Visitor
from signaling.kep.call_pages import CallParts
from signaling.kep.entry import find_appointment, target_of
from signaling.kep.outcome import BadForm, CallResult, NextStep, parse_outcome
from signaling.kep.parts import KepParts, check
from signaling.kep.records import DayRow, employee_of, list_day
from signaling.kep.states import WrongState
from signaling.kep.values import AppointmentState, Theme, ways_of_delivery
from signaling.storage.models import Appointment, Kep, KepCallRecord, KepEmployee, Person

TAKEABLE = frozenset(
    {AppointmentState.BOOKED, AppointmentState.WAITING, AppointmentState.ABSENT,
     AppointmentState.IDENTIFYING, AppointmentState.SERVING}
)  # fmt: skip
"""States from which the employee can enter the call."""
NOTHING_WRONG: Mapping[str, str] = {}


class KepDeskPages:
    """Answers `/kep/desk` and `/kep/desk/appointments/{id}/…`."""

    def __init__(self, parts: KepParts, call: CallParts) -> None:
        self._parts = parts
        self._accounts = parts.accounts
        self._call = call

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        app.router.add_get("/kep/desk", self.day)
        app.router.add_post("/kep/desk/message", self.set_message)
        one = "/kep/desk/appointments/{id}"
        app.router.add_post(one + "/take", self.take)
        app.router.add_post(one + "/absent", self.note_absent)
        app.router.add_get(one + "/outcome", self.outcome)
        app.router.add_post(one + "/outcome", self.conclude)
        app.router.add_get(one + "/form", self.form)

    async def day(self, request: web.Request) -> web.Response:
        """Show today's appointments: one's own, and those of the colleagues; `?part`: only them."""
        return await self._day_page(request, await self._accounts.visitors.require(request))

    async def _day_page(
        self, request: web.Request, visitor: Visitor, *, refused: str = ""
    ) -> web.Response:
        """`refused`: why what was asked for was not done, a key of the templates' texts."""
        async with self._accounts.database.read() as session:
            kep, employee = await self._place(session, visitor)
            # Shortly before midnight who is due after it waits already.
            opens_before = timedelta(minutes=self._parts.config.open_before_minutes)
            until = self._accounts.now() + opens_before
            rows = await list_day(session, kep.id, self._parts.today, until=until)
            waiting = {
                row.appointment.id: await session.get(KepCallRecord, row.appointment.id)
                for row in rows
                if row.appointment.state == AppointmentState.WAITING
            }
        if employee is not None:
            self._call.queue.note_seen(employee.id)
        own = [row for row in rows if employee is not None and row.employee.id == employee.id]
        name = "kep_desk_part.html" if "part" in request.query else "kep_desk.html"
        return self._parts.pages.page(
            request, name, visitor, status=409 if refused else 200, refused=refused, kep=kep,
            own=[self._shown(row) for row in own],
            others=[self._shown(row) for row in rows if row not in own],
            next_id=_next_of(own), waiting=waiting, now=self._accounts.now(),
            message=self._call.queue.message_of(employee.id) if employee is not None else "",
            takeable=TAKEABLE,
        )  # fmt: skip

    async def set_message(self, request: web.Request) -> web.Response:
        """Show a line to those who wait."""
        visitor, form = await self._accounts.visitors.read_form(request)
        self._accounts.take_turn(visitor)
        async with self._accounts.database.read() as session:
            _, employee = await self._place(session, visitor)
        if employee is None:
            raise web.HTTPNotFound()
        self._call.queue.set_message(employee.id, clean_line(form.get("message", "")))
        raise web.HTTPSeeOther("/kep/desk")

    async def take(self, request: web.Request) -> web.Response:
        """Take the citizen: into the call, and who waits comes in as soon as we are there."""
        visitor, _ = await self._accounts.visitors.read_form(request)
        appointment = await self._find(request, visitor)
        if AppointmentState(appointment.state) not in TAKEABLE:
            return await self._day_page(request, visitor, refused="desk_moved_on")
        try:
            await self._call.rooms.take_in(appointment, visitor.actor.person_id)
        except WrongState:
            return await self._day_page(request, visitor, refused="desk_taken")
        raise web.HTTPSeeOther(f"/appointments/{appointment.id}/enter#taken")

    async def note_absent(self, request: web.Request) -> web.Response:
        """The citizen has not come."""
        visitor, _ = await self._accounts.visitors.read_form(request)
        self._accounts.take_turn(visitor)
        found = await self._find(request, visitor)
        try:
            async with self._accounts.database.write() as session:
                appointment = await session.get_one(Appointment, found.id)
                await self._call.call_records.note_absent(
                    session, appointment, visitor.actor.person_id, self._accounts.now()
                )
        except WrongState:
            return await self._day_page(request, visitor, refused="desk_moved_on")
        raise web.HTTPSeeOther("/kep/desk")

    async def outcome(self, request: web.Request) -> web.Response:
        """Show the form at the end of a call."""
        visitor = await self._accounts.visitors.require(request)
        appointment = await self._find(request, visitor)
        return self._outcome_page(request, visitor, appointment)

    async def conclude(self, request: web.Request) -> web.Response:
        """Keep the outcome; the call is over."""
        visitor, form = await self._accounts.visitors.read_form(request)
        self._accounts.take_turn(visitor)
        found = await self._find(request, visitor)
        try:
            outcome = parse_outcome(form, Theme(found.theme))
            async with self._accounts.database.write() as session:
                appointment = await session.get_one(Appointment, found.id)
                await self._call.call_records.conclude(
                    session, appointment, outcome, by=visitor.actor.person_id,
                    now=self._accounts.now(),
                )  # fmt: skip
        except BadForm as mistake:
            return self._outcome_page(
                request, visitor, found, status=422, errors=mistake.errors, typed=form
            )
        except WrongState:
            current = await self._find(request, visitor)
            return self._outcome_page(request, visitor, current, status=409)
        self._call.note_phase(found.room, AppointmentState.CONCLUDED)
        self._call.rooms.close(found.room, "concluded")
        raise web.HTTPSeeOther(f"/kep/desk/appointments/{found.id}/form")

    async def form(self, request: web.Request) -> web.Response:
        """Show the «έντυπο επιτυχούς καταχώρισης», to be printed."""
        visitor = await self._accounts.visitors.require(request)
        appointment = await self._find(request, visitor)
        async with self._accounts.database.read() as session:
            record = await session.get(KepCallRecord, appointment.id)
            kep = await session.get_one(Kep, appointment.kep_id)
            served_by = (
                await session.get(Person, record.served_by)
                if record is not None and record.served_by
                else None
            )
        if record is None or not record.result:
            raise web.HTTPNotFound()
        return self._parts.pages.page(
            request, "kep_form.html", visitor, appointment=appointment, record=record, kep=kep,
            personal=self._parts.vault.open(appointment),
            served_by=served_by.full_name if served_by is not None else "",
        )  # fmt: skip

    # ---- inner

    def _shown(self, row: DayRow) -> tuple[DayRow, str]:
        return row, self._parts.vault.open(row.appointment).name

    def _outcome_page(
        self, request: web.Request, visitor: Visitor, appointment: Appointment, *,
        status: int = 200, errors: Mapping[str, str] = NOTHING_WRONG,
        typed: Mapping[str, str] = NOTHING_WRONG,
    ) -> web.Response:  # fmt: skip
        return self._parts.pages.page(
            request, "kep_outcome.html", visitor, status=status, appointment=appointment,
            is_serving=appointment.state == AppointmentState.SERVING, errors=errors,
            is_concluded=appointment.state == AppointmentState.CONCLUDED,
            typed=typed or {"delivery": appointment.delivery}, results=tuple(CallResult),
            steps=tuple(NextStep), ways=ways_of_delivery(Theme(appointment.theme)),
        )  # fmt: skip

    async def _find(self, request: web.Request, visitor: Visitor) -> Appointment:
        async with self._accounts.database.read() as session:
            found = await find_appointment(session, request.match_info["id"])
        if found is None:
            raise web.HTTPNotFound()
        check(visitor, Action.SERVE_APPOINTMENT, target_of(found))
        return found

    async def _place(
        self, session: AsyncSession, visitor: Visitor
    ) -> tuple[Kep, KepEmployee | None]:
        """Return the ΚΕΠ of the visitor's role, and as which of its employees they work.

        Raises:
            HTTPNotFound: they serve at none.
        """
        person = await session.get_one(Person, visitor.actor.person_id)
        for held in visitor.actor.roles:
            if held.role is AccountRole.KEP_EMPLOYEE and held.kep_id is not None:
                kep = await session.get_one(Kep, held.kep_id)
                return kep, await employee_of(session, person, kep.id)
        raise web.HTTPNotFound()


def _next_of(rows: list[DayRow]) -> str:
    """Return the id of the appointment that one click takes: who waits, in order of time; else the
    one whose time has come."""
    waiting = [row for row in rows if row.appointment.state == AppointmentState.WAITING]
    return waiting[0].appointment.id if waiting else ""
