"""What citizens are told by mail about their appointments (R55, R57, R58), with calendar entries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parseaddr
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.kep.config import KepConfig
from signaling.kep.personal import PersonalVault
from signaling.mail.calendar import CalendarEvent, Method, Party, make_calendar
from signaling.mail.queue import MailQueue
from signaling.rendering import ATHENS, athens_time
from signaling.storage.models import (
    Appointment,
    AppointmentGuest,
    Kep,
    KepService,
    Municipality,
    Person,
)

WEEKDAYS = ("Δευτέρα", "Τρίτη", "Τετάρτη", "Πέμπτη", "Παρασκευή", "Σάββατο", "Κυριακή")


@dataclass(frozen=True)
class Place:
    """Where an appointment is, and what about."""

    kep: Kep
    municipality: Municipality
    service: KepService


async def place_of(session: AsyncSession, appointment: Appointment) -> Place:
    """Return where an appointment is."""
    values = {"service_id": appointment.service_id, "kep_id": appointment.kep_id}
    return Place(*(await session.execute(_PLACE, values)).one())


_PLACE = (
    select(Kep, Municipality, KepService)
    .join(Municipality, Municipality.id == Kep.municipality_id)
    .join(KepService, KepService.id == bindparam("service_id"))
    .where(Kep.id == bindparam("kep_id"))
)


class Notices:
    """Writes the mails."""

    def __init__(
        self, mails: MailQueue, vault: PersonalVault, config: KepConfig, *, sender: str,
        public_origin: str, now: Callable[[], datetime],
    ) -> None:  # fmt: skip
        self._mails = mails
        self._vault = vault
        self._config = config
        name, address = parseaddr(sender)
        self._organiser = Party(name, address)
        self._public_origin = public_origin
        self._now = now

    async def tell_booked(
        self, session: AsyncSession, person: Person, appointment: Appointment
    ) -> None:
        """Tell of an upcoming appointment («ενημέρωση για επερχόμενη κράτηση»)."""
        await self._tell(session, person, appointment, "appointment_booked", Method.REQUEST)

    async def tell_reminder(
        self, session: AsyncSession, person: Person, appointment: Appointment
    ) -> None:
        """Send the same again (R58)."""
        await self._tell(session, person, appointment, "appointment_reminder", Method.REQUEST)

    async def tell_moved(
        self, session: AsyncSession, person: Person, appointment: Appointment
    ) -> None:
        """Tell the new time."""
        await self._tell(session, person, appointment, "appointment_moved", Method.REQUEST)
        await self.tell_guests(session, appointment)

    async def tell_cancelled(
        self, session: AsyncSession, person: Person, appointment: Appointment
    ) -> None:
        """Tell that it will not take place."""
        await self._tell(session, person, appointment, "appointment_cancelled", Method.CANCEL)
        await self.tell_guests(session, appointment, Method.CANCEL)

    async def tell_guests(
        self, session: AsyncSession, appointment: Appointment, method: Method = Method.REQUEST
    ) -> None:
        """Tell all third persons (R60) of a change."""
        rows = await session.scalars(
            select(AppointmentGuest).where(
                AppointmentGuest.appointment_id == appointment.id,
                AppointmentGuest.revoked_at.is_(None),
            )
        )
        for guest in rows.all():
            await self.tell_guest(session, appointment, guest, method)

    async def tell_guest(
        self, session: AsyncSession, appointment: Appointment, guest: AppointmentGuest,
        method: Method = Method.REQUEST,
    ) -> None:  # fmt: skip
        """Invite a third person, or tell them that they are not needed. They are not told whom
        they will meet."""
        place, data = await place_of(session, appointment), self._vault.open_guest(guest)
        link = f"{self._public_origin}/kep/link/{data.token}"
        values = {**self._values(appointment, place), "link": link}
        invited = Party(data.name, guest.email)
        calendar = self._calendar(appointment, place, invited, method, link)
        is_cancelled = method is Method.CANCEL
        template = "appointment_guest_cancelled" if is_cancelled else "appointment_guest"
        self._mails.put_to(session, guest.email, template, values, calendar=calendar)

    async def _tell(
        self, session: AsyncSession, person: Person, appointment: Appointment, template: str,
        method: Method,
    ) -> None:  # fmt: skip
        data = self._vault.open(appointment)
        place = await place_of(session, appointment)
        link = f"{self._public_origin}/kep/link/{data.token}"
        values = {**self._values(appointment, place), "link": link}
        citizen = Party(data.name, data.email)
        calendar = self._calendar(appointment, place, citizen, method, link)
        self._mails.put_to(
            session, data.email, template, values, person_id=person.id, calendar=calendar
        )

    def _values(self, appointment: Appointment, place: Place) -> Mapping[str, Any]:
        starts = athens_time(appointment.starts_at)
        minutes = (appointment.ends_at - appointment.starts_at) // timedelta(minutes=1)
        return {
            "starts": f"{weekday_of(appointment.starts_at)} {starts}", "minutes": minutes,
            "kep": place.kep.name, "municipality": place.municipality.name,
            "phone": place.kep.phone, "service": place.service.name,
            "open_before": self._config.open_before_minutes,
            "book": f"{self._public_origin}/kep",
        }  # fmt: skip

    def _calendar(
        self, appointment: Appointment, place: Place, attendee: Party, method: Method,
        link: str,
    ) -> str:  # fmt: skip
        event = CalendarEvent(
            uid=f"{appointment.calendar_uid}@{self._organiser.email.rpartition('@')[2]}",
            sequence=appointment.calendar_sequence,
            starts_at=appointment.starts_at,
            ends_at=appointment.ends_at,
            summary=f"Βιντεοκλήση με {place.kep.name}",
            description=f"{place.service.name}\n{link}",
            url=link,
            organiser=self._organiser,
            attendee=attendee,
            stamp=self._now(),
            alarm_minutes=(self._config.reminder_minutes,),
        )
        return make_calendar(event, method)


def weekday_of(moment: datetime) -> str:
    """Return the day of the week in Athens."""
    return WEEKDAYS[moment.astimezone(ATHENS).weekday()]
