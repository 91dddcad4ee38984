"""A coordinator's seat offered by mail (R24): to appoint is to invite, and to accept activates it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.assignments import grant
from signaling.accounts.rights import AccountRole, HeldRole
from signaling.accounts.texts import clean_line, parse_email
from signaling.storage.models import Body, Person, RoleAssignment, RoleInvitation, Unit
from signaling.vault import token_hash

LIFETIME = timedelta(days=14)
MAX_LISTED = 200
"""LIMIT: open invitations listed for one body."""
MAX_TOKEN_LENGTH = 64


@dataclass(frozen=True)
class Offer:
    """What a form offers."""

    email: str
    role: AccountRole
    unit_id: str | None


class BadOffer(Exception):
    """The form has mistakes: field → code of a text."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(errors)
        self.errors = errors


def parse_offer(form: Mapping[str, str]) -> Offer:
    """Return what is offered: `place` is a unit's id, or empty for the whole body.

    Raises:
        BadOffer: see above.
    """
    typed = clean_line(form.get("invite_email", ""))
    try:
        email = parse_email(typed).lower()
    except ValueError:
        raise BadOffer({"invite_email": "email_bad" if typed else "email_missing"}) from None
    unit_id = form.get("place", "")[:32] or None
    role = AccountRole.UNIT_COORDINATOR if unit_id else AccountRole.BODY_COORDINATOR
    return Offer(email, role, unit_id)


def create_invitation(
    session: AsyncSession, body: Body, offer: Offer, invited_by: str, now: datetime
) -> tuple[RoleInvitation, str]:
    """Keep an offer and return it with the secret of its link."""
    token = secrets.token_urlsafe(32)
    invitation = RoleInvitation(
        token_hash=token_hash(token), email=offer.email, role=offer.role.value, body_id=body.id,
        unit_id=offer.unit_id, invited_by=invited_by, created_at=now, expires_at=now + LIFETIME,
    )  # fmt: skip
    session.add(invitation)
    return invitation, token


async def open_invitations(
    session: AsyncSession, body_id: str, now: datetime
) -> Sequence[tuple[RoleInvitation, str]]:
    """Return the offers of a body that may still be accepted, with the name of the unit."""
    rows = await session.execute(
        select(RoleInvitation, Unit.name)
        .outerjoin(Unit, Unit.id == RoleInvitation.unit_id)
        .where(
            RoleInvitation.body_id == body_id,
            RoleInvitation.accepted_at.is_(None),
            RoleInvitation.revoked_at.is_(None),
            RoleInvitation.expires_at > now,
        )
        .order_by(RoleInvitation.created_at.desc(), RoleInvitation.id)
        .limit(MAX_LISTED)
    )
    return [(row[0], row[1] or "") for row in rows]


async def find_for(
    session: AsyncSession, person: Person, token: str, now: datetime
) -> RoleInvitation | None:
    """Return the open offer behind `token` if it is made to this person's confirmed address."""
    if len(token) > MAX_TOKEN_LENGTH:
        return None
    found: RoleInvitation | None = await session.scalar(
        select(RoleInvitation)
        .where(RoleInvitation.token_hash == token_hash(token))
        .with_for_update()
    )
    if (
        found is None
        or found.accepted_at is not None
        or found.revoked_at is not None
        or found.expires_at <= now
        or (person.email or "").lower() != found.email
    ):
        return None
    return found


async def accept(
    session: AsyncSession, invitation: RoleInvitation, person: Person, now: datetime
) -> RoleAssignment:
    """Give the role that was offered."""
    held = HeldRole(AccountRole(invitation.role), invitation.body_id, invitation.unit_id)
    assignment = await grant(session, person.id, held, now)
    invitation.accepted_at, invitation.assignment_id = now, assignment.id
    return assignment
