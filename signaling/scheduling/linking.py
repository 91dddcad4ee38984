"""Making what was kept for an address belong to the person who has confirmed it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from signaling.audit.trail import AuditAction, AuditEntry, AuditTrail
from signaling.scheduling.collective_bodies import link_members
from signaling.storage.models import Person


async def link_seats(
    session: AsyncSession, trail: AuditTrail, person: Person, now: datetime
) -> None:
    """Give the person the seats of their confirmed address: at confirmation, and at sign-in for
    those that were added since."""
    linked = await link_members(session, person)
    if linked:
        facts = {"members": linked}
        await trail.record(
            session, AuditEntry(now, person.id, AuditAction.LINK_MEMBER, facts=facts)
        )
