"""The desk of bodies and units, and of who coordinates them (R6, R24)."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.assignments import list_assignments
from signaling.accounts.bodies import (
    BadName,
    NameTaken,
    list_bodies,
    list_units,
)
from signaling.accounts.body_changes import BodyChanges, check_body, find_body
from signaling.accounts.body_refused import NOTHING_REFUSED, RefusedForm, read_change
from signaling.accounts.parts import PageParts
from signaling.accounts.rights import AccountRole, Action, Target, bodies_of
from signaling.accounts.role_invitations import open_invitations
from signaling.accounts.visitor import Visitor
from signaling.audit.trail import AuditAction, AuditEntry
from signaling.storage.database import ChangedMeanwhile
from signaling.storage.models import RoleAssignment, Unit

PAGE_SIZE = 25
INVITE_MISTAKES = ("email_missing", "email_bad")
MAX_CURSOR_LENGTH = 300

END_ACTIONS = {
    AccountRole.BODY_COORDINATOR: Action.END_BODY_COORDINATOR,
    AccountRole.UNIT_COORDINATOR: Action.END_UNIT_COORDINATOR,
}


class BodyPages:
    """Answers `/administration/bodies…`."""

    def __init__(self, parts: PageParts) -> None:
        self._parts = parts
        self._accounts = parts.accounts
        self._changes = BodyChanges(parts.accounts)

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        bodies = "/administration/bodies"
        app.router.add_get(bodies, self.list)
        app.router.add_post(bodies, self.create)
        app.router.add_get(bodies + "/{id}", self.show)
        app.router.add_post(bodies + "/{id}", self.change)
        app.router.add_post(bodies + "/{id}/units", self.create_unit)
        app.router.add_post(bodies + "/{id}/units/{unit}", self.change_unit)
        app.router.add_post(bodies + "/{id}/roles/{assignment}/end", self.end_role)

    async def list(self, request: web.Request) -> web.Response:
        """Show the bodies this person may see."""
        visitor = await self._accounts.visitors.require(request)
        return await self._list_page(request, visitor, 200, {}, "")

    async def create(self, request: web.Request) -> web.Response:
        """Make a body."""
        accounts = self._accounts
        visitor, form = await accounts.visitors.read_form(request)
        check_body(visitor, Action.MANAGE_BODIES)
        accounts.take_turn(visitor)
        typed = form.get("name", "")
        try:
            body = await self._changes.create_body(visitor, typed)
        except (BadName, NameTaken) as mistake:
            errors = {"name": name_error(mistake, typed)}
            return await self._list_page(request, visitor, 422, errors, typed)
        raise web.HTTPSeeOther(f"/administration/bodies/{body.id}")

    async def show(self, request: web.Request) -> web.Response:
        """Show one body with its units and coordinators."""
        visitor = await self._accounts.visitors.require(request)
        mistake = request.query.get("mistake", "")
        errors = {"invite_email": mistake} if mistake in INVITE_MISTAKES else {}
        return await self._body_page(request, visitor, RefusedForm(errors=errors))

    async def change(self, request: web.Request) -> web.Response:
        """Rename a body, or close or open it."""
        accounts = self._accounts
        visitor, form = await accounts.visitors.read_form(request)
        check_body(visitor, Action.MANAGE_BODIES)
        accounts.take_turn(visitor)
        body_id = request.match_info["id"]
        try:
            await self._changes.change_body(visitor, body_id, read_change(form))
        except (BadName, NameTaken) as mistake:
            errors = {"name": name_error(mistake, form.get("name", ""))}
            return await self._body_page(request, visitor, RefusedForm(form, errors))
        except (ChangedMeanwhile, web.HTTPConflict):
            return await self._body_page(request, visitor, RefusedForm(form, is_stale=True))
        raise web.HTTPSeeOther(f"/administration/bodies/{body_id}")

    async def create_unit(self, request: web.Request) -> web.Response:
        """Make a unit (R24)."""
        accounts = self._accounts
        visitor, form = await accounts.visitors.read_form(request)
        accounts.take_turn(visitor)
        body_id, typed = request.match_info["id"], form.get("unit_name", "")
        try:
            await self._changes.create_unit(visitor, body_id, typed)
        except (BadName, NameTaken) as mistake:
            errors = {"unit_name": name_error(mistake, typed)}
            return await self._body_page(request, visitor, RefusedForm(form, errors))
        raise web.HTTPSeeOther(f"/administration/bodies/{body_id}")

    async def change_unit(self, request: web.Request) -> web.Response:
        """Rename a unit, or close or open it."""
        accounts = self._accounts
        visitor, form = await accounts.visitors.read_form(request)
        accounts.take_turn(visitor)
        body_id, unit_id = request.match_info["id"], request.match_info["unit"]
        try:
            await self._changes.change_unit(visitor, body_id, unit_id, read_change(form))
        except (BadName, NameTaken) as mistake:
            errors = {f"name_{unit_id}": name_error(mistake, form.get("name", ""))}
            return await self._body_page(request, visitor, RefusedForm(form, errors, unit_id))
        except (ChangedMeanwhile, web.HTTPConflict):
            refused = RefusedForm(form, unit_id=unit_id, is_stale=True)
            return await self._body_page(request, visitor, refused)
        raise web.HTTPSeeOther(f"/administration/bodies/{body_id}")

    async def end_role(self, request: web.Request) -> web.Response:
        """Take a role away."""
        accounts = self._accounts
        visitor, _ = await accounts.visitors.read_form(request)
        accounts.take_turn(visitor)
        async with accounts.database.write() as session:
            body = await find_body(session, request.match_info["id"])
            assignment = await session.get(RoleAssignment, request.match_info["assignment"])
            if assignment is None or assignment.body_id != body.id:
                raise web.HTTPNotFound()
            action = END_ACTIONS[AccountRole(assignment.role)]
            check_body(visitor, action, Target(body_id=body.id, unit_id=assignment.unit_id))
            if assignment.ended_at is None:
                assignment.ended_at = accounts.now()
                await self._record(
                    session, visitor, AuditAction.END_ROLE, "role_assignment", assignment.id
                )
        raise web.HTTPSeeOther(f"/administration/bodies/{body.id}")

    async def _record(
        self, session: AsyncSession, visitor: Visitor, action: AuditAction, kind: str,
        object_id: str,
    ) -> None:  # fmt: skip
        entry = AuditEntry(self._accounts.now(), visitor.actor.person_id, action, kind, object_id)
        await self._accounts.trail.record(session, entry)

    async def _list_page(
        self, request: web.Request, visitor: Visitor, status: int, errors: Mapping[str, str],
        typed: str,
    ) -> web.Response:  # fmt: skip
        if not visitor.may_somewhere(Action.SEE_BODY):
            raise web.HTTPNotFound()
        after = request.query.get("after", "")[:MAX_CURSOR_LENGTH]
        only = bodies_of(visitor.actor, Action.SEE_BODY)
        async with self._accounts.database.read() as session:
            rows = await list_bodies(session, after=after, limit=PAGE_SIZE + 1, only=only)
        return self._parts.page(
            request, "bodies.html", visitor, status=status, bodies=rows[:PAGE_SIZE],
            after=rows[PAGE_SIZE - 1].name_key if len(rows) > PAGE_SIZE else "",
            may_create=visitor.may(Action.MANAGE_BODIES), errors=errors, typed=typed,
        )  # fmt: skip

    async def _body_page(
        self, request: web.Request, visitor: Visitor, refused: RefusedForm = NOTHING_REFUSED
    ) -> web.Response:
        async with self._accounts.database.read() as session:
            body = await find_body(session, request.match_info["id"])
            target = Target(body_id=body.id)
            check_body(visitor, Action.SEE_BODY, target)
            units = await list_units(session, body.id)
            roles = await list_assignments(session, body_id=body.id)
            offers = await open_invitations(session, body.id, self._accounts.now())
            thing = await session.get(Unit, refused.unit_id) if refused.unit_id else body
        endable = {
            role.id for role in roles
            if visitor.may(END_ACTIONS[role.role], Target(body_id=body.id, unit_id=role.unit_id))
        }  # fmt: skip
        return self._parts.page(
            request, "body.html", visitor, status=refused.status, body=body, units=units, roles=roles,
            endable=endable, may_change=visitor.may(Action.MANAGE_BODIES),
            may_create_unit=visitor.may(Action.CREATE_UNIT, target), offers=offers,
            may_appoint_body=visitor.may(Action.APPOINT_BODY_COORDINATOR, target),
            may_appoint_unit=visitor.may(Action.APPOINT_UNIT_COORDINATOR, target),
            done="invited" if request.query.get("done") == "invited" else "",
            refused=refused, thing=thing, errors=refused.errors, typed=refused.typed,
        )  # fmt: skip


def name_error(mistake: Exception, typed: str) -> str:
    """Return the code of what is wrong with a name."""
    if isinstance(mistake, NameTaken):
        return "name_taken"
    return "name_too_long" if typed.strip() else "name_missing"
