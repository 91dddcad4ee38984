"""Records of invitations (R10, R22, R27): who is invited to a sitting, as what, and by which link.

A link finds its invitation and nothing more. It admits nobody: whoever opens it must be signed in
as the invited person, known by the confirmed e-mail address or by having opened it before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, func, or_, select, union
from sqlalchemy.ext.asyncio import AsyncSession

from sfu.values import Role
from signaling.scheduling.values import Office, SittingState
from signaling.storage.models import Invitation, Mail, Member, Person, Sitting, new_id
from signaling.vault import Vault, token_hash

MAX_INVITED = 2000
"""LIMIT: invitations of one sitting; above any room."""
LINK_OUTLIVES = timedelta(days=1)
"""A link leads to the sitting's page until so long after its end."""
MAX_TOKEN_LENGTH = 64

ROOM_ROLES = {
    Office.CHAIR: Role.CHAIR,
    Office.SECRETARY: Role.SECRETARY,
    Office.MAYOR: Role.MEMBER,
    Office.MEMBER: Role.MEMBER,
    Office.SERVICE: Role.MEMBER,
}
"""What an office of the collective body is in the room."""
INVITABLE_ROLES = (
    Role.MEMBER, Role.GUEST, Role.CHAIR, Role.SECRETARY, Role.COORDINATOR, Role.INTERPRETER,
)  # fmt: skip


@dataclass(frozen=True)
class Invitee:
    """Somebody to invite."""

    name: str
    email: str
    """Lower case."""
    role: Role
    office: str = ""


@dataclass(frozen=True)
class InvitedRow:
    """An invitation as the coordinator's list shows it."""

    invitation: Invitation
    mail_state: str
    """State of the newest mail about it; empty: none was needed."""


class TooManyInvited(Exception):
    """More would be invited than a sitting may have."""


class InvitationLinks:
    """Secrets of links: the same for one invitation in every mail, unknown to who reads the database."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def secret(self, invitation_id: str) -> str:
        """Return the last part of the link's address."""
        return self._vault.lookup_hash("invitation-link", invitation_id)


async def invite(
    session: AsyncSession, sitting: Sitting, invitees: Iterable[Invitee], *, by: str,
    links: InvitationLinks, now: datetime,
) -> list[Invitation]:  # fmt: skip
    """Add invitations and return those that need a mail: who is invited already is left as is, who
    was uninvited is invited again.

    Raises:
        TooManyInvited: see above.
    """
    known = {
        each.email: each
        for each in await session.scalars(
            select(Invitation).where(Invitation.sitting_id == sitting.id)
        )
    }
    added = []
    for invitee in invitees:
        existing = known.get(invitee.email)
        if existing is not None and existing.revoked_at is None:
            continue
        if existing is None:
            existing = known[invitee.email] = _new_invitation(sitting, invitee, links)
            session.add(existing)
        existing.name, existing.office = invitee.name, invitee.office
        existing.role, existing.revoked_at = invitee.role.value, None
        existing.invited_by, existing.invited_at = by, now
        existing.expires_at = sitting.ends_at + LINK_OUTLIVES
        added.append(existing)
    if len(known) > MAX_INVITED:
        raise TooManyInvited
    return added


async def invitees_of_members(session: AsyncSession, collective_body_id: str) -> Sequence[Invitee]:
    """Return everybody with a seat in the collective body."""
    members = await session.scalars(
        select(Member)
        .where(Member.collective_body_id == collective_body_id, Member.ended_at.is_(None))
        .order_by(Member.name, Member.id)
        .limit(MAX_INVITED)
    )
    return [
        Invitee(each.name, each.email, ROOM_ROLES[Office(each.office)], each.office)
        for each in members
    ]


async def list_invited(
    session: AsyncSession, sitting_id: str, *, after: tuple[str, str] | None, limit: int
) -> Sequence[InvitedRow]:
    """Return up to `limit` invitations by name, from behind `after` (name and id)."""
    values: dict[str, object] = {"sitting_id": sitting_id, "limit": limit}
    if after is not None:
        values |= {"after_name": after[0], "after_id": after[1]}
    rows = await session.execute(_INVITED if after is None else _INVITED_AFTER, values)
    return [InvitedRow(row[0], row[1] or "") for row in rows]


