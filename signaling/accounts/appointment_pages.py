"""Appointing coordinators by invitation (R24): the body's desk invites, the invited person accepts."""

from __future__ import annotations

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.parts import PageParts
from signaling.accounts.rights import AccountRole, Action, Target
from signaling.accounts.role_invitations import (
    BadOffer,
    Offer,
    accept,
    create_invitation,
    find_for,
    parse_offer,
)
from signaling.accounts.role_names import ROLE_NAMES
from signaling.accounts.visitor import Visitor
from signaling.audit.trail import AuditAction, AuditEntry
from signaling.storage.models import Body, Person, RoleInvitation, Unit

APPOINT_ACTIONS = {
    AccountRole.BODY_COORDINATOR: Action.APPOINT_BODY_COORDINATOR,
    AccountRole.UNIT_COORDINATOR: Action.APPOINT_UNIT_COORDINATOR,
}


class AppointmentPages:
    """Answers `/administration/bodies/{id}/invitations…` and `/role-invitations/{token}`."""

    def __init__(self, parts: PageParts) -> None:
        self._parts = parts
        self._accounts = parts.accounts

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        invitations = "/administration/bodies/{id}/invitations"
        app.router.add_post(invitations, self.invite)
        app.router.add_post(invitations + "/{invitation}/revoke", self.revoke)
        app.router.add_get("/role-invitations/{token}", self.show, allow_head=False)
        app.router.add_post("/role-invitations/{token}", self.accept)

    async def invite(self, request: web.Request) -> web.Response:
        """Send an offer. A mistake leads back to the body's page, which shows it."""
        accounts = self._accounts
        visitor, form = await accounts.visitors.read_form(request)
        accounts.take_turn(visitor)
        body_id = request.match_info["id"]
        try:
            offer = parse_offer(form)
        except BadOffer as mistake:
            code = mistake.errors["invite_email"]
            raise web.HTTPSeeOther(f"/administration/bodies/{body_id}?mistake={code}") from None
        async with accounts.database.write() as session:
            body, unit = await _find_place(session, visitor, body_id, offer)
            invitation, token = create_invitation(
                session, body, offer, visitor.actor.person_id, accounts.now()
            )
            values = {
                "role": ROLE_NAMES[offer.role], "body": body.name,
                "unit": unit.name if unit is not None else "",
                "link": f"{accounts.public_origin}/role-invitations/{token}",
                "until": invitation.expires_at,
            }  # fmt: skip
            accounts.mails.put_to(session, offer.email, "role_invitation", values)
            await session.flush()
            await self._record(session, visitor, AuditAction.INVITE_TO_ROLE, invitation)
        raise web.HTTPSeeOther(f"/administration/bodies/{body_id}?done=invited")

    async def revoke(self, request: web.Request) -> web.Response:
        """Take an offer back."""
        accounts = self._accounts
        visitor, _ = await accounts.visitors.read_form(request)
        accounts.take_turn(visitor)
        body_id = request.match_info["id"]
        async with accounts.database.write() as session:
            found = await session.get(RoleInvitation, request.match_info["invitation"])
            if found is None or found.body_id != body_id:
                raise web.HTTPNotFound()
            _check(visitor, AccountRole(found.role), Target(body_id, found.unit_id))
            if found.revoked_at is None and found.accepted_at is None:
                found.revoked_at = accounts.now()
                await self._record(session, visitor, AuditAction.REVOKE_ROLE_INVITATION, found)
        raise web.HTTPSeeOther(f"/administration/bodies/{body_id}")

    async def show(self, request: web.Request) -> web.Response:
        """Ask the invited person to accept."""
        visitor = await self._accounts.visitors.require(request)
        async with self._accounts.database.read() as session:
            found = await self._find(session, visitor, request)
            body = await session.get_one(Body, found.body_id)
            unit = await session.get(Unit, found.unit_id) if found.unit_id else None
        return self._parts.page(
            request, "role_invitation.html", visitor, body=body, unit=unit, role=found.role
        )

    async def accept(self, request: web.Request) -> web.Response:
        """Give the role."""
        accounts = self._accounts
        visitor, _ = await accounts.visitors.read_form(request)
        accounts.take_turn(visitor)
        now = accounts.now()
        async with accounts.database.write() as session:
            found = await self._find(session, visitor, request)
            person = await session.get_one(Person, visitor.actor.person_id)
            assignment = await accept(session, found, person, now)
            entry = AuditEntry(
                now, person.id, AuditAction.GRANT_ROLE, "role_assignment", assignment.id,
                facts={"role": found.role},
            )  # fmt: skip
            await accounts.trail.record(session, entry)
        raise web.HTTPSeeOther("/account?done=role")

    async def _find(
        self, session: AsyncSession, visitor: Visitor, request: web.Request
    ) -> RoleInvitation:
        person = await session.get_one(Person, visitor.actor.person_id)
        found = await find_for(session, person, request.match_info["token"], self._accounts.now())
        if found is None:  # a link forwarded to somebody else answers like no link at all
            raise web.HTTPNotFound()
        return found

    async def _record(
        self, session: AsyncSession, visitor: Visitor, action: AuditAction,
        invitation: RoleInvitation,
    ) -> None:  # fmt: skip
        entry = AuditEntry(
            self._accounts.now(), visitor.actor.person_id, action, "role_invitation", invitation.id,
            facts={"role": invitation.role},
        )  # fmt: skip
        await self._accounts.trail.record(session, entry)


async def _find_place(
    session: AsyncSession, visitor: Visitor, body_id: str, offer: Offer
) -> tuple[Body, Unit | None]:
    body = await session.get(Body, body_id)
    unit = await session.get(Unit, offer.unit_id) if offer.unit_id else None
    if body is None or (offer.unit_id and (unit is None or unit.body_id != body.id)):
        raise web.HTTPNotFound()
    _check(visitor, offer.role, Target(body.id, offer.unit_id))
    return body, unit


def _check(visitor: Visitor, role: AccountRole, target: Target) -> None:
    if not visitor.may(APPOINT_ACTIONS[role], target):
        raise web.HTTPNotFound()
