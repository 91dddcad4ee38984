"""Who am I: session, roles, own sittings."""

from __future__ import annotations

from collections.abc import Sequence

from signaling.accounts.visitor import Stage
from signaling.api.parts import ApiParts
from signaling.api.table import Call, Given, Moment, NoBody, NoQuery, Table
from signaling.scheduling.invitations import upcoming_of

MAX_MY_SITTINGS = 100
TABLE = Table("session")


class HeldRole(Given, frozen=True):
    """A role as the caller holds it."""

    role: str
    body_id: str | None
    unit_id: str | None
    kep_id: str | None


class Session(Given, frozen=True):
    """Who is signed in."""

    name: str
    email: str | None
    stage: str
    """`terms`, `email`: a page asks for that first; `ready`."""
    form_token: str
    """Send it with every write, as `X-Form-Token`."""
    roles: Sequence[HeldRole]


class MySitting(Given, frozen=True):
    """A sitting to which the caller is invited."""

    id: str
    title: str
    starts_at: Moment
    ends_at: Moment


class MySittings(Given, frozen=True):
    """What is ahead; the soonest first."""

    items: Sequence[MySitting]
    next: str | None


@TABLE.add("GET", "/session", right=None, stage=Stage.TERMS)
async def read_session(_: ApiParts, call: Call[NoBody, NoQuery]) -> Session:
    """Tell who is signed in, and the token that writes carry."""
    visitor = call.visitor
    roles = [
        HeldRole(each.role.value, each.body_id, each.unit_id, each.kep_id)
        for each in visitor.actor.roles
    ]
    roles.sort(key=lambda each: (each.role, each.body_id or "", each.unit_id or ""))
    assert visitor.person is not None, "invariant: required to be signed in"
    stage = visitor.stage.name.lower()
    return Session(visitor.name, visitor.person.email, stage, visitor.form_token, roles)


@TABLE.add("GET", "/my/sittings", right=None)
async def list_my_sittings(api: ApiParts, call: Call[NoBody, NoQuery]) -> MySittings:
    """List the sittings to which the caller is invited, at most 100."""
    person = call.visitor.person
    assert person is not None, "invariant: required to be signed in"
    async with api.accounts.database.read() as session:
        rows = await upcoming_of(session, person, api.accounts.now(), MAX_MY_SITTINGS)
    return MySittings(
        [MySitting(each.id, each.title, each.starts_at, each.ends_at) for each in rows], None
    )
