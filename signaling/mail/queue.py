"""The queue of mails in the database: put in with the change it tells about, taken out to deliver."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.mail.config import Delivery
from signaling.mail.templates import MailTemplates
from signaling.storage.models import Mail, Person, new_id

LEASE_S = 120.0
"""An attempt that has not told its end by then is thought lost, and made again."""
FIRST_PAUSE_S = 30.0
LAST_PAUSE_S = 4 * 3600.0
BATCH_SIZE = 20


class MailState(StrEnum):
    """How far a mail is."""

    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"
    OUTBOX = "outbox"


class MailQueue:
    """Mails to send."""

    def __init__(
        self, templates: MailTemplates, delivery: Delivery, max_attempts: int,
        now: Callable[[], datetime],
    ) -> None:  # fmt: skip
        self._templates = templates
        self._is_outbox = delivery is Delivery.OUTBOX
        self._max_attempts = max_attempts
        self._now = now
        self.changed = asyncio.Event()
        """Set when there may be something new to deliver."""

    def put(
        self, session: AsyncSession, person: Person, template: str, values: Mapping[str, Any],
        recipient: str | None = None,
    ) -> bool:  # fmt: skip
        """Queue a mail within the transaction of `session`: to the person's confirmed address
        unless another is given. Return whether there was an address."""
        address = recipient or person.email
        if not address:
            return False
        self.put_to(session, address, template, values, person_id=person.id)
        return True

    def put_to(
        self, session: AsyncSession, recipient: str, template: str, values: Mapping[str, Any], *,
        person_id: str | None = None, calendar: str | None = None,
    ) -> Mail:  # fmt: skip
        """Queue a mail to who may have no account, within the transaction of `session`.

        `calendar` is an iCalendar object with a METHOD (RFC 6047).
        """
        text = self._templates.render(template, values)
        now = self._now()
        mail = Mail(
            id=new_id(), person_id=person_id, recipient=recipient, subject=text.subject,
            text=text.text, calendar=calendar,
            state=MailState.OUTBOX if self._is_outbox else MailState.QUEUED,
            created_at=now, due_at=now,
        )  # fmt: skip
        session.add(mail)
        self.changed.set()
        return mail

    async def take_due(self, session: AsyncSession) -> list[Mail]:
        """Return mails to try now; nobody else gets them until their lease ends."""
        now = self._now()
        due = await session.scalars(
            select(Mail)
            .where(Mail.state == MailState.QUEUED, Mail.due_at <= now)
            .order_by(Mail.due_at)
            .limit(BATCH_SIZE)
            .with_for_update(skip_locked=True)
        )
        mails = list(due)
        for mail in mails:
            mail.attempts += 1
            mail.due_at = now + timedelta(seconds=LEASE_S)
        return mails

    async def tell_sent(self, session: AsyncSession, mail_id: str) -> None:
        """Note that the mail server has taken it. Its text goes: it may hold links that admit."""
        await session.execute(
            update(Mail)
            .where(Mail.id == mail_id)
            .values(state=MailState.SENT, sent_at=self._now(), text="", calendar=None, error="")
        )

    async def tell_failed(
        self, session: AsyncSession, mail: Mail, error: str, *, is_final: bool
    ) -> None:
        """Note a failed attempt; try again later unless it is final."""
        is_over = is_final or mail.attempts >= self._max_attempts
        due_at = self._now() + timedelta(seconds=pause_after(mail.attempts))
        await session.execute(
            update(Mail)
            .where(Mail.id == mail.id, Mail.state == MailState.QUEUED)
            .values(
                state=MailState.FAILED if is_over else MailState.QUEUED,
                error=error,
                due_at=due_at,
            )
        )


def pause_after(attempts: int) -> float:
    """Return how long to wait after so many attempts, in seconds."""
    return min(LAST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** max(0, attempts - 1))
