"""Messages of the form «Επικοινωνία» in the database: put, list, mark answered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.helpdesk.contact_form import ContactForm
from signaling.paging import Cursor
from signaling.storage.models import ContactMessage, new_id
from signaling.storage.models.base import ID_LENGTH

MAX_UNANSWERED = 10_000
"""LIMIT: messages that wait; who floods the form cannot fill the disk."""


class TooManyUnanswered(Exception):
    """As many messages wait as may."""


async def put_message(
    session: AsyncSession, form: ContactForm, person_id: str | None, now: datetime
) -> ContactMessage:
    """Keep a message.

    Raises:
        TooManyUnanswered: see above.
    """
    waiting = select(func.count()).where(ContactMessage.answered_at.is_(None))
    if (await session.scalar(waiting) or 0) >= MAX_UNANSWERED:
        raise TooManyUnanswered
    message = ContactMessage(
        id=new_id(), person_id=person_id, name=form.name, email=form.email,
        topic=form.topic.value, text=form.text,
        report=dict(form.report) if form.report is not None else None, created_at=now,
    )  # fmt: skip
    session.add(message)
    return message


async def list_messages(
    session: AsyncSession, *, is_answered: bool, before: Cursor | None, limit: int
) -> Sequence[ContactMessage]:
    """Return up to `limit` messages, the newest first, from behind `before`."""
    answered = ContactMessage.answered_at
    query = (
        select(ContactMessage)
        .where(answered.is_not(None) if is_answered else answered.is_(None))
        .order_by(ContactMessage.created_at.desc(), ContactMessage.id.desc())
        .limit(limit)
    )
    if before is not None:
        at, last_id = before
        same_moment = (ContactMessage.created_at == at) & (ContactMessage.id < last_id)
        query = query.where(or_(ContactMessage.created_at < at, same_moment))
    return list(await session.scalars(query))


async def find_message(session: AsyncSession, message_id: str) -> ContactMessage | None:
    """Return a message to change, whatever was typed."""
    if len(message_id) != ID_LENGTH:
        return None
    return await session.get(ContactMessage, message_id, with_for_update=True)
