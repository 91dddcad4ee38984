"""Reminds the invited before the hour, once each. A task of the control plane."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from sfu.logs import Log
from signaling.scheduling.invitation_mails import InvitationMails, Occasion, load_facts
from signaling.scheduling.values import SittingKind, SittingState
from signaling.storage.database import Database, StorageUnavailable
from signaling.storage.models import Invitation, Sitting

log = Log(__name__)

INTERVAL_S = 60.0
BATCH_SIZE = 20
"""Mails written in one transaction: a writer of SQLite holds up all others, and what renders them
holds up the event loop."""


class Reminders:
    """Queues the reminders that are due."""

    def __init__(
        self, database: Database, mails: InvitationMails, lead: timedelta,
        now: Callable[[], datetime],
    ) -> None:  # fmt: skip
        self._database = database
        self._mails = mails
        self._lead = lead
        self._now = now

    async def run(self) -> None:
        """Remind for ever."""
        while True:
            try:
                await self.remind_due()
            except StorageUnavailable:
                log.warning("reminders wait for storage")
            except Exception:  # task root: rooms and pages must not end with it
                log.exception("reminders failed")
            await asyncio.sleep(INTERVAL_S)

    async def remind_due(self) -> int:
        """Remind everybody whose sitting begins soon and return how many that were.

        Raises:
            StorageUnavailable: the rest is done next time.
        """
        total = 0
        while reminded := await self._remind_batch():
            total += reminded
            await asyncio.sleep(0)
        return total

    async def _remind_batch(self) -> int:
        async with self._database.write() as session:
            due = await self._find_due(session)
            facts = {}
            for invitation, sitting in due:
                if sitting.id not in facts:
                    facts[sitting.id] = await load_facts(session, sitting)
                invitation.reminded_at = self._now()
                self._mails.tell(session, facts[sitting.id], [invitation], Occasion.REMINDED)
        return len(due)

    async def _find_due(self, session: AsyncSession) -> Sequence[tuple[Invitation, Sitting]]:
        now = self._now()
        rows = await session.execute(
            select(Invitation, Sitting)
            .join(Sitting, Sitting.id == Invitation.sitting_id)
            .where(
                Sitting.state == SittingState.PLANNED,
                Sitting.starts_at > now,
                Sitting.starts_at <= now + self._lead,
                Sitting.kind != SittingKind.REHEARSAL,
                Invitation.revoked_at.is_(None),
                Invitation.reminded_at.is_(None),
                # Who was invited within the lead has just got a mail.
                Invitation.invited_at < now - self._lead,
            )
            .order_by(Sitting.starts_at, Invitation.id)
            .limit(BATCH_SIZE)
            .with_for_update(of=Invitation, skip_locked=True)
        )
        return [(row[0], row[1]) for row in rows]
