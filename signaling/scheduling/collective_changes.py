"""What coordinators change of collective bodies and their members: right, record and trail in one
transaction. Pages and the API call it (R37)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.body_changes import BodyChange
from signaling.accounts.parts import AccountParts
from signaling.accounts.rights import Action, Target
from signaling.accounts.visitor import Visitor
from signaling.audit.trail import AuditAction, AuditEntry
from signaling.scheduling.collective_bodies import (
    ImportResult,
    MemberForm,
    add_member,
    change_collective_body,
    change_member,
    create_collective_body,
    import_members,
)
from signaling.scheduling.people_csv import ListedPerson
from signaling.scheduling.places import find_place
from signaling.scheduling.values import CollectiveKind
from signaling.storage.models import CollectiveBody, Member


class BadCollective(Exception):
    """The form has mistakes: field → code of a text."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(errors)
        self.errors = errors


class CollectiveChanges:
    """Changes collective bodies and members.

    All methods raise HTTPNotFound where the visitor has no right, exactly as if there were nothing;
    BadName, NameTaken of signaling.accounts.bodies; BadMember of collective_bodies.
    """

    def __init__(self, accounts: AccountParts) -> None:
        self._accounts = accounts

    async def create(
        self, visitor: Visitor, place_value: str, name: str, kind: str
    ) -> CollectiveBody:
        """Make one.

        Raises:
            BadCollective: see above.
        """
        async with self._accounts.database.write() as session:
            place = await find_place(session, visitor.actor, place_value)
            if place is None or place.collective_body_id is not None:
                raise BadCollective({"place": "place_missing"})
            check_collective(visitor, place.target)
            made = await create_collective_body(
                session, (place.body_id, place.unit_id), name, parse_kind(kind),
                self._accounts.now(),
            )  # fmt: skip
            await self._record(
                session, visitor, AuditAction.CREATE_COLLECTIVE_BODY, "collective_body", made.id
            )
        return made

    async def change(
        self, visitor: Visitor, collective_id: str, change: BodyChange, kind: str
    ) -> CollectiveBody:
        """Give another name and kind, or close or open.

        Raises:
            BadCollective: see above.
            HTTPConflict: it has changed meanwhile.
        """
        async with self._accounts.database.write() as session:
            found = await find_collective(session, collective_id, visitor)
            if str(found.version) != change.version:
                raise web.HTTPConflict(text="changed_meanwhile")
            if change.is_active is not None:
                found.is_active = change.is_active
            else:
                await change_collective_body(session, found, change.name, parse_kind(kind))
            await self._record(
                session, visitor, AuditAction.CHANGE_COLLECTIVE_BODY, "collective_body", found.id
            )
        return found

    async def add_member(self, visitor: Visitor, collective_id: str, form: MemberForm) -> Member:
        """Give somebody a seat."""
        async with self._accounts.database.write() as session:
            found = await find_collective(session, collective_id, visitor)
            member = await add_member(session, found.id, form, self._accounts.now())
            await self._record(session, visitor, AuditAction.ADD_MEMBER, "member", member.id)
        return member

    async def change_member(
        self, visitor: Visitor, collective_id: str, member_id: str, form: MemberForm
    ) -> Member:
        """Correct a name or address, or give another office."""
        async with self._accounts.database.write() as session:
            found = await find_collective(session, collective_id, visitor)
            member = await _find_member(session, member_id, found)
            await change_member(session, member, form)
            await self._record(session, visitor, AuditAction.CHANGE_MEMBER, "member", member.id)
        return member

    async def end_member(self, visitor: Visitor, collective_id: str, member_id: str) -> None:
        """Take a seat back. What it was stays."""
        async with self._accounts.database.write() as session:
            found = await find_collective(session, collective_id, visitor)
            member = await _find_member(session, member_id, found)
            member.ended_at = self._accounts.now()
            await self._record(session, visitor, AuditAction.END_MEMBER, "member", member.id)

    async def import_people(
        self, visitor: Visitor, collective_id: str, people: Sequence[ListedPerson]
    ) -> ImportResult:
        """Give seats to all who have none."""
        now = self._accounts.now()
        async with self._accounts.database.write() as session:
            found = await find_collective(session, collective_id, visitor)
            result = await import_members(session, found.id, people, now)
            await self._accounts.trail.record(
                session,
                AuditEntry(
                    now, visitor.actor.person_id, AuditAction.IMPORT_MEMBERS, "collective_body",
                    found.id, facts={"added": result.added, "known": result.known},
                ),
            )  # fmt: skip
        return result

    async def _record(
        self, session: AsyncSession, visitor: Visitor, action: AuditAction, kind: str,
        object_id: str,
    ) -> None:  # fmt: skip
        entry = AuditEntry(self._accounts.now(), visitor.actor.person_id, action, kind, object_id)
        await self._accounts.trail.record(session, entry)


async def find_collective(
    session: AsyncSession, collective_id: str, visitor: Visitor
) -> CollectiveBody:
    """Return a collective body if the visitor manages it.

    Raises:
        HTTPNotFound: a foreign one answers exactly like one that is not there.
    """
    found = await session.get(CollectiveBody, collective_id)
    if found is None:
        raise web.HTTPNotFound()
    check_collective(visitor, Target(found.body_id, found.unit_id))
    return found


def check_collective(visitor: Visitor, target: Target) -> None:
    """Refuse like what is not there.

    Raises:
        HTTPNotFound: see above.
    """
    if not visitor.may(Action.MANAGE_COLLECTIVE_BODY, target):
        raise web.HTTPNotFound()


def parse_kind(kind: str) -> CollectiveKind:
    """Return the kind.

    Raises:
        BadCollective: it is none.
    """
    if kind not in set(CollectiveKind):
        raise BadCollective({"kind": "kind_unknown"})
    return CollectiveKind(kind)


async def _find_member(session: AsyncSession, member_id: str, found: CollectiveBody) -> Member:
    member = await session.get(Member, member_id)
    if member is None or member.collective_body_id != found.id or member.ended_at is not None:
        raise web.HTTPNotFound()
    return member
