"""What coordinators and administrators change of bodies and units: right, record and trail in one
transaction. Pages and the API call it (R6, R24)."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.bodies import create_body, create_unit, rename
from signaling.accounts.parts import AccountParts
from signaling.accounts.rights import Action, Target
from signaling.accounts.visitor import Visitor
from signaling.audit.trail import AuditAction, AuditEntry
from signaling.storage.models import Body, Unit


@dataclass(frozen=True)
class BodyChange:
    """Another name, or open or closed."""

    version: str
    """As it was shown: what has changed since is not changed again."""
    name: str = ""
    is_active: bool | None = None
    """None: the name is changed."""


class BodyChanges:
    """Changes bodies and units.

    All methods raise HTTPNotFound where the visitor has no right, exactly as if there were nothing;
    HTTPConflict if it has changed meanwhile; BadName, NameTaken of signaling.accounts.bodies.
    """

    def __init__(self, accounts: AccountParts) -> None:
        self._accounts = accounts

    async def create_body(self, visitor: Visitor, name: str) -> Body:
        """Make a body."""
        check_body(visitor, Action.MANAGE_BODIES)
        async with self._accounts.database.write() as session:
            body = await create_body(session, name, self._accounts.now())
            await self._record(session, visitor, AuditAction.CREATE_BODY, "body", body.id)
        return body

    async def change_body(self, visitor: Visitor, body_id: str, change: BodyChange) -> Body:
        """Rename a body, or close or open it."""
        check_body(visitor, Action.MANAGE_BODIES)
        async with self._accounts.database.write() as session:
            body = await find_body(session, body_id)
            await _change(session, body, change)
            await self._record(session, visitor, AuditAction.CHANGE_BODY, "body", body.id)
        return body

    async def create_unit(self, visitor: Visitor, body_id: str, name: str) -> Unit:
        """Make a unit (R24)."""
        async with self._accounts.database.write() as session:
            body = await find_body(session, body_id)
            check_body(visitor, Action.CREATE_UNIT, Target(body_id=body.id))
            unit = await create_unit(session, body, name, self._accounts.now())
            await self._record(session, visitor, AuditAction.CREATE_UNIT, "unit", unit.id)
        return unit

    async def change_unit(
        self, visitor: Visitor, body_id: str, unit_id: str, change: BodyChange
    ) -> Unit:
        """Rename a unit, or close or open it."""
        async with self._accounts.database.write() as session:
            body = await find_body(session, body_id)
            unit = await session.get(Unit, unit_id)
            if unit is None or unit.body_id != body.id:
                raise web.HTTPNotFound()
            check_body(visitor, Action.CHANGE_UNIT, Target(body_id=body.id, unit_id=unit.id))
            await _change(session, unit, change)
            await self._record(session, visitor, AuditAction.CHANGE_UNIT, "unit", unit.id)
        return unit

    async def _record(
        self, session: AsyncSession, visitor: Visitor, action: AuditAction, kind: str,
        object_id: str,
    ) -> None:  # fmt: skip
        entry = AuditEntry(self._accounts.now(), visitor.actor.person_id, action, kind, object_id)
        await self._accounts.trail.record(session, entry)


async def find_body(session: AsyncSession, body_id: str) -> Body:
    """Return a body.

    Raises:
        HTTPNotFound: there is none.
    """
    body = await session.get(Body, body_id)
    if body is None:
        raise web.HTTPNotFound()
    return body


def check_body(visitor: Visitor, action: Action, target: Target | None = None) -> None:
    """Refuse like what is not there: a foreign id answers exactly like a random one."""
    if not visitor.may(action, target or Target()):
        raise web.HTTPNotFound()


async def _change(session: AsyncSession, thing: Body | Unit, change: BodyChange) -> None:
    if str(thing.version) != change.version:
        raise web.HTTPConflict(text="changed_meanwhile")
    if change.is_active is not None:
        thing.is_active = change.is_active
    else:
        await rename(session, thing, change.name)