async def count_invited(session: AsyncSession, sitting_id: str) -> int:
    """Return how many are invited."""
    query = select(func.count()).where(
        Invitation.sitting_id == sitting_id, Invitation.revoked_at.is_(None)
    )
    return await session.scalar(query) or 0


async def find_by_link(
    session: AsyncSession, person: Person, secret: str, now: datetime
) -> Invitation | None:
    """Return the invitation behind a link if it is this person's; from now on it is theirs."""
    if len(secret) > MAX_TOKEN_LENGTH:
        return None
    found: Invitation | None = await session.scalar(
        select(Invitation).where(Invitation.token_hash == token_hash(secret)).with_for_update()
    )
    if found is None or found.expires_at <= now or not is_for(found, person):
        return None
    found.person_id = person.id
    return found


async def find_own(session: AsyncSession, person: Person, sitting_id: str) -> Invitation | None:
    """Return this person's invitation to the sitting, whether or not its link was opened."""
    candidates = await session.scalars(
        select(Invitation)
        .where(
            Invitation.sitting_id == sitting_id,
            or_(Invitation.person_id == person.id, Invitation.email == address_of(person)),
        )
        .order_by(func.coalesce(Invitation.person_id, "").desc())  # theirs by account first
    )
    return next((each for each in candidates if is_for(each, person)), None)


async def upcoming_of(
    session: AsyncSession, person: Person, now: datetime, limit: int
) -> Sequence[Sitting]:
    """Return the sittings a person is invited to that are not over, soonest first."""
    values = {"person_id": person.id, "email": address_of(person), "now": now, "limit": limit}
    return list(await session.scalars(_UPCOMING, values))


def is_for(invitation: Invitation, person: Person) -> bool:
    """Return whether the invitation is good and this person's: theirs already, or for their
    confirmed address and nobody's yet."""
    if invitation.revoked_at is not None:
        return False
    if invitation.person_id is not None:
        return invitation.person_id == person.id
    return invitation.email == address_of(person)


def address_of(person: Person) -> str:
    """Return the confirmed address as invitations know it; empty if there is none."""
    return (person.email or "").lower()


def invited_ids(invitations: Collection[Invitation]) -> frozenset[str]:
    """Return the people invited, for the table of rights."""
    return frozenset(each.person_id for each in invitations if each.person_id is not None)


def _new_invitation(sitting: Sitting, invitee: Invitee, links: InvitationLinks) -> Invitation:
    invitation_id = new_id()
    return Invitation(
        id=invitation_id, sitting_id=sitting.id, email=invitee.email,
        token_hash=token_hash(links.secret(invitation_id)),
    )  # fmt: skip


_INVITED = (
    select(Invitation, Mail.state)
    .outerjoin(Mail, Mail.id == Invitation.mail_id)
    .where(Invitation.sitting_id == bindparam("sitting_id"), Invitation.revoked_at.is_(None))
    .order_by(Invitation.name, Invitation.id)
    .limit(bindparam("limit"))
)
_INVITED_AFTER = _INVITED.where(
    or_(
        Invitation.name > bindparam("after_name"),
        (Invitation.name == bindparam("after_name")) & (Invitation.id > bindparam("after_id")),
    )
)
_MINE = union(
    select(Invitation.sitting_id).where(
        Invitation.person_id == bindparam("person_id"), Invitation.revoked_at.is_(None)
    ),
    select(Invitation.sitting_id).where(
        Invitation.email == bindparam("email"),
        Invitation.person_id.is_(None),
        Invitation.revoked_at.is_(None),
    ),
).subquery()
_UPCOMING = (
    select(Sitting)
    .join(_MINE, _MINE.c.sitting_id == Sitting.id)
    .where(Sitting.state == SittingState.PLANNED, Sitting.ends_at > bindparam("now"))
    .order_by(Sitting.starts_at, Sitting.id)
    .limit(bindparam("limit"))
)
