"""Inviting, taking back, sending again: right, record, mails and trail in one transaction. Pages and
the API call it (R10, R22, R27)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.parts import AccountParts
from signaling.accounts.rights import Action
from signaling.accounts.visitor import Visitor
from signaling.audit.trail import AuditAction, AuditEntry
from signaling.scheduling.desk_parts import find_sitting
from signaling.scheduling.invitation_mails import InvitationMails, Occasion, load_facts
from signaling.scheduling.invitations import (
    InvitationLinks,
    Invitee,
    invite,
    invitees_of_members,
)
from signaling.scheduling.values import SittingState
from signaling.storage.models import Invitation, Sitting


class InvitationChanges:
    """Changes who is invited to a sitting.

    All methods raise HTTPNotFound where the visitor has no right, exactly as if there were nothing;
    HTTPConflict once the sitting is over.
    """

    def __init__(
        self, accounts: AccountParts, links: InvitationLinks, mails: InvitationMails
    ) -> None:
        self._accounts = accounts
        self._links = links
        self._mails = mails

    async def members_of(self, visitor: Visitor, sitting_id: str) -> Sequence[Invitee]:
        """Return everybody of the collective body that sits."""
        async with self._accounts.database.read() as session:
            sitting = await find_sitting(session, sitting_id, visitor, Action.INVITE_TO_SITTING)
            if sitting.collective_body_id is None:
                raise web.HTTPNotFound()
            return await invitees_of_members(session, sitting.collective_body_id)

    async def invite(self, visitor: Visitor, sitting_id: str, invitees: Sequence[Invitee]) -> int:
        """Invite, and return how many were not invited before.

        Raises:
            TooManyInvited: of signaling.scheduling.invitations.
        """
        accounts = self._accounts
        async with accounts.database.write() as session:
            sitting = await find_sitting(session, sitting_id, visitor, Action.INVITE_TO_SITTING)
            _check_open(sitting)
            added = await invite(
                session, sitting, invitees, by=visitor.actor.person_id, links=self._links,
                now=accounts.now(),
            )  # fmt: skip
            await session.flush()
            self._mails.tell(session, await load_facts(session, sitting), added, Occasion.INVITED)
            await self._record(
                session, visitor, AuditAction.INVITE, sitting.id, {"invited": len(added)}
            )
        return len(added)

    async def revoke(self, visitor: Visitor, sitting_id: str, invitation_id: str) -> None:
        """Take an invitation back; the link leads nowhere from now on."""
        async with self._accounts.database.write() as session:
            sitting, invitation = await self._find(session, visitor, sitting_id, invitation_id)
            if invitation.revoked_at is None:
                invitation.revoked_at = self._accounts.now()
                facts = await load_facts(session, sitting)
                self._mails.tell(session, facts, [invitation], Occasion.UNINVITED)
                await self._record(session, visitor, AuditAction.REVOKE_INVITATION, invitation.id)

    async def resend(self, visitor: Visitor, sitting_id: str, invitation_id: str) -> None:
        """Send the same invitation again."""
        async with self._accounts.database.write() as session:
            sitting, invitation = await self._find(session, visitor, sitting_id, invitation_id)
            if invitation.revoked_at is not None:
                raise web.HTTPNotFound()
            facts = await load_facts(session, sitting)
            self._mails.tell(session, facts, [invitation], Occasion.INVITED)
            await self._record(session, visitor, AuditAction.RESEND_INVITATION, invitation.id)

    async def _find(
        self, session: AsyncSession, visitor: Visitor, sitting_id: str, invitation_id: str
    ) -> tuple[Sitting, Invitation]:
        sitting = await find_sitting(session, sitting_id, visitor, Action.INVITE_TO_SITTING)
        _check_open(sitting)
        invitation = await session.get(Invitation, invitation_id)
        if invitation is None or invitation.sitting_id != sitting.id:
            raise web.HTTPNotFound()
        return sitting, invitation

    async def _record(
        self, session: AsyncSession, visitor: Visitor, action: AuditAction, object_id: str,
        facts: Mapping[str, int] | None = None,
    ) -> None:  # fmt: skip
        kind = "sitting" if action is AuditAction.INVITE else "invitation"
        entry = AuditEntry(
            self._accounts.now(), visitor.actor.person_id, action, kind, object_id,
            facts=facts or {},
        )  # fmt: skip
        await self._accounts.trail.record(session, entry)


def _check_open(sitting: Sitting) -> None:
    if sitting.state != SittingState.PLANNED:
        raise web.HTTPConflict(text="sitting_over")
