"""The names that belong to a sitting, as pages and mails tell them: one question for all of them."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.storage.models import Body, CollectiveBody, Person, Sitting, Unit


class SittingNames(NamedTuple):
    """Whose sitting it is."""

    body: str
    unit: str
    """Empty: of no unit. So the next."""
    collective_body: str
    organiser: Person


async def names_of(session: AsyncSession, sitting: Sitting) -> SittingNames:
    """Read the names of a sitting that is stored."""
    row = await session.execute(_NAMES, {"sitting_id": sitting.id})
    return SittingNames(*row.one())


_NAMES = (
    select(Body.name, func.coalesce(Unit.name, ""), func.coalesce(CollectiveBody.name, ""), Person)
    .select_from(Sitting)
    .join(Body, Body.id == Sitting.body_id)
    .join(Person, Person.id == Sitting.organiser_id)
    .outerjoin(Unit, Unit.id == Sitting.unit_id)
    .outerjoin(CollectiveBody, CollectiveBody.id == Sitting.collective_body_id)
    .where(Sitting.id == bindparam("sitting_id"))
)
