"""Reading the audit trail, newest first."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.storage.models import AuditRecord


async def read_records(
    session: AsyncSession, *, before: int | None = None, action: str = "", actor: str = "",
    limit: int,
) -> Sequence[AuditRecord]:  # fmt: skip
    """Return up to `limit` records with numbers below `before`."""
    query = select(AuditRecord).order_by(AuditRecord.number.desc()).limit(limit)
    if before is not None:
        query = query.where(AuditRecord.number < before)
    if action:
        query = query.where(AuditRecord.action == action)
    if actor:
        query = query.where(AuditRecord.actor == actor)
    return list(await session.scalars(query))
