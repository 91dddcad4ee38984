"""A citizen's appointments: the list, one of them, another time, cancelling, and the mailed link."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from sfu.values import Role
from signaling.accounts.rights import Action, Target
from signaling.accounts.visitor import Visitor
from signaling.kep.day_steps import step_of
from signaling.kep.entry import window_of
from signaling.kep.notices import Place, place_of
from signaling.kep.parts import KepParts, check
from signaling.kep.placing import NotOffered, OwnOverlap, SlotGone
from signaling.kep.plans import Wanted
from signaling.kep.records import find_by_link, find_successor, is_guest, list_guests, list_own
from signaling.kep.search import Search, step_from
from signaling.kep.states import OVER, WrongState
from signaling.kep.times import make_picker, time_of
from signaling.kep.values import AppointmentState, Theme
from signaling.rendering import language_of
from signaling.storage.models import Appointment, AppointmentGuest

MAX_KEY_LENGTH = 64
BEFORE_CALL = frozenset({AppointmentState.BOOKED, AppointmentState.WAITING})
"""In these a citizen is offered another time; who waits too long may want one."""
DONE = frozenset({"booked", "moved", "cancelled"})


@dataclass(frozen=True)
class Mistake:
    """Why another time could not be taken, and which others could."""

    errors: dict[str, str] = field(default_factory=dict)
    offers: Sequence[int] = ()


NO_MISTAKE = Mistake()


class AppointmentPages:
    """Answers `/kep/appointments…` and `/kep/link/{token}`."""

    def __init__(self, parts: KepParts) -> None:
        self._parts = parts
        self._accounts = parts.accounts

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        app.router.add_get("/kep/link/{token}", self.follow_link, allow_head=False)
        app.router.add_get("/kep/appointments", self.list)
        one = "/kep/appointments/{id}"
        app.router.add_get(one, self.show)
        app.router.add_get(one + "/reschedule", self.choose_time)
        app.router.add_post(one + "/reschedule", self.reschedule)
        app.router.add_get(one + "/cancel", self.ask_cancel)
        app.router.add_post(one + "/cancel", self.cancel)
        app.router.add_get(one + "/guest", self.show_guest)

    async def follow_link(self, request: web.Request) -> web.Response:
        """Lead from the mail to the appointment, if the signed-in person is who it is for.

        Anybody else, with any token, gets the same 404. The page itself has another address: the
        secret does not stay in the browser's.
        """
        visitor = await self._accounts.visitors.require(request)
        assert visitor.person is not None, "invariant: required to be signed in"
        async with self._accounts.database.write() as session:
            linked = await find_by_link(session, request.match_info["token"])
            if linked is None:
                raise web.HTTPNotFound()
            path = f"/kep/appointments/{linked.appointment.id}"
            if linked.guest is not None:
                if not is_guest(linked.guest, visitor.person):
                    raise web.HTTPNotFound()
                linked.guest.person_id = visitor.person.id
                path += "/guest"
            else:
                check(visitor, Action.CHANGE_APPOINTMENT, target_of_appointment(linked.appointment))
        raise web.HTTPSeeOther(path)

    async def list(self, request: web.Request) -> web.Response:
        """Show all appointments of this person."""
        visitor = await self._accounts.visitors.require(request)
        async with self._accounts.database.read() as session:
            rows = await list_own(session, visitor.actor.person_id)
        return self._parts.pages.page(request, "kep_appointments.html", visitor, rows=rows)

    async def show(self, request: web.Request) -> web.Response:
        """Show one."""
        visitor, appointment, place = await self._find(request)
        return await self._page(request, visitor, appointment, place)

    async def _moved_on(self, request: web.Request) -> web.Response:
        """Show the appointment as it is now, and that what was wanted of it cannot be any more."""
        visitor, appointment, place = await self._find(request)
        return await self._page(request, visitor, appointment, place, has_moved_on=True)

    async def _page(
        self, request: web.Request, visitor: Visitor, appointment: Appointment, place: Place, *,
        has_moved_on: bool = False,
    ) -> web.Response:  # fmt: skip
        async with self._accounts.database.read() as session:
            successor = None
            if appointment.state == AppointmentState.RESCHEDULED:
                successor = await find_successor(session, appointment.id)
            guests = await list_guests(session, appointment.id)
        done = request.query.get("done", "")
        return self._parts.pages.page(
            request, "kep_appointment.html", visitor, status=409 if has_moved_on else 200,
            has_moved_on=has_moved_on, appointment=appointment, place=place,
            when=time_of(_step(appointment), language_of(request)),
            personal=self._parts.vault.open(appointment),
            needs=self._parts.vault.open_needs(appointment), successor=successor,
            guests=[self._parts.vault.open_guest(each).name for each in guests],
            may_change=self._is_ahead(appointment), config=self._parts.config,
            may_enter=self._may_enter(appointment),
            done=done if done in DONE else "",
        )  # fmt: skip

    async def choose_time(self, request: web.Request) -> web.Response:
        """Show other times; with one chosen, ask whether it is meant."""
        visitor, appointment, place = await self._find(request)
        if not self._is_ahead(appointment):
            return await self._moved_on(request)
        return await self._times_page(request, visitor, appointment, place)

    async def reschedule(self, request: web.Request) -> web.Response:
        """Take another time; the old one is free at once."""
        accounts = self._accounts
        visitor, form = await accounts.visitors.read_form(request)
        visitor, appointment, place = await self._find(request)
        accounts.take_turn(visitor)
        step = step_from(form.get("step", ""))
        key = form.get("request_key", "")[:MAX_KEY_LENGTH]
        if step is None or not key:
            raise web.HTTPSeeOther(f"/kep/appointments/{appointment.id}/reschedule")
        try:
            moved = await self._parts.booking.reschedule(
                appointment.id, visitor.actor.person_id, step, key
            )
        except SlotGone as gone:
            mistake = Mistake({"times": "slot_gone"}, gone.offers)
            return await self._times_page(request, visitor, appointment, place, mistake)
        except OwnOverlap:
            mistake = Mistake({"times": "own_overlap"})
            return await self._times_page(request, visitor, appointment, place, mistake)
        except NotOffered:
            return await self._times_page(
                request, visitor, appointment, place, Mistake({"times": "slot_gone"})
            )
        except WrongState:
            return await self._moved_on(request)
        raise web.HTTPSeeOther(f"/kep/appointments/{moved.id}?done=moved")

    async def ask_cancel(self, request: web.Request) -> web.Response:
        """Ask whether cancelling is meant."""
        visitor, appointment, place = await self._find(request)
        if not self._is_ahead(appointment):
            return await self._moved_on(request)
        return self._parts.pages.page(
            request, "kep_cancel.html", visitor, appointment=appointment, place=place,
            when=time_of(_step(appointment), language_of(request)),
        )  # fmt: skip

    async def cancel(self, request: web.Request) -> web.Response:
        """Cancel. A form sent twice does it once."""
        accounts = self._accounts
        await accounts.visitors.read_form(request)
        visitor, appointment, _ = await self._find(request)
        accounts.take_turn(visitor)
        path = f"/kep/appointments/{appointment.id}?done=cancelled"
        if appointment.state == AppointmentState.CANCELLED:
            raise web.HTTPSeeOther(path)
        if not self._is_ahead(appointment):
            return await self._moved_on(request)
        try:
            await self._parts.booking.cancel(appointment.id, visitor.actor.person_id)
        except WrongState:
            return await self._moved_on(request)
        raise web.HTTPSeeOther(path)

    async def show_guest(self, request: web.Request) -> web.Response:
        """Show a third person where and when they are needed, and nothing of the citizen."""
        visitor = await self._accounts.visitors.require(request)
        async with self._accounts.database.read() as session:
            appointment = await session.get(Appointment, request.match_info["id"])
            guest = await _guest_of(session, appointment, visitor)
            if appointment is None or guest is None:
                raise web.HTTPNotFound()
            place = await place_of(session, appointment)
        return self._parts.pages.page(
            request, "kep_guest.html", visitor, appointment=appointment, place=place,
            when=time_of(_step(appointment), language_of(request)), config=self._parts.config,
            may_enter=self._may_enter(appointment),
        )  # fmt: skip

    def _may_enter(self, appointment: Appointment) -> bool:
        """Whether something can still come of it: too early, the door's page says when."""
        window = window_of(
            appointment, Role.CITIZEN, timedelta(minutes=self._parts.config.open_before_minutes)
        )
        now_s = self._parts.accounts.now().timestamp()
        return AppointmentState(appointment.state) not in OVER and now_s < window.closes_s

    async def _find(self, request: web.Request) -> tuple[Visitor, Appointment, Place]:
        """Return who asks, and the appointment, which is theirs."""
        visitor = await self._accounts.visitors.require(request)
        async with self._accounts.database.read() as session:
            appointment = await session.get(Appointment, request.match_info["id"])
            if appointment is None:
                raise web.HTTPNotFound()
            check(visitor, Action.CHANGE_APPOINTMENT, target_of_appointment(appointment))
            return visitor, appointment, await place_of(session, appointment)

    async def _times_page(
        self, request: web.Request, visitor: Visitor, appointment: Appointment, place: Place,
        mistake: Mistake = NO_MISTAKE,
    ) -> web.Response:  # fmt: skip
        language = language_of(request)
        step = None if mistake.errors else step_from(request.query.get("step", ""))
        async with self._accounts.database.read() as session:
            search = await self._search(session, appointment, place)
            picker = await make_picker(session, search, request.query.get("day", ""), language)
        return self._parts.pages.page(
            request, "kep_reschedule.html", visitor, status=409 if mistake.errors else 200,
            appointment=appointment, place=place, picker=picker, errors=mistake.errors,
            offers=[time_of(each, language) for each in mistake.offers],
            old=time_of(_step(appointment), language), when=time_of(step, language),
            request_key=secrets.token_hex(16),
        )  # fmt: skip

    async def _search(
        self, session: AsyncSession, appointment: Appointment, place: Place
    ) -> Search:
        theme = Theme(appointment.theme)
        wanted = Wanted(theme, place.service.municipality_id, appointment.kep_id)
        return await self._parts.search(session, wanted)

    def _is_ahead(self, appointment: Appointment) -> bool:
        """Return whether it can still be moved or cancelled by the citizen."""
        is_before = AppointmentState(appointment.state) in BEFORE_CALL
        return is_before and appointment.starts_at > self._accounts.now()


async def _guest_of(
    session: AsyncSession, appointment: Appointment | None, visitor: Visitor
) -> AppointmentGuest | None:
    """Return the visitor's own invitation."""
    if appointment is None or visitor.person is None:
        return None
    guests = await list_guests(session, appointment.id)
    return next((each for each in guests if is_guest(each, visitor.person)), None)


def target_of_appointment(appointment: Appointment) -> Target:
    """Return an appointment as the table of rights sees it."""
    return Target(owner_id=appointment.person_id, kep_id=appointment.kep_id)


def _step(appointment: Appointment) -> int:
    return step_of(appointment.starts_at)
