"""Who is invited to a sitting, in the API (R10, R22, R27)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from sfu.values import Role
from signaling.accounts.rights import Action
from signaling.api.bodies import Name, clean_cursor
from signaling.api.parts import ApiParts
from signaling.api.table import (
    Call,
    Done,
    Given,
    Moment,
    NoBody,
    NoQuery,
    Paging,
    Refusal,
    Table,
    Taken,
    cut,
)
from signaling.scheduling.desk_parts import find_sitting
from signaling.scheduling.invitation_form import BadInvitee, parse_invitee
from signaling.scheduling.invitations import INVITABLE_ROLES, Invitee, list_invited

TABLE = Table("invitations")
MAX_AT_ONCE = 200
if TYPE_CHECKING:
    InvitableRole = str
else:
    InvitableRole = Literal[tuple(each.value for each in INVITABLE_ROLES)]


class NewInvitee(Taken, frozen=True):
    """Somebody to invite."""

    name: Name
    email: Annotated[str, msgspec.Meta(min_length=3, max_length=254)]
    role: InvitableRole = Role.MEMBER.value


class Invitees(Taken, frozen=True):
    """One or many."""

    people: Annotated[Sequence[NewInvitee], msgspec.Meta(min_length=1, max_length=MAX_AT_ONCE)]


class Invited(Given, frozen=True):
    """How many were not invited before."""

    invited: int


class InvitationLine(Given, frozen=True):
    """Somebody who is invited."""

    id: str
    name: str
    email: str
    role: Role
    office: str
    invited_at: Moment
    mail_state: str


class InvitationLines(Given, frozen=True):
    """A page of the invited, by name."""

    items: Sequence[InvitationLine]
    next: str | None


@TABLE.add("GET", "/sittings/{sitting}/invitations", right=Action.INVITE_TO_SITTING)
async def list_invitations(api: ApiParts, call: Call[NoBody, Paging]) -> InvitationLines:
    """List who is invited, and whether the mails went out."""
    page = call.query
    last_id, separator, name = clean_cursor(page.after).partition("_")
    async with api.accounts.database.read() as session:
        sitting = await find_sitting(
            session, call.path["sitting"], call.visitor, Action.INVITE_TO_SITTING
        )
        rows = await list_invited(
            session, sitting.id, after=(name, last_id) if separator else None,
            limit=page.limit + 1,
        )  # fmt: skip
    shown, last = cut(rows, page.limit)
    lines = [
        InvitationLine(
            each.invitation.id, each.invitation.name, each.invitation.email,
            Role(each.invitation.role), each.invitation.office, each.invitation.invited_at,
            each.mail_state,
        )
        for each in shown
    ]  # fmt: skip
    end = f"{last.invitation.id}_{last.invitation.name}" if last else None
    return InvitationLines(lines, end)


@TABLE.add(
    "POST", "/sittings/{sitting}/invitations", right=Action.INVITE_TO_SITTING,
    refusals=(409, 422),
)  # fmt: skip
async def invite_people(api: ApiParts, call: Call[Invitees, NoQuery]) -> Invited:
    """Invite people of any body; who is invited already is left as is."""
    invitees = _parse(call.body.people)
    return Invited(await api.invitations.invite(call.visitor, call.path["sitting"], invitees))


@TABLE.add(
    "POST", "/sittings/{sitting}/invitations/members", right=Action.INVITE_TO_SITTING,
    refusals=(409,),
)  # fmt: skip
async def invite_members(api: ApiParts, call: Call[NoBody, NoQuery]) -> Invited:
    """Invite everybody of the collective body that sits."""
    sitting_id = call.path["sitting"]
    invitees = await api.invitations.members_of(call.visitor, sitting_id)
    return Invited(await api.invitations.invite(call.visitor, sitting_id, invitees))


@TABLE.add(
    "POST", "/sittings/{sitting}/invitations/{invitation}/revoke",
    right=Action.INVITE_TO_SITTING, refusals=(409,),
)  # fmt: skip
async def revoke_invitation(api: ApiParts, call: Call[NoBody, NoQuery]) -> Done:
    """Take an invitation back; its link leads nowhere from now on."""
    await api.invitations.revoke(call.visitor, call.path["sitting"], call.path["invitation"])
    return Done()


@TABLE.add(
    "POST", "/sittings/{sitting}/invitations/{invitation}/resend",
    right=Action.INVITE_TO_SITTING, refusals=(409,),
)  # fmt: skip
async def resend_invitation(api: ApiParts, call: Call[NoBody, NoQuery]) -> Done:
    """Send the same invitation again."""
    await api.invitations.resend(call.visitor, call.path["sitting"], call.path["invitation"])
    return Done()


def _parse(people: Sequence[NewInvitee]) -> list[Invitee]:
    """Return whom to invite: all or none.

    Raises:
        Refusal: with the number of each, from 0, that has a mistake.
    """
    invitees, errors = [], {}
    for index, each in enumerate(people):
        fields = {
            "invitee_name": each.name, "invitee_email": each.email,
            "invitee_role": each.role,
        }  # fmt: skip
        try:
            invitees.append(parse_invitee(fields))
        except BadInvitee as mistake:
            for name, code in mistake.errors.items():
                errors[f"people.{index}.{name.removeprefix('invitee_')}"] = code
    if errors:
        raise Refusal(422, "invalid_fields", errors=errors)
    return invitees
