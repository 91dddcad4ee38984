"""Bodies (Φορείς) and units (Οργανικές Μονάδες) of the API (R6, R24)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from aiohttp import web

from signaling.accounts.bodies import MAX_NAME_LENGTH, list_bodies, list_units
from signaling.accounts.body_changes import BodyChange, check_body, find_body
from signaling.accounts.rights import Action, Target, bodies_of
from signaling.api.parts import ApiParts
from signaling.api.table import (
    Call,
    Given,
    NoBody,
    NoQuery,
    Paging,
    Refusal,
    Table,
    Taken,
    Version,
    cut,
)
from signaling.storage.models import Body, Unit

TABLE = Table("bodies")
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME_LENGTH)]


class NewName(Taken, frozen=True):
    """A body or unit to make."""

    name: Name


class NameChange(Taken, frozen=True):
    """One of the two: another name, or open or closed."""

    version: Version
    name: Name | None = None
    is_active: bool | None = None


class PublicBody(Given, frozen=True):
    """A body."""

    id: str
    name: str
    is_active: bool
    version: int


class PublicBodies(Given, frozen=True):
    """A page of bodies, by name."""

    items: Sequence[PublicBody]
    next: str | None


class OrganicUnit(Given, frozen=True):
    """A unit."""

    id: str
    body_id: str
    name: str
    is_active: bool
    version: int


class OrganicUnits(Given, frozen=True):
    """Units of a body, by name; all of them."""

    items: Sequence[OrganicUnit]
    next: str | None


@TABLE.add("GET", "/bodies", right=Action.SEE_BODY, refusals=(404,))
async def list_public_bodies(api: ApiParts, call: Call[NoBody, Paging]) -> PublicBodies:
    """List the bodies the caller may see."""
    if not call.visitor.may_somewhere(Action.SEE_BODY):
        raise web.HTTPNotFound()
    only = bodies_of(call.visitor.actor, Action.SEE_BODY)
    page = call.query
    async with api.accounts.database.read() as session:
        rows = await list_bodies(
            session, after=clean_cursor(page.after), limit=page.limit + 1, only=only
        )
    shown, last = cut(rows, page.limit)
    return PublicBodies([_body(each) for each in shown], last.name_key if last else None)


@TABLE.add("POST", "/bodies", right=Action.MANAGE_BODIES, status=201, refusals=(404, 409, 422))
async def create_public_body(api: ApiParts, call: Call[NewName, NoQuery]) -> PublicBody:
    """Make a body."""
    return _body(await api.bodies.create_body(call.visitor, call.body.name))


@TABLE.add("GET", "/bodies/{body}", right=Action.SEE_BODY)
async def read_public_body(api: ApiParts, call: Call[NoBody, NoQuery]) -> PublicBody:
    """Give one body."""
    async with api.accounts.database.read() as session:
        body = await find_body(session, call.path["body"])
    check_body(call.visitor, Action.SEE_BODY, Target(body_id=body.id))
    return _body(body)


@TABLE.add("PATCH", "/bodies/{body}", right=Action.MANAGE_BODIES, refusals=(409, 422))
async def change_public_body(api: ApiParts, call: Call[NameChange, NoQuery]) -> PublicBody:
    """Rename a body, or close or open it."""
    change = change_of(call.body)
    return _body(await api.bodies.change_body(call.visitor, call.path["body"], change))


@TABLE.add("GET", "/bodies/{body}/units", right=Action.SEE_BODY)
async def list_organic_units(api: ApiParts, call: Call[NoBody, NoQuery]) -> OrganicUnits:
    """List the units of a body."""
    async with api.accounts.database.read() as session:
        body = await find_body(session, call.path["body"])
        check_body(call.visitor, Action.SEE_BODY, Target(body_id=body.id))
        units = await list_units(session, body.id)
    return OrganicUnits([_unit(each) for each in units], None)


@TABLE.add(
    "POST", "/bodies/{body}/units", right=Action.CREATE_UNIT, status=201, refusals=(409, 422)
)
async def create_organic_unit(api: ApiParts, call: Call[NewName, NoQuery]) -> OrganicUnit:
    """Make a unit of a body."""
    return _unit(await api.bodies.create_unit(call.visitor, call.path["body"], call.body.name))


@TABLE.add(
    "PATCH", "/bodies/{body}/units/{unit}", right=Action.CHANGE_UNIT, refusals=(409, 422)
)  # fmt: skip
async def change_organic_unit(api: ApiParts, call: Call[NameChange, NoQuery]) -> OrganicUnit:
    """Rename a unit, or close or open it."""
    return _unit(
        await api.bodies.change_unit(
            call.visitor, call.path["body"], call.path["unit"], change_of(call.body)
        )
    )


def change_of(body: NameChange) -> BodyChange:
    """Return the change.

    Raises:
        Refusal: both or none are asked for.
    """
    if (body.name is None) == (body.is_active is None):
        raise Refusal(422, "invalid_fields", errors={"name": "name_or_is_active"})
    return BodyChange(str(body.version), body.name or "", body.is_active)


def clean_cursor(after: str) -> str:
    """Return a cursor that any database takes: PostgreSQL's texts have no NUL."""
    return after.replace("\0", "")


def _body(body: Body) -> PublicBody:
    return PublicBody(body.id, body.name, body.is_active, body.version)


def _unit(unit: Unit) -> OrganicUnit:
    return OrganicUnit(unit.id, unit.body_id, unit.name, unit.is_active, unit.version)
