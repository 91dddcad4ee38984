"""Records of roles: who holds which, granted and ended. Rights are asked elsewhere (`rights`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.rights import AccountRole, Actor, HeldRole
from signaling.storage.models import Body, Person, RoleAssignment, Unit


@dataclass(frozen=True)
class Assignment:
    """A role held, with the names that people read."""

    id: str
    role: AccountRole
    person_id: str
    person_name: str
    body_id: str | None
    body_name: str
    unit_id: str | None
    unit_name: str
    granted_at: datetime


async def held_roles(session: AsyncSession, person_id: str) -> frozenset[HeldRole]:
    """Return what the person is, in active bodies and units."""
    rows = await session.execute(
        select(RoleAssignment.role, RoleAssignment.body_id, RoleAssignment.unit_id)
        .outerjoin(Body, Body.id == RoleAssignment.body_id)
        .outerjoin(Unit, Unit.id == RoleAssignment.unit_id)
        .where(
            RoleAssignment.person_id == person_id,
            RoleAssignment.ended_at.is_(None),
            Body.is_active.is_not(False),
            Unit.is_active.is_not(False),
        )
    )
    return frozenset(HeldRole(AccountRole(role), body, unit) for role, body, unit in rows)


async def read_actor(session: AsyncSession, person_id: str) -> Actor:
    """Return the person as the table of rights sees them."""
    return Actor(person_id, await held_roles(session, person_id))


async def list_assignments(
    session: AsyncSession, *, person_id: str | None = None, body_id: str | None = None
) -> Sequence[Assignment]:
    """Return the roles of a person, or in a body, with names."""
    query = (
        select(RoleAssignment, Person, Body.name, Unit.name)
        .join(Person, Person.id == RoleAssignment.person_id)
        .outerjoin(Body, Body.id == RoleAssignment.body_id)
        .outerjoin(Unit, Unit.id == RoleAssignment.unit_id)
        .where(RoleAssignment.ended_at.is_(None))
        .order_by(Body.name, Unit.name, Person.family_name, RoleAssignment.id)
        .limit(MAX_LISTED)
    )
    if person_id is not None:
        query = query.where(RoleAssignment.person_id == person_id)
    if body_id is not None:
        query = query.where(RoleAssignment.body_id == body_id)
    rows = await session.execute(query)
    return [
        Assignment(
            row.id, AccountRole(row.role), row.person_id, person.full_name, row.body_id,
            body or "", row.unit_id, unit or "", row.granted_at,
        )
        for row, person, body, unit in rows
    ]  # fmt: skip


async def grant(
    session: AsyncSession, person_id: str, held: HeldRole, now: datetime
) -> RoleAssignment:
    """Give a role, or return the assignment that gives it already."""
    existing: RoleAssignment | None = await session.scalar(
        select(RoleAssignment).where(
            RoleAssignment.person_id == person_id,
            RoleAssignment.role == held.role,
            RoleAssignment.body_id.is_(None)
            if held.body_id is None
            else RoleAssignment.body_id == held.body_id,
            RoleAssignment.unit_id.is_(None)
            if held.unit_id is None
            else RoleAssignment.unit_id == held.unit_id,
            RoleAssignment.ended_at.is_(None),
        )
    )
    if existing is not None:
        return existing
    assignment = RoleAssignment(
        person_id=person_id, role=held.role.value, body_id=held.body_id, unit_id=held.unit_id,
        granted_at=now,
    )  # fmt: skip
    session.add(assignment)
    await session.flush()
    return assignment


MAX_LISTED = 500
"""LIMIT: roles listed for one body or person."""
