"""Records of roles: who holds which, granted and ended. Rights are asked elsewhere (`rights`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from signaling.accounts.rights import AccountRole, Actor, HeldRole
from signaling.storage.models import Body, Kep, KepEmployee, Person, RoleAssignment, Unit
from signaling.storage.models.base import Id


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
    rows = await session.execute(_HELD, {"person_id": person_id})
    return frozenset(HeldRole(AccountRole(role), *where) for role, *where in rows)


async def list_keps_of(session: AsyncSession, person_id: str) -> Sequence[str]:
    """Return the names of the ΚΕΠ whose citizens the person serves."""
    return list(await session.scalars(_KEP_NAMES, {"person_id": person_id}))


async def read_actor(session: AsyncSession, person_id: str) -> Actor:
    """Return the person as the table of rights sees them."""
    return Actor(person_id, await held_roles(session, person_id))


async def list_assignments(
    session: AsyncSession, *, person_id: str | None = None, body_id: str | None = None
) -> Sequence[Assignment]:
    """Return the roles of a person, or in a body, with names."""
    query = _LISTED if person_id is None else _LISTED_OF_PERSON
    if body_id is not None:
        query = query.where(RoleAssignment.body_id == body_id)
    rows = await session.execute(query, {"person_id": person_id})
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


def _keps_of(*columns: InstrumentedAttribute[str] | ColumnElement[Any]) -> Select[*tuple[Any, ...]]:
    """Whoever is not linked to an account yet is known by their confirmed address."""
    address = select(func.lower(Person.email)).where(Person.id == _PERSON).scalar_subquery()
    return (
        select(*columns)
        .select_from(KepEmployee)
        .join(Kep, Kep.id == KepEmployee.kep_id)
        .where(
            KepEmployee.is_active,
            Kep.is_active,
            or_(
                KepEmployee.person_id == _PERSON,
                KepEmployee.person_id.is_(None) & (KepEmployee.email == address),
            ),
        )
    )


_PERSON = bindparam("person_id", type_=Id)
_NONE: ColumnElement[str | None] = literal_column("NULL")
_HELD = union_all(
    select(RoleAssignment.role, RoleAssignment.body_id, RoleAssignment.unit_id, _NONE)
    .outerjoin(Body, Body.id == RoleAssignment.body_id)
    .outerjoin(Unit, Unit.id == RoleAssignment.unit_id)
    .where(
        RoleAssignment.person_id == _PERSON,
        RoleAssignment.ended_at.is_(None),
        Body.is_active.is_not(False),
        Unit.is_active.is_not(False),
    ),
    _keps_of(literal_column(f"'{AccountRole.KEP_EMPLOYEE}'"), _NONE, _NONE, KepEmployee.kep_id),
)
"""Role, body, unit, ΚΕΠ. Built once, as the next: it is asked with every page."""
_KEP_NAMES = _keps_of(Kep.name).order_by(Kep.name)

MAX_LISTED = 500
"""LIMIT: roles listed for one body or person."""
_LISTED = (
    select(RoleAssignment, Person, Body.name, Unit.name)
    .join(Person, Person.id == RoleAssignment.person_id)
    .outerjoin(Body, Body.id == RoleAssignment.body_id)
    .outerjoin(Unit, Unit.id == RoleAssignment.unit_id)
    .where(RoleAssignment.ended_at.is_(None))
    .order_by(Body.name, Unit.name, Person.family_name, RoleAssignment.id)
    .limit(MAX_LISTED)
)
_LISTED_OF_PERSON = _LISTED.where(RoleAssignment.person_id == _PERSON)
