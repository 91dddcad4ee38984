"""Requests for roles: filed, withdrawn, read and decided, with right, record, mail and trail in one
transaction. Pages and the API call it (R18-R20)."""

from __future__ import annotations

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.assignments import grant
from signaling.accounts.bodies import BadName, find_or_create_body, find_or_create_unit
from signaling.accounts.decision import BadDecision, Decision
from signaling.accounts.parts import AccountParts
from signaling.accounts.rights import AccountRole, Action, HeldRole, Target
from signaling.accounts.role_names import ROLE_NAMES
from signaling.accounts.role_requests import (
    AlreadyDecided,
    RequestForm,
    RequestStatus,
    check_open,
    file_request,
)
from signaling.accounts.visitor import Visitor
from signaling.audit.trail import AuditAction, AuditEntry
from signaling.storage.models import Body, Person, RoleRequest


class RequestChanges:
    """Changes requests for roles.

    What is not the visitor's raises HTTPNotFound, exactly as if there were nothing.
    """

    def __init__(self, accounts: AccountParts) -> None:
        self._accounts = accounts

    async def file(self, visitor: Visitor, form: RequestForm) -> RoleRequest:
        """Keep a request whose form has no mistakes.

        Raises:
            AlreadyPending: of signaling.accounts.role_requests.
            HTTPForbidden: the visitor may not.
        """
        accounts, person_id = self._accounts, visitor.actor.person_id
        if not visitor.may(Action.FILE_ROLE_REQUEST, Target(owner_id=person_id)):
            raise web.HTTPForbidden()
        async with accounts.database.write() as session:
            filed = await file_request(session, person_id, form, accounts.now())
            await self._record(session, visitor, AuditAction.FILE_ROLE_REQUEST, filed.id)
        return filed

    async def withdraw(self, visitor: Visitor, request_id: str) -> RoleRequest:
        """Take an open request back."""
        accounts = self._accounts
        async with accounts.database.write() as session:
            found = await session.get(RoleRequest, request_id)
            # What is not theirs answers like what is not there.
            if found is None or not visitor.may(
                Action.WITHDRAW_ROLE_REQUEST, Target(owner_id=found.person_id)
            ):
                raise web.HTTPNotFound()
            if found.status == RequestStatus.PENDING:
                found.status, found.decided_at = RequestStatus.WITHDRAWN, accounts.now()
                await self._record(session, visitor, AuditAction.WITHDRAW_ROLE_REQUEST, found.id)
        return found

    async def read(self, visitor: Visitor, request_id: str) -> RoleRequest:
        """Return one request to who decides; that it was read is audited."""
        check_decides(visitor)
        async with self._accounts.database.write() as session:
            found = await find_request(session, request_id)
            await self._record(session, visitor, AuditAction.READ_ROLE_REQUEST, found.id)
        return found

    async def decide(
        self, visitor: Visitor, request_id: str, version: str, decision: Decision
    ) -> RoleRequest:
        """Approve or refuse, once; the applicant is told by mail.

        Raises:
            BadDecision: the body or unit cannot be made.
            HTTPConflict: somebody else was faster, or it was withdrawn.
        """
        check_decides(visitor)
        try:
            async with self._accounts.database.write() as session:
                found = await find_request(session, request_id)
                check_open(found, version)
                await self._carry_out(session, visitor, found, decision)
        except AlreadyDecided:
            raise web.HTTPConflict(text="already_decided") from None
        return found

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

    async def _record(
        self, session: AsyncSession, visitor: Visitor, action: AuditAction, request_id: str
    ) -> None:
        now, person_id = self._accounts.now(), visitor.actor.person_id
        entry = AuditEntry(now, person_id, action, "role_request", request_id)
        await self._accounts.trail.record(session, entry)


def check_decides(visitor: Visitor) -> None:
    """Refuse whoever does not decide like what is not there."""
    if not visitor.may(Action.DECIDE_ROLE_REQUEST):
        raise web.HTTPNotFound()


async def find_request(session: AsyncSession, request_id: str) -> RoleRequest:
    """Return a request.

    Raises:
        HTTPNotFound: there is none.
    """
    found = await session.get(RoleRequest, request_id)
    if found is None:
        raise web.HTTPNotFound()
    return found
