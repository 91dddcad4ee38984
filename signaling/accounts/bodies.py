"""Records of bodies (Φορείς) and units (Οργανικές Μονάδες)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.texts import clean_line, fold
from signaling.storage.models import Body, Unit

MAX_NAME_LENGTH = 200
MAX_UNITS = 500
"""LIMIT: units listed for one body."""
MAX_BODIES_OFFERED = 2000
"""LIMIT: bodies offered in one choice."""


class NameTaken(Exception):
    """There is one that reads the same."""


class BadName(Exception):
    """Empty or too long."""


def parse_name(text: str) -> str:
    """Return a name fit for a body or unit.

    Raises:
        BadName: see above.
    """
    name = clean_line(text)
    if not name or len(name) > MAX_NAME_LENGTH or not fold(name):
        raise BadName
    return name


async def create_body(session: AsyncSession, name: str, now: datetime) -> Body:
    """Make a body.

    Raises:
        BadName, NameTaken: see above.
    """
    name = parse_name(name)
    body = Body(name=name, name_key=fold(name), is_active=True, created_at=now)
    await _add(session, body)
    return body


async def create_unit(session: AsyncSession, body: Body, name: str, now: datetime) -> Unit:
    """Make a unit of `body`.

    Raises:
        BadName, NameTaken: see above.
    """
    name = parse_name(name)
    unit = Unit(body_id=body.id, name=name, name_key=fold(name), is_active=True, created_at=now)
    await _add(session, unit)
    return unit


async def rename(session: AsyncSession, thing: Body | Unit, name: str) -> None:
    """Give another name.

    Raises:
        BadName, NameTaken: see above.
    """
    name = parse_name(name)
    try:
        async with session.begin_nested():
            thing.name, thing.name_key = name, fold(name)
    except IntegrityError:
        raise NameTaken from None


async def find_body_by_name(session: AsyncSession, name: str) -> Body | None:
    """Return the body whose name reads the same."""
    found: Body | None = await session.scalar(select(Body).where(Body.name_key == fold(name)))
    return found


async def find_or_create_body(session: AsyncSession, name: str, now: datetime) -> Body:
    """Return the body of that name.

    Raises:
        BadName: see above.
    """
    return await find_body_by_name(session, name) or await create_body(session, name, now)


async def find_or_create_unit(session: AsyncSession, body: Body, name: str, now: datetime) -> Unit:
    """Return the body's unit of that name.

    Raises:
        BadName: see above.
    """
    found: Unit | None = await session.scalar(
        select(Unit).where(Unit.body_id == body.id, Unit.name_key == fold(name))
    )
    return found or await create_unit(session, body, name, now)


async def list_bodies(
    session: AsyncSession, *, after: str = "", limit: int, only: frozenset[str] | None = None
) -> Sequence[Body]:
    """Return up to `limit` bodies by name, from behind the folded name `after`."""
    query = select(Body).where(Body.name_key > after).order_by(Body.name_key).limit(limit)
    if only is not None:
        query = query.where(Body.id.in_(only))
    return list(await session.scalars(query))


async def list_units(session: AsyncSession, body_id: str) -> Sequence[Unit]:
    """Return the units of a body by name."""
    query = select(Unit).where(Unit.body_id == body_id).order_by(Unit.name_key).limit(MAX_UNITS)
    return list(await session.scalars(query))


async def _add(session: AsyncSession, thing: Body | Unit) -> None:
    try:
        async with session.begin_nested():
            session.add(thing)
    except IntegrityError:
        raise NameTaken from None
