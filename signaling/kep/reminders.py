"""Sends the mail again shortly before an appointment (R58): once, whoever else tries too."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from sfu.logs import Log
from signaling.kep.config import KepConfig
from signaling.kep.notices import Notices
from signaling.kep.values import AppointmentState
from signaling.storage.models import Appointment, Person
from signaling.vault import VaultError

log = Log(__name__)

BATCH_SIZE = 20
"""Reminders in one transaction: bookings wait no longer than these take."""


async def remind_batch(
    session: AsyncSession, notices: Notices, config: KepConfig, now: datetime
) -> int:
    """Remind of up to a batch of appointments that begin soon, and return of how many.

    What was booked within the time of reminding has just been told; it is only marked.
    """
    before = timedelta(minutes=config.reminder_minutes)
    due = await session.scalars(
        select(Appointment)
        .where(
            Appointment.state == AppointmentState.BOOKED,
            Appointment.starts_at > now,
            Appointment.starts_at <= now + before,
            Appointment.reminded_at.is_(None),
        )
        .order_by(Appointment.starts_at, Appointment.id)
        .limit(BATCH_SIZE)
        .with_for_update(skip_locked=True)
    )
    appointments = list(due)
    for appointment in appointments:
        appointment.reminded_at = now
        if appointment.created_at < appointment.starts_at - before:
            person = await session.get_one(Person, appointment.person_id)
            try:
                await notices.tell_reminder(session, person, appointment)
                await notices.tell_guests(session, appointment)
            except VaultError:  # of another key: the others are told all the same
                log.warning("appointment cannot be read")
    return len(appointments)
