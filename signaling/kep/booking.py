"""Booking, rescheduling and cancelling (R42, R56, R62): one transaction each, told by mail."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeVar

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.audit.trail import AuditAction, AuditEntry, AuditTrail
from signaling.kep.capacity import Reserve
from signaling.kep.config import KepConfig
from signaling.kep.day_records import free, lock_day
from signaling.kep.day_steps import day_of, moment_of, step_of
from signaling.kep.notices import Notices
from signaling.kep.personal import Needs, PersonalData, PersonalVault
from signaling.kep.placing import AHEAD, NotOffered, Placer, SlotGone, TimeTaken
from signaling.kep.states import move
from signaling.kep.values import AppointmentState, IdentityDocument, WayOfDelivery
from signaling.storage.database import Database
from signaling.storage.models import Appointment, AppointmentGuest, KepService, Person, new_id
from signaling.vault import token_hash

SQLITE_WRITERS = 1
POSTGRESQL_WRITERS = 4
"""Bookings at once: the others wait in order here rather than for a connection or a lock."""
LOOKERS = 4
"""Who look for times outside of that queue, at once: pages need connections too."""
DEADLOCK_TRIES = 3
_DEADLOCK = "40P01"

Result = TypeVar("Result")


class TooManyAppointments(Exception):
    """The person has as many ahead as one may have."""


@dataclass(frozen=True)
class Order:
    """What a citizen asks for."""

    person_id: str
    service_id: str
    kep_id: str | None
    """None: whichever is free."""
    step: int
    personal: PersonalData
    needs: Needs
    document: IdentityDocument
    delivery: WayOfDelivery
    request_key: str
    """The same for a form sent twice."""


@dataclass(frozen=True)
class BookingParts:
    """What booking works with."""

    database: Database
    placer: Placer
    vault: PersonalVault
    notices: Notices
    trail: AuditTrail
    config: KepConfig
    reserve: Reserve
    now: Callable[[], datetime]


class Own(NamedTuple):
    """What a citizen has already."""

    made: Appointment | None
    """By the same form."""
    ahead: Sequence[Appointment]


class Booking:
    """Makes, moves and cancels appointments."""

    def __init__(self, parts: BookingParts) -> None:
        self._parts = parts
        writers = SQLITE_WRITERS if parts.database.is_sqlite else POSTGRESQL_WRITERS
        self._turns = asyncio.Semaphore(writers)
        self._looks = asyncio.Semaphore(LOOKERS)

    async def book(self, order: Order) -> Appointment:
        """Return a new appointment, or the one that the same form made before.

        Raises:
            SlotGone: the time is not free (any more).
            NotOffered, OwnOverlap: as `Placer.place`.
            TooManyAppointments: see above.
        """
        if self._turns.locked():
            # Who would only be told at the end of the queue that the time is gone is told now.
            existing = await self._read(lambda session: self._look(session, order))
            if existing is not None:
                return existing
        return await self._in_turn(lambda session: self._book(session, order))

    async def reschedule(
        self, appointment_id: str, person_id: str, step: int, request_key: str
    ) -> Appointment:
        """Return the appointment that takes the place of another; its time is free at once.

        Raises:
            SlotGone: the time is not free (any more).
            NotOffered, OwnOverlap: as `Placer.place`.
            WrongState: it cannot be moved any more.
        """
        return await self._in_turn(
            lambda session: self._reschedule(session, appointment_id, person_id, step, request_key)
        )

    async def cancel(self, appointment_id: str, actor_id: str) -> None:
        """Cancel for the citizen, or for the ΚΕΠ; the time is free at once.

        Raises:
            WrongState: it cannot be cancelled any more.
        """
        await self._in_turn(lambda session: self._cancel(session, appointment_id, actor_id))

    async def _in_turn(self, work: Callable[[AsyncSession], Awaitable[Result]]) -> Result:
        try:
            return await self._write(work)
        except TimeTaken as taken:
            raise SlotGone(await self._offers(taken)) from None

    async def _read(self, work: Callable[[AsyncSession], Awaitable[Result]]) -> Result:
        try:
            async with self._looks, self._parts.database.read() as session:
                return await work(session)
        except TimeTaken as taken:
            raise SlotGone(await self._offers(taken)) from None

    async def _offers(self, taken: TimeTaken) -> Sequence[int]:
        """Look for other times; nobody waits in the queue for that."""
        async with self._looks, self._parts.database.read() as session:
            return await self._parts.placer.offers(session, taken)

    async def _write(self, work: Callable[[AsyncSession], Awaitable[Result]]) -> Result:
        async with self._turns:
            for attempt in range(DEADLOCK_TRIES):
                try:
                    async with self._parts.database.write() as session:
                        return await work(session)
                except DBAPIError as error:
                    # PostgreSQL ends one of two that wait for each other; it may try again.
                    is_deadlock = getattr(error.orig, "sqlstate", "") == _DEADLOCK
                    if not is_deadlock or attempt == DEADLOCK_TRIES - 1:
                        raise
        raise AssertionError("unreachable: the last try returns or raises")

    async def _look(self, session: AsyncSession, order: Order) -> Appointment | None:
        """Return what the same form made before; None: the order could be met."""
        own = await self._own(session, order.person_id, order.request_key)
        if own.made is None:
            service = await _offered(session, order.service_id)
            self._check_person(own)
            await self._parts.placer.check_free(session, service, order.kep_id, order.step)
        return own.made

    async def _book(self, session: AsyncSession, order: Order) -> Appointment:
        parts = self._parts
        person = await _lock_person(session, order.person_id)
        own = await self._own(session, order.person_id, order.request_key)
        if own.made is not None:
            return own.made
        service = await _offered(session, order.service_id)
        self._check_person(own)
        appointment = self._new(order, service)
        await parts.placer.place(session, appointment, service, order.kep_id, own=own.ahead)
        await self._record(session, AuditAction.BOOK_APPOINTMENT, appointment)
        await parts.notices.tell_booked(session, person, appointment)
        return appointment

    async def _reschedule(
        self, session: AsyncSession, appointment_id: str, person_id: str, step: int,
        request_key: str,
    ) -> Appointment:  # fmt: skip
        parts = self._parts
        person = await _lock_person(session, person_id)
        own = await self._own(session, person_id, request_key)
        if own.made is not None:
            return own.made
        old = await session.get_one(Appointment, appointment_id)
        # Two who swap their days meet at the earlier one first, and neither waits for the other.
        for day in sorted({day_of(step_of(old.starts_at)), day_of(step)}):
            await lock_day(session, old.kep_id, day)
        move(old, AppointmentState.RESCHEDULED)
        await session.flush()
        await free(session, old, await parts.placer.plans(session))
        await parts.reserve(session, old, is_taken=False)
        service = await session.get_one(KepService, old.service_id)
        order = Order(
            person_id, old.service_id, old.kep_id, step, parts.vault.open(old),
            parts.vault.open_needs(old), IdentityDocument(old.document),
            WayOfDelivery(old.delivery), request_key,
        )  # fmt: skip
        appointment = self._new(order, service)
        appointment.calendar_uid, appointment.replaces_id = old.calendar_uid, old.id
        appointment.calendar_sequence = old.calendar_sequence + 1
        await parts.placer.place(session, appointment, service, old.kep_id, own=own.ahead)
        await session.execute(
            update(AppointmentGuest)
            .where(AppointmentGuest.appointment_id == old.id)
            .values(appointment_id=appointment.id)
        )
        await self._record(session, AuditAction.RESCHEDULE_APPOINTMENT, appointment)
        await parts.notices.tell_moved(session, person, appointment)
        return appointment

    async def _cancel(self, session: AsyncSession, appointment_id: str, actor_id: str) -> None:
        parts = self._parts
        appointment = await session.get_one(Appointment, appointment_id)
        person = await session.get_one(Person, appointment.person_id)
        move(appointment, AppointmentState.CANCELLED)
        appointment.calendar_sequence += 1
        await session.flush()
        await free(session, appointment, await parts.placer.plans(session))
        await parts.reserve(session, appointment, is_taken=False)
        await self._record(session, AuditAction.CANCEL_APPOINTMENT, appointment, actor_id)
        await parts.notices.tell_cancelled(session, person, appointment)

    async def _own(self, session: AsyncSession, person_id: str, request_key: str) -> Own:
        """Return what the person has: one question for all that depends on it."""
        values = {"person_id": person_id, "request_key": request_key, "now": self._parts.now()}
        rows = list(await session.scalars(_OWN, values))
        made = next((each for each in rows if each.request_key == request_key), None)
        return Own(made, [each for each in rows if each.state in AHEAD])

    def _check_person(self, own: Own) -> None:
        now = self._parts.now()
        booked = [each for each in own.ahead
                  if each.state == AppointmentState.BOOKED and each.starts_at > now]  # fmt: skip
        if len(booked) >= self._parts.config.max_open_per_person:
            raise TooManyAppointments

    def _new(self, order: Order, service: KepService) -> Appointment:
        """Return an appointment without place and time."""
        vault, token, number = self._parts.vault, secrets.token_urlsafe(32), new_id()
        personal = PersonalData(
            name=order.personal.name, email=order.personal.email, phone=order.personal.phone,
            address=order.personal.address, legal_person=order.personal.legal_person, token=token,
        )  # fmt: skip
        return Appointment(
            id=number, room=f"kep-{new_id()}", person_id=order.person_id, theme=service.theme,
            service_id=service.id, state=AppointmentState.BOOKED.value,
            personal=vault.seal(number, personal), needs=vault.seal_needs(number, order.needs),
            document=order.document.value, delivery=order.delivery.value, calendar_uid=new_id(),
            calendar_sequence=0, token_hash=token_hash(token), request_key=order.request_key,
            starts_at=moment_of(order.step), created_at=self._parts.now(), version=1,
        )  # fmt: skip

    async def _record(
        self, session: AsyncSession, action: AuditAction, appointment: Appointment,
        actor_id: str | None = None,
    ) -> None:  # fmt: skip
        facts = {"theme": appointment.theme, "kep": appointment.kep_id}
        await self._parts.trail.record(
            session,
            AuditEntry(
                self._parts.now(), actor_id or appointment.person_id, action, "appointment", appointment.id,
                facts=facts,
            ),
        )  # fmt: skip


async def _lock_person(session: AsyncSession, person_id: str) -> Person:
    """Return the person; until the transaction ends they do nothing else here."""
    person: Person | None = await session.scalar(_LOCKED, {"person_id": person_id})
    assert person is not None, "invariant: people are not deleted"
    return person


async def _offered(session: AsyncSession, service_id: str) -> KepService:
    service = await session.get(KepService, service_id)
    if service is None or not service.is_active:
        raise NotOffered
    return service


_LOCKED = select(Person).where(Person.id == bindparam("person_id")).with_for_update(key_share=True)
_OWN = select(Appointment).where(
    Appointment.person_id == bindparam("person_id"),
    or_(
        Appointment.request_key == bindparam("request_key"),
        Appointment.state.in_(AHEAD) & (Appointment.ends_at > bindparam("now")),
    ),
)
