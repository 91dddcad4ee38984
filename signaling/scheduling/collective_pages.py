"""Collective bodies and their members, for the coordinators of the body or unit (R37)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiohttp import web

from signaling.accounts.bodies import BadName, NameTaken
from signaling.accounts.body_changes import BodyChange
from signaling.accounts.rights import Action, places_of
from signaling.accounts.visitor import Visitor
from signaling.scheduling.collective_bodies import (
    BadMember,
    list_collective_bodies,
    list_members,
    parse_member,
)
from signaling.scheduling.collective_changes import (
    BadCollective,
    CollectiveChanges,
    find_collective,
)
from signaling.scheduling.desk_parts import DeskParts
from signaling.scheduling.places import list_places
from signaling.scheduling.values import CollectiveKind, Office
from signaling.storage.database import ChangedMeanwhile
from signaling.storage.models import Body, Member, Unit

PAGE_SIZE = 25
MEMBERS_PER_PAGE = 60
MAX_CURSOR_LENGTH = 340
NO_FIELDS: Mapping[str, str] = {}


class CollectivePages:
    """Answers `/desk/collective-bodies…`, but for the import."""

    def __init__(self, parts: DeskParts) -> None:
        self._parts = parts
        self._accounts = parts.accounts
        self._changes = CollectiveChanges(parts.accounts)

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
        errors: Mapping[str, str]
        try:
            made = await self._changes.create(
                visitor, form.get("place", ""), form.get("name", ""), form.get("kind", "")
            )
        except BadCollective as mistake:
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
        is_active = form["set"] == "open" if form.get("set") in ("open", "closed") else None
        change = BodyChange(form.get("version", ""), form.get("name", ""), is_active)
        collective_id = request.match_info["id"]
        try:
            await self._changes.change(visitor, collective_id, change, form.get("kind", ""))
        except (BadName, NameTaken, BadCollective) as mistake:
            code = _name_error(mistake, form)
            return await self._body_page(request, visitor, errors={"rename": code}, typed=form)
        except (ChangedMeanwhile, web.HTTPConflict):
            return await self._body_page(request, visitor, typed=form, is_stale=True)
        raise web.HTTPSeeOther(f"/desk/collective-bodies/{collective_id}?done=changed")

    async def add_member(self, request: web.Request) -> web.Response:
        """Give somebody a seat."""
        visitor, form = await self._parts.read_form(request)
        collective_id = request.match_info["id"]
        try:
            await self._changes.add_member(visitor, collective_id, parse_member(dict(form)))
        except BadMember as mistake:
            return await self._body_page(request, visitor, errors=mistake.errors, typed=form)
        raise web.HTTPSeeOther(f"/desk/collective-bodies/{collective_id}?done=member")

    async def change_member(self, request: web.Request) -> web.Response:
        """Correct a name or address, or give another office."""
        visitor, form = await self._parts.read_form(request)
        collective_id, member_id = request.match_info["id"], request.match_info["member"]
        try:
            await self._changes.change_member(
                visitor, collective_id, member_id, parse_member(dict(form))
            )
        except BadMember as mistake:
            errors = {f"{name}_{member_id}": code for name, code in mistake.errors.items()}
            return await self._body_page(
                request, visitor, errors=errors, typed=form, editing=member_id
            )
        raise web.HTTPSeeOther(f"/desk/collective-bodies/{collective_id}?done=changed")

    async def end_member(self, request: web.Request) -> web.Response:
        """Take a seat back. What it was stays."""
        visitor, _ = await self._parts.read_form(request)
        collective_id = request.match_info["id"]
        await self._changes.end_member(visitor, collective_id, request.match_info["member"])
        raise web.HTTPSeeOther(f"/desk/collective-bodies/{collective_id}?done=member_ended")

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
        typed: Mapping[str, str] = NO_FIELDS, editing: str = "", is_stale: bool = False,
    ) -> web.Response:  # fmt: skip
        async with self._accounts.database.read() as session:
            found = await find_collective(session, request.match_info["id"], visitor)
            members = await list_members(session, found.id)
            body = await session.get_one(Body, found.body_id)
            unit = await session.get(Unit, found.unit_id) if found.unit_id else None
        page = _page_of(members, request.query.get("page", ""), editing)
        start = page * MEMBERS_PER_PAGE
        done = request.query.get("done", "")
        return self._parts.pages.page(
            request, "collective_body.html", visitor,
            status=409 if is_stale else 422 if errors else 200, is_stale=is_stale, found=found,
            body=body, unit=unit, members=members[start : start + MEMBERS_PER_PAGE],
            member_count=len(members), page=page,
            has_next=len(members) > start + MEMBERS_PER_PAGE, errors=errors, typed=typed,
            editing=editing, kinds=[each.value for each in CollectiveKind],
            offices=[each.value for each in Office],
            added=request.query.get("added", "")[:5], known=request.query.get("known", "")[:5],
            done=done if done in DONE else "",
        )  # fmt: skip


DONE = frozenset({"created", "changed", "member", "member_ended", "imported"})


def _name_error(mistake: Exception, form: Mapping[str, str]) -> str:
    if isinstance(mistake, BadCollective):
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
