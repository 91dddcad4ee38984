"""The administrator's desk: requests for roles, approved or refused with a reason (R20)."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from signaling.accounts.bodies import MAX_BODIES_OFFERED, find_body_by_name, list_bodies
from signaling.accounts.decision import BadDecision, Decision, parse_decision
from signaling.accounts.parts import PageParts
from signaling.accounts.request_changes import RequestChanges, check_decides, find_request
from signaling.accounts.rights import AccountRole
from signaling.accounts.role_requests import RequestStatus, list_requests
from signaling.accounts.visitor import Visitor
from signaling.paging import parse_cursor, write_cursor
from signaling.storage.models import Person, RoleRequest

PAGE_SIZE = 20
NO_ERRORS: Mapping[str, str] = {}


class RequestPages:
    """Answers `/administration/requests…`."""

    def __init__(self, parts: PageParts) -> None:
        self._parts = parts
        self._accounts = parts.accounts
        self._changes = RequestChanges(parts.accounts)

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        app.router.add_get("/administration/requests", self.list)
        app.router.add_get("/administration/requests/{id}", self.show)
        app.router.add_post("/administration/requests/{id}", self.decide)

    async def list(self, request: web.Request) -> web.Response:
        """Show requests of one status, oldest first."""
        visitor = await self._accounts.visitors.require(request)
        check_decides(visitor)
        asked = request.query.get("status", "")
        status = RequestStatus(asked) if asked in set(RequestStatus) else RequestStatus.PENDING
        async with self._accounts.database.read() as session:
            rows = await list_requests(
                session,
                status,
                after=parse_cursor(request.query.get("after", "")),
                limit=PAGE_SIZE + 1,
            )
        shown = rows[:PAGE_SIZE]
        has_more = len(rows) > PAGE_SIZE
        after = write_cursor(shown[-1][0].filed_at, shown[-1][0].id) if has_more else ""
        return self._parts.page(
            request, "requests.html", visitor, rows=shown, status_shown=status.value,
            statuses=[each.value for each in RequestStatus], after=after,
            is_decided=request.query.get("done") == "decided",
        )  # fmt: skip

    async def show(self, request: web.Request) -> web.Response:
        """Show one request; that it was read is audited."""
        visitor = await self._accounts.visitors.require(request)
        check_decides(visitor)
        found = await self._changes.read(visitor, request.match_info["id"])
        return await self._request_page(request, visitor, found, 200)

    async def decide(self, request: web.Request) -> web.Response:
        """Approve or refuse, once; the applicant is told by mail."""
        accounts = self._accounts
        visitor, form = await accounts.visitors.read_form(request)
        check_decides(visitor)
        accounts.take_turn(visitor)
        try:
            decision = parse_decision(form)
            await self._changes.decide(
                visitor, request.match_info["id"], form.get("version", ""), decision
            )
        except BadDecision as mistake:
            async with accounts.database.read() as session:
                found = await find_request(session, request.match_info["id"])
            return await self._request_page(
                request, visitor, found, 422, errors=mistake.errors, decision=mistake.decision
            )
        raise web.HTTPSeeOther("/administration/requests?done=decided")

    async def _request_page(
        self, request: web.Request, visitor: Visitor, found: RoleRequest, status: int, *,
        errors: Mapping[str, str] = NO_ERRORS, decision: Decision | None = None,
    ) -> web.Response:  # fmt: skip
        async with self._accounts.database.read() as session:
            applicant = await session.get_one(Person, found.person_id)
            bodies = await list_bodies(session, limit=MAX_BODIES_OFFERED)
            same = await find_body_by_name(session, found.body_name)
        if decision is None:
            role = AccountRole.UNIT_COORDINATOR if found.unit_name else AccountRole.BODY_COORDINATOR
            body_id, new_name = ("", found.body_name) if same is None else (same.id, "")
            decision = Decision(True, role, body_id, new_name, found.unit_name, "")
        return self._parts.page(
            request, "request.html", visitor, status=status, found=found, applicant=applicant,
            civil=self._accounts.people.civil_data(applicant),
            bodies=[each for each in bodies if each.is_active], decision=decision, errors=errors,
            is_open=found.status == RequestStatus.PENDING,
        )  # fmt: skip
