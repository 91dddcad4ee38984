"""The administrator's desk: requests for roles, approved or refused with a reason (R20)."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.assignments import grant
from signaling.accounts.bodies import (
    MAX_BODIES_OFFERED,
    BadName,
    find_body_by_name,
    find_or_create_body,
    find_or_create_unit,
    list_bodies,
)
from signaling.accounts.decision import BadDecision, Decision, parse_decision
from signaling.accounts.parts import PageParts
from signaling.accounts.rights import AccountRole, Action, HeldRole
from signaling.accounts.role_names import ROLE_NAMES
from signaling.accounts.role_requests import (
    AlreadyDecided,
    RequestStatus,
    check_open,
    list_requests,
)
from signaling.accounts.visitor import Visitor
from signaling.audit.trail import AuditAction, AuditEntry
from signaling.paging import parse_cursor, write_cursor
from signaling.storage.models import Body, Person, RoleRequest

PAGE_SIZE = 20
NO_ERRORS: Mapping[str, str] = {}


class RequestPages:
    """Answers `/administration/requests…`."""

    def __init__(self, parts: PageParts) -> None:
        self._parts = parts
        self._accounts = parts.accounts

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        app.router.add_get("/administration/requests", self.list)
        app.router.add_get("/administration/requests/{id}", self.show)
        app.router.add_post("/administration/requests/{id}", self.decide)

    async def list(self, request: web.Request) -> web.Response:
        """Show requests of one status, oldest first."""
        visitor = await self._accounts.visitors.require(request)
        _check(visitor)
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
        _check(visitor)
        accounts = self._accounts
        async with accounts.database.write() as session:
            found = await _find(session, request)
            await accounts.trail.record(
                session,
                AuditEntry(
                    accounts.now(), visitor.actor.person_id, AuditAction.READ_ROLE_REQUEST,
                    "role_request", found.id,
                ),
            )  # fmt: skip
        return await self._request_page(request, visitor, found, 200)

    async def decide(self, request: web.Request) -> web.Response:
        """Approve or refuse, once; the applicant is told by mail."""
        accounts = self._accounts
        visitor, form = await accounts.visitors.read_form(request)
        _check(visitor)
        accounts.take_turn(visitor)
        try:
            decision = parse_decision(form)
            async with accounts.database.write() as session:
                found = await _find(session, request)
                check_open(found, form.get("version", ""))
                await self._carry_out(session, visitor, found, decision)
        except BadDecision as mistake:
            async with accounts.database.read() as session:
                found = await _find(session, request)
            return await self._request_page(
                request, visitor, found, 422, errors=mistake.errors, decision=mistake.decision
            )
        except AlreadyDecided:
            raise web.HTTPConflict(text="already_decided") from None
        raise web.HTTPSeeOther("/administration/requests?done=decided")

    async def _carry_out(
        self, session: AsyncSession, visitor: Visitor, found: RoleRequest, decision: Decision
    ) -> None:
        accounts, now = self._accounts, self._accounts.now()
        applicant = await session.get_one(Person, found.person_id)
        found.decided_at, found.decided_by = now, visitor.actor.person_id
        found.reason = decision.reason
        link = f"{accounts.public_origin}/account"
        if decision.is_approval:
            held, body_name, unit_name = await self._settle_place(session, decision)
            assignment = await grant(session, applicant.id, held, now)
            found.status, found.assignment_id = RequestStatus.APPROVED, assignment.id
            role = ROLE_NAMES[held.role]
            values = {"role": role, "body": body_name, "unit": unit_name, "link": link}
            accounts.mails.put(session, applicant, "role_request_approved", values)
            await accounts.trail.record(
                session,
                AuditEntry(
                    now, visitor.actor.person_id, AuditAction.GRANT_ROLE, "role_assignment",
                    assignment.id, facts={"role": held.role.value},
                ),
            )  # fmt: skip
        else:
            found.status = RequestStatus.REFUSED
            values = {"body": found.body_name, "reason": decision.reason, "link": link}
            accounts.mails.put(session, applicant, "role_request_refused", values)
        await accounts.trail.record(
            session,
            AuditEntry(
                now, visitor.actor.person_id, AuditAction.DECIDE_ROLE_REQUEST, "role_request",
                found.id, result=found.status,
            ),
        )  # fmt: skip

    async def _settle_place(
        self, session: AsyncSession, decision: Decision
    ) -> tuple[HeldRole, str, str]:
        """Return the role in its body and unit, which are made if they are new."""
        now = self._accounts.now()
        try:
            body = await session.get(Body, decision.body_id) if decision.body_id else None
            if body is None:
                body = await find_or_create_body(session, decision.body_name, now)
            if decision.role is AccountRole.BODY_COORDINATOR:
                return HeldRole(decision.role, body.id), body.name, ""
            unit = await find_or_create_unit(session, body, decision.unit_name, now)
        except BadName:
            errors = {"body_name": "body_name_missing"}
            raise BadDecision(errors, decision) from None
        return HeldRole(decision.role, body.id, unit.id), body.name, unit.name

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
            body_id = same.id if same is not None else ""
            decision = Decision(True, role, body_id, found.body_name, found.unit_name, "")
        return self._parts.page(
            request, "request.html", visitor, status=status, found=found, applicant=applicant,
            civil=self._accounts.people.civil_data(applicant),
            bodies=[each for each in bodies if each.is_active], decision=decision, errors=errors,
            is_open=found.status == RequestStatus.PENDING,
        )  # fmt: skip


def _check(visitor: Visitor) -> None:
    if not visitor.may(Action.DECIDE_ROLE_REQUEST):
        raise web.HTTPNotFound()


async def _find(session: AsyncSession, request: web.Request) -> RoleRequest:
    found = await session.get(RoleRequest, request.match_info["id"])
    if found is None:
        raise web.HTTPNotFound()
    return found
