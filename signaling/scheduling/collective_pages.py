"""Collective bodies and their members, for the coordinators of the body or unit (R37)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.bodies import BadName, NameTaken
from signaling.accounts.rights import Action, Target, places_of
from signaling.accounts.visitor import Visitor
from signaling.audit.trail import AuditAction, AuditEntry
from signaling.scheduling.collective_bodies import (
    BadMember,
    add_member,
    change_collective_body,
    change_member,
    create_collective_body,
    list_collective_bodies,
    list_members,
    parse_member,
)
from signaling.scheduling.desk_parts import DeskParts
from signaling.scheduling.places import find_place, list_places
from signaling.scheduling.values import CollectiveKind, Office
from signaling.storage.models import Body, CollectiveBody, Member, Unit

PAGE_SIZE = 25
MEMBERS_PER_PAGE = 60
MAX_CURSOR_LENGTH = 340
NO_FIELDS: Mapping[str, str] = {}


class CollectivePages:
    """Answers `/desk/collective-bodies…`, but for the import."""

    def __init__(self, parts: DeskParts) -> None:
        self._parts = parts
        self._accounts = parts.accounts

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        bodies = "/desk/collective-bodies"
        app.router.add_get(bodies, self.list)
        app.router.add_post(bodies, self.create)
        app.router.add_get(bodies + "/{id}", self.show)
        app.router.add_post(bodies + "/{id}", self.change)
        app.router.add_post(bodies + "/{id}/members", self.add_member)
        app.router.add_post(bodies + "/{id}/members/{member}", self.change_member)
        app.router.add_post(bodies + "/{id}/members/{member}/end", self.end_member)

    async def list(self, request: web.Request) -> web.Response:
        """Show the collective bodies this person manages."""
        visitor = await self._parts.require(request)
        return await self._list_page(request, visitor)

    async def create(self, request: web.Request) -> web.Response:
        """Make one."""
        visitor, form = await self._parts.read_form(request)
        accounts = self._accounts
        errors: Mapping[str, str]
        try:
            async with accounts.database.write() as session:
                place = await find_place(session, visitor.actor, form.get("place", ""))
                if place is None or place.collective_body_id is not None:
                    raise _Mistake({"place": "place_missing"})
                check_collective(visitor, place.target)
                made = await create_collective_body(
                    session, (place.body_id, place.unit_id), form.get("name", ""),
                    _kind_of(form), accounts.now(),
                )  # fmt: skip
                await self._record(
                    session, visitor, AuditAction.CREATE_COLLECTIVE_BODY, "collective_body", made.id
                )
        except _Mistake as mistake:
            errors = mistake.errors
        except (BadName, NameTaken) as mistake:
            errors = {"name": _name_error(mistake, form)}
        else:
            raise web.HTTPSeeOther(f"/desk/collective-bodies/{made.id}?done=created")
        return await self._list_page(request, visitor, errors=errors, typed=form)

    async def show(self, request: web.Request) -> web.Response:
        """Show one with its members."""
        visitor = await self._parts.require(request)
        return await self._body_page(request, visitor)

    async def change(self, request: web.Request) -> web.Response:
        """Give another name or kind, close or open."""
        visitor, form = await self._parts.read_form(request)
        try:
            async with self._accounts.database.write() as session:
                found = await find_collective(session, request, visitor)
                if str(found.version) != form.get("version"):
                    raise web.HTTPConflict(text="changed_meanwhile")
                if form.get("set") in ("open", "closed"):
                    found.is_active = form["set"] == "open"
                else:
                    await change_collective_body(
                        session, found, form.get("name", ""), _kind_of(form)
                    )
                await self._record(
                    session, visitor, AuditAction.CHANGE_COLLECTIVE_BODY, "collective_body",
                    found.id,
                )  # fmt: skip
        except (BadName, NameTaken, _Mistake) as mistake:
            code = _name_error(mistake, form)
            return await self._body_page(request, visitor, errors={"rename": code})
        raise web.HTTPSeeOther(f"/desk/collective-bodies/{found.id}?done=changed")

    async def add_member(self, request: web.Request) -> web.Response:
        """Give somebody a seat."""
        visitor, form = await self._parts.read_form(request)
        try:
            async with self._accounts.database.write() as session:
                found = await find_collective(session, request, visitor)
                fields = parse_member(dict(form))
                member = await add_member(session, found.id, fields, self._accounts.now())
                await self._record(session, visitor, AuditAction.ADD_MEMBER, "member", member.id)
        except BadMember as mistake:
            return await self._body_page(request, visitor, errors=mistake.errors, typed=form)
        raise web.HTTPSeeOther(f"/desk/collective-bodies/{found.id}?done=member")

    async def change_member(self, request: web.Request) -> web.Response:
        """Correct a name or address, or give another office."""
        visitor, form = await self._parts.read_form(request)
        try:
            async with self._accounts.database.write() as session:
                found = await find_collective(session, request, visitor)
                member = await _find_member(session, request, found)
                await change_member(session, member, parse_member(dict(form)))
                await self._record(session, visitor, AuditAction.CHANGE_MEMBER, "member", member.id)
        except BadMember as mistake:
            member_id = request.match_info["member"]
            errors = {f"{name}_{member_id}": code for name, code in mistake.errors.items()}
            return await self._body_page(
                request, visitor, errors=errors, typed=form, editing=member_id
            )
        raise web.HTTPSeeOther(f"/desk/collective-bodies/{found.id}?done=changed")

    async def end_member(self, request: web.Request) -> web.Response:
        """Take a seat back. What it was stays."""
        visitor, _ = await self._parts.read_form(request)
        async with self._accounts.database.write() as session:
            found = await find_collective(session, request, visitor)
            member = await _find_member(session, request, found)
            member.ended_at = self._accounts.now()
            await self._record(session, visitor, AuditAction.END_MEMBER, "member", member.id)
        raise web.HTTPSeeOther(f"/desk/collective-bodies/{found.id}?done=member_ended")

    async def _record(
        self, session: AsyncSession, visitor: Visitor, action: AuditAction, kind: str,
        object_id: str,
    ) -> None:  # fmt: skip
        entry = AuditEntry(self._accounts.now(), visitor.actor.person_id, action, kind, object_id)
        await self._accounts.trail.record(session, entry)

    async def _list_page(
        self, request: web.Request, visitor: Visitor, *, errors: Mapping[str, str] = NO_FIELDS,
        typed: Mapping[str, str] = NO_FIELDS,
    ) -> web.Response:  # fmt: skip
        after = request.query.get("after", "")[:MAX_CURSOR_LENGTH]
        manages = places_of(visitor.actor, Action.MANAGE_COLLECTIVE_BODY)
        if not manages:
            raise web.HTTPNotFound()
        async with self._accounts.database.read() as session:
            rows = await list_collective_bodies(session, manages, after=after, limit=PAGE_SIZE + 1)
            places = await list_places(session, visitor.actor)
        last = rows[PAGE_SIZE - 1] if len(rows) > PAGE_SIZE else None
        return self._parts.pages.page(
            request, "collective_bodies.html", visitor, status=422 if errors else 200,
            rows=rows[:PAGE_SIZE], after=f"{last.name_key} {last.id}" if last else "",
            places=[each for each in places if each.collective_body_id is None],
            kinds=[each.value for each in CollectiveKind], errors=errors, typed=typed,
        )  # fmt: skip

    async def _body_page(
        self, request: web.Request, visitor: Visitor, *, errors: Mapping[str, str] = NO_FIELDS,
        typed: Mapping[str, str] = NO_FIELDS, editing: str = "",
    ) -> web.Response:  # fmt: skip
        async with self._accounts.database.read() as session:
            found = await find_collective(session, request, visitor)
            members = await list_members(session, found.id)
            body = await session.get_one(Body, found.body_id)
            unit = await session.get(Unit, found.unit_id) if found.unit_id else None
        page = _page_of(members, request.query.get("page", ""), editing)
        start = page * MEMBERS_PER_PAGE
        done = request.query.get("done", "")
        return self._parts.pages.page(
            request, "collective_body.html", visitor, status=422 if errors else 200, found=found,
            body=body, unit=unit, members=members[start : start + MEMBERS_PER_PAGE],
            member_count=len(members), page=page,
            has_next=len(members) > start + MEMBERS_PER_PAGE, errors=errors, typed=typed,
            editing=editing, kinds=[each.value for each in CollectiveKind],
            offices=[each.value for each in Office],
            added=request.query.get("added", "")[:5], known=request.query.get("known", "")[:5],
            done=done if done in DONE else "",
        )  # fmt: skip


DONE = frozenset({"created", "changed", "member", "member_ended", "imported"})


class _Mistake(Exception):
    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(errors)
        self.errors = errors


async def find_collective(
    session: AsyncSession, request: web.Request, visitor: Visitor
) -> CollectiveBody:
    """Return the collective body of the address if the visitor manages it.

    Raises:
        HTTPNotFound: a foreign one answers exactly like one that is not there.
    """
    found = await session.get(CollectiveBody, request.match_info["id"])
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


async def _find_member(
    session: AsyncSession, request: web.Request, found: CollectiveBody
) -> Member:
    member = await session.get(Member, request.match_info["member"])
    if member is None or member.collective_body_id != found.id or member.ended_at is not None:
        raise web.HTTPNotFound()
    return member


def _kind_of(form: Mapping[str, str]) -> CollectiveKind:
    kind = form.get("kind", "")
    if kind not in set(CollectiveKind):
        raise _Mistake({"kind": "kind_unknown"})
    return CollectiveKind(kind)


def _name_error(mistake: Exception, form: Mapping[str, str]) -> str:
    if isinstance(mistake, _Mistake):
        return next(iter(mistake.errors.values()))
    if isinstance(mistake, NameTaken):
        return "name_taken"
    return "name_too_long" if form.get("name", "").strip() else "name_missing"


def _page_of(members: Sequence[Member], asked: str, editing: str) -> int:
    """Return the page that was asked for, or the one with the member that is edited."""
    if editing:
        place = next((at for at, each in enumerate(members) if each.id == editing), 0)
        return place // MEMBERS_PER_PAGE
    return int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 4 else 0
