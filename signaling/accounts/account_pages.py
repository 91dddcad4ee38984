"""«Ο λογαριασμός μου»: who I am here, my roles, and the «Αίτημα Αλλαγής Ρόλου» (R18, R19)."""

from __future__ import annotations

from aiohttp import web

from signaling.accounts.assignments import list_assignments, list_keps_of
from signaling.accounts.bodies import list_bodies
from signaling.accounts.parts import PageParts
from signaling.accounts.request_changes import RequestChanges
from signaling.accounts.rights import Action, Target
from signaling.accounts.role_requests import (
    AlreadyPending,
    RequestForm,
    RequestStatus,
    parse_request_form,
    requests_of,
)
from signaling.accounts.visitor import Visitor
from signaling.kep.records import list_own
from signaling.scheduling.invitations import upcoming_of

MAX_REQUESTS_SHOWN = 10
MAX_SITTINGS_SHOWN = 20
MAX_BODIES_SUGGESTED = 500
"""LIMIT: names offered while typing the body's name; any other may be typed."""


class AccountPages:
    """Answers `/account…`."""

    def __init__(self, parts: PageParts) -> None:
        self._parts = parts
        self._accounts = parts.accounts
        self._changes = RequestChanges(parts.accounts)

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        app.router.add_get("/account", self.account)
        app.router.add_get("/account/role-request", self.role_request)
        app.router.add_post("/account/role-request", self.file_role_request)
        app.router.add_post("/account/role-request/{id}/withdraw", self.withdraw_role_request)

    async def account(self, request: web.Request) -> web.Response:
        """Show the account."""
        visitor = await self._accounts.visitors.require(request)
        assert visitor.person is not None, "invariant: required to be signed in"
        async with self._accounts.database.read() as session:
            roles = await list_assignments(session, person_id=visitor.person.id)
            requests = await requests_of(session, visitor.person.id, MAX_REQUESTS_SHOWN)
            sittings = await upcoming_of(
                session, visitor.person, self._accounts.now(), MAX_SITTINGS_SHOWN
            )
            keps = await list_keps_of(session, visitor.person.id)
            appointments = await list_own(session, visitor.person.id, since=self._accounts.now())
        done = request.query.get("done", "")
        return self._parts.page(
            request, "account.html", visitor,
            person=visitor.person,
            civil=self._accounts.people.civil_data(visitor.person),
            roles=roles,
            requests=requests,
            sittings=sittings,
            keps=keps,
            appointments=appointments,
            has_pending=any(each.status == RequestStatus.PENDING for each in requests),
            done=done if done in DONE else "",
        )  # fmt: skip

    async def role_request(self, request: web.Request) -> web.Response:
        """Show the empty form."""
        visitor = await self._accounts.visitors.require(request)
        return await self._form_page(request, visitor, RequestForm(), 200)

    async def file_role_request(self, request: web.Request) -> web.Response:
        """Keep a request, or show the form with what is wrong."""
        accounts = self._accounts
        visitor, fields = await accounts.visitors.read_form(request)
        accounts.take_turn(visitor)
        person_id = visitor.actor.person_id
        if not visitor.may(Action.FILE_ROLE_REQUEST, Target(owner_id=person_id)):
            raise web.HTTPForbidden()
        form = parse_request_form(fields)
        if form.errors:
            return await self._form_page(request, visitor, form, 422)
        try:
            await self._changes.file(visitor, form)
        except AlreadyPending:
            raise web.HTTPSeeOther("/account?done=pending") from None
        raise web.HTTPSeeOther("/account?done=filed")

    async def withdraw_role_request(self, request: web.Request) -> web.Response:
        """Take an open request back."""
        accounts = self._accounts
        visitor, _ = await accounts.visitors.read_form(request)
        accounts.take_turn(visitor)
        await self._changes.withdraw(visitor, request.match_info["id"])
        raise web.HTTPSeeOther("/account?done=withdrawn")

    async def _form_page(
        self, request: web.Request, visitor: Visitor, form: RequestForm, status: int
    ) -> web.Response:
        async with self._accounts.database.read() as session:
            bodies = await list_bodies(session, limit=MAX_BODIES_SUGGESTED)
        return self._parts.page(
            request, "role_request.html", visitor, status=status, form=form,
            errors=form.errors, bodies=[each.name for each in bodies if each.is_active],
        )  # fmt: skip


DONE = frozenset({"email", "filed", "withdrawn", "pending", "role"})
