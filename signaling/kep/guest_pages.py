"""One appointment as the serving ΚΕΠ sees it, and the third person it may invite (R53, R60)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from aiohttp import web
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.rights import Action, Target
from signaling.accounts.texts import clean_line, parse_email
from signaling.accounts.visitor import Visitor
from signaling.audit.trail import AuditAction
from signaling.kep.day_steps import step_of
from signaling.kep.notices import place_of
from signaling.kep.parts import KepParts, check
from signaling.kep.personal import GuestData
from signaling.kep.records import list_guests
from signaling.kep.times import time_of
from signaling.kep.values import AppointmentState
from signaling.mail.calendar import Method
from signaling.rendering import language_of
from signaling.storage.models import Appointment, AppointmentGuest, new_id
from signaling.storage.models.people import NAME_LENGTH
from signaling.vault import token_hash

MAX_GUESTS = 2
"""LIMIT: the room has four places, and citizen and employee take two."""
NO_ERRORS: Mapping[str, str] = {}


class GuestPages:
    """Answers `/kep/desk/appointments/{id}…`."""

    def __init__(self, parts: KepParts) -> None:
        self._parts = parts
        self._accounts = parts.accounts

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        one = "/kep/desk/appointments/{id}"
        app.router.add_get(one, self.show)
        app.router.add_post(one + "/guests", self.invite)
        app.router.add_post(one + "/guests/{guest}/revoke", self.revoke)

    async def show(self, request: web.Request) -> web.Response:
        """Show an appointment with what the citizen wrote; that it was read is audited."""
        visitor = await self._accounts.visitors.require(request)
        async with self._accounts.database.write() as session:
            appointment = await _find(session, request, visitor, Action.SEE_APPOINTMENT)
            await self._parts.record(
                session, visitor, AuditAction.READ_APPOINTMENT, "appointment", appointment.id
            )
        return await self._page(request, visitor)

    async def invite(self, request: web.Request) -> web.Response:
        """Invite a third person, to whom the link is mailed."""
        accounts = self._accounts
        visitor, form = await accounts.visitors.read_form(request)
        accounts.take_turn(visitor)
        errors, name, email = _parse(form)
        try:
            async with accounts.database.write() as session:
                action = Action.INVITE_TO_APPOINTMENT
                appointment = await _find(session, request, visitor, action)
                errors |= await self._refusal(session, appointment)
                if not errors:
                    await self._invite(session, visitor, appointment, name, email)
        except IntegrityError:  # invited before, perhaps by the same form
            errors = {"guest_email": "guest_invited"}
        if errors:
            return await self._page(request, visitor, errors, form)
        raise web.HTTPSeeOther(f"{request.path.removesuffix('/guests')}?done=invited")

    async def revoke(self, request: web.Request) -> web.Response:
        """Take an invitation back; the link leads nowhere from now on."""
        accounts = self._accounts
        visitor, _ = await accounts.visitors.read_form(request)
        accounts.take_turn(visitor)
        async with accounts.database.write() as session:
            action = Action.INVITE_TO_APPOINTMENT
            appointment = await _find(session, request, visitor, action)
            guest = await session.get(AppointmentGuest, request.match_info["guest"])
            if guest is None or guest.appointment_id != appointment.id:
                raise web.HTTPNotFound()
            if guest.revoked_at is None:
                await self._parts.notices.tell_guest(session, appointment, guest, Method.CANCEL)
                await session.delete(guest)
                await self._parts.record(
                    session, visitor, AuditAction.INVITE_TO_APPOINTMENT, "appointment_guest",
                    guest.id,
                )  # fmt: skip
        raise web.HTTPSeeOther(f"/kep/desk/appointments/{appointment.id}")

    async def _refusal(self, session: AsyncSession, appointment: Appointment) -> dict[str, str]:
        """Return why nobody can be invited, if so: only a special requirement is a reason."""
        if appointment.needs is None:
            return {"guest_email": "guest_not_needed"}
        is_over = appointment.ends_at <= self._accounts.now()
        if is_over or appointment.state in (
            AppointmentState.CANCELLED, AppointmentState.RESCHEDULED,
        ):  # fmt: skip
            return {"guest_email": "guest_late"}
        if len(await list_guests(session, appointment.id)) >= MAX_GUESTS:
            return {"guest_email": "guest_many"}
        return {}

    async def _invite(
        self, session: AsyncSession, visitor: Visitor, appointment: Appointment, name: str,
        email: str,
    ) -> None:  # fmt: skip
        parts, number, token = self._parts, new_id(), secrets.token_urlsafe(32)
        guest = AppointmentGuest(
            id=number, appointment_id=appointment.id, email=email.lower(),
            personal=parts.vault.seal_guest(number, GuestData(name, token)),
            token_hash=token_hash(token), invited_by=visitor.actor.person_id,
            invited_at=self._accounts.now(),
        )  # fmt: skip
        session.add(guest)
        await session.flush()
        await parts.notices.tell_guest(session, appointment, guest)
        await parts.record(
            session, visitor, AuditAction.INVITE_TO_APPOINTMENT, "appointment", appointment.id
        )

    async def _page(
        self, request: web.Request, visitor: Visitor, errors: Mapping[str, str] = NO_ERRORS,
        typed: Mapping[str, str] = NO_ERRORS,
    ) -> web.Response:  # fmt: skip
        parts = self._parts
        async with self._accounts.database.read() as session:
            appointment = await _find(session, request, visitor, Action.SEE_APPOINTMENT)
            place = await place_of(session, appointment)
            guests = await list_guests(session, appointment.id)
        target = _target(appointment)
        may_see_needs = visitor.may(Action.SEE_APPOINTMENT_NEEDS, target)
        return parts.pages.page(
            request, "kep_desk_appointment.html", visitor, status=422 if errors else 200,
            appointment=appointment, place=place, personal=parts.vault.open(appointment),
            needs=parts.vault.open_needs(appointment) if may_see_needs else None,
            when=time_of(step_of(appointment.starts_at), language_of(request)),
            guests=[(each, parts.vault.open_guest(each).name) for each in guests],
            may_invite=visitor.may(Action.INVITE_TO_APPOINTMENT, target)
            and appointment.needs is not None,
            errors=errors, typed=typed,
            done="invited" if request.query.get("done") == "invited" else "",
        )  # fmt: skip


def _parse(form: Mapping[str, str]) -> tuple[dict[str, str], str, str]:
    """Return mistakes, name and address."""
    errors = {}
    name = clean_line(form.get("guest_name", ""))
    if not name:
        errors["guest_name"] = "name_missing"
    elif len(name) > NAME_LENGTH:
        errors["guest_name"] = "name_too_long"
    typed = clean_line(form.get("guest_email", ""))
    try:
        email = parse_email(typed)
    except ValueError:
        email = ""
        errors["guest_email"] = "email_bad" if typed else "email_missing"
    return errors, name, email


async def _find(
    session: AsyncSession, request: web.Request, visitor: Visitor, action: Action
) -> Appointment:
    """Return an appointment of a ΚΕΠ where the visitor serves."""
    appointment = await session.get(Appointment, request.match_info["id"])
    if appointment is None:
        raise web.HTTPNotFound()
    check(visitor, action, _target(appointment))
    return appointment


def _target(appointment: Appointment) -> Target:
    """As an employee's: that somebody booked it themselves gives no right to this desk."""
    return Target(kep_id=appointment.kep_id)
