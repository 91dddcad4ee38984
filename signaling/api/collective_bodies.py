"""Collective bodies and their members in the API (R37)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from aiohttp import web

from signaling.accounts.body_changes import BodyChange
from signaling.accounts.rights import Action, places_of
from signaling.api.bodies import Name, clean_cursor
from signaling.api.parts import ApiParts
from signaling.api.table import (
    Call,
    Done,
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
from signaling.scheduling.collective_bodies import (
    MemberForm,
    list_collective_bodies,
    list_members,
    parse_member,
)
from signaling.scheduling.collective_changes import find_collective
from signaling.scheduling.people_csv import MAX_BYTES, parse_people_text
from signaling.scheduling.places import list_places
from signaling.scheduling.values import CollectiveKind, Office
from signaling.storage.models import CollectiveBody, Member

TABLE = Table("collective bodies")
MAX_BAD_LINES = 200
PlaceValue = Annotated[
    str,
    msgspec.Meta(pattern="^[bcu]:[0-9a-f]{32}$", description="`value` of one of `GET /places`."),
]


class OfferedPlace(Given, frozen=True):
    """What the caller may make sittings of: a body, a unit, a collective body."""

    value: str
    label: str
    body_id: str
    unit_id: str | None
    collective_body_id: str | None


class OfferedPlaces(Given, frozen=True):
    """All of them."""

    items: Sequence[OfferedPlace]
    next: str | None


class Collective(Given, frozen=True):
    """A collective body."""

    id: str
    body_id: str
    unit_id: str | None
    name: str
    kind: CollectiveKind
    is_active: bool
    version: int


class CollectiveLine(Given, frozen=True):
    """A collective body in a list."""

    id: str
    name: str
    kind: CollectiveKind
    is_active: bool
    body_name: str
    members: int


class Collectives(Given, frozen=True):
    """A page of collective bodies, by name."""

    items: Sequence[CollectiveLine]
    next: str | None


class NewCollective(Taken, frozen=True):
    """A collective body to make, of a body or unit."""

    place: PlaceValue
    name: Name
    kind: CollectiveKind


class CollectiveChange(Taken, frozen=True):
    """Another name and kind; or open or closed."""

    version: Version
    name: Name | None = None
    kind: CollectiveKind | None = None
    is_active: bool | None = None


class Seat(Given, frozen=True):
    """A member."""

    id: str
    name: str
    email: str
    office: Office


class Seats(Given, frozen=True):
    """A page of members: the chair first, then by name."""

    items: Sequence[Seat]
    next: str | None


class SeatForm(Taken, frozen=True):
    """A member to be."""

    name: Name
    email: Annotated[str, msgspec.Meta(min_length=3, max_length=254)]
    office: Office = Office.MEMBER


class PeopleText(Taken, frozen=True):
    """A list of people: name, e-mail, office; separated by `;`, `,` or tab; a line each."""

    csv: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_BYTES)]


class UnusedLine(Given, frozen=True):
    """A line that was not used, and why."""

    line: int
    code: str


class Imported(Given, frozen=True):
    """What an import did."""

    added: int
    known: int
    unused: Sequence[UnusedLine]
    """The first 200."""


@TABLE.add("GET", "/places", right=Action.CREATE_SITTING)
async def list_offered_places(api: ApiParts, call: Call[NoBody, NoQuery]) -> OfferedPlaces:
    """List what the caller may make sittings of."""
    async with api.accounts.database.read() as session:
        places = await list_places(session, call.visitor.actor)
    return OfferedPlaces(
        [
            OfferedPlace(
                each.value, each.label, each.body_id, each.unit_id, each.collective_body_id
            )
            for each in places
        ],
        None,
    )


@TABLE.add("GET", "/collective-bodies", right=Action.MANAGE_COLLECTIVE_BODY, refusals=(404,))
async def list_collectives(api: ApiParts, call: Call[NoBody, Paging]) -> Collectives:
    """List the collective bodies the caller manages."""
    manages = places_of(call.visitor.actor, Action.MANAGE_COLLECTIVE_BODY)
    if not manages:
        raise web.HTTPNotFound()
    page = call.query
    async with api.accounts.database.read() as session:
        rows = await list_collective_bodies(
            session, manages, after=clean_cursor(page.after), limit=page.limit + 1
        )
    shown, last = cut(rows, page.limit)
    lines = [
        CollectiveLine(
            each.id, each.name, CollectiveKind(each.kind), each.is_active, each.body_name,
            each.members,
        )
        for each in shown
    ]  # fmt: skip
    return Collectives(lines, f"{last.name_key} {last.id}" if last else None)


@TABLE.add(
    "POST", "/collective-bodies", right=Action.MANAGE_COLLECTIVE_BODY, status=201,
    refusals=(404, 409, 422),
)  # fmt: skip
async def create_collective(api: ApiParts, call: Call[NewCollective, NoQuery]) -> Collective:
    """Make a collective body."""
    body = call.body
    return _collective(
        await api.collective.create(call.visitor, body.place, body.name, body.kind.value)
    )


@TABLE.add("GET", "/collective-bodies/{collective}", right=Action.MANAGE_COLLECTIVE_BODY)
async def read_collective(api: ApiParts, call: Call[NoBody, NoQuery]) -> Collective:
    """Give one collective body."""
    async with api.accounts.database.read() as session:
        return _collective(await find_collective(session, call.path["collective"], call.visitor))


@TABLE.add(
    "PATCH", "/collective-bodies/{collective}", right=Action.MANAGE_COLLECTIVE_BODY,
    refusals=(409, 422),
)  # fmt: skip
async def change_collective(api: ApiParts, call: Call[CollectiveChange, NoQuery]) -> Collective:
    """Give another name and kind, or close or open it."""
    body = call.body
    is_renamed = body.name is not None and body.kind is not None
    if is_renamed == (body.is_active is not None) or (body.name is None) != (body.kind is None):
        raise Refusal(422, "invalid_fields", errors={"name": "name_and_kind_or_is_active"})
    change = BodyChange(str(body.version), body.name or "", body.is_active)
    kind = body.kind.value if body.kind is not None else ""
    return _collective(
        await api.collective.change(call.visitor, call.path["collective"], change, kind)
    )


@TABLE.add("GET", "/collective-bodies/{collective}/members", right=Action.MANAGE_COLLECTIVE_BODY)
async def list_seats(api: ApiParts, call: Call[NoBody, Paging]) -> Seats:
    """List who has a seat."""
    page = call.query
    async with api.accounts.database.read() as session:
        found = await find_collective(session, call.path["collective"], call.visitor)
        members = await list_members(session, found.id)
    ids = [each.id for each in members]
    start = ids.index(page.after) + 1 if page.after in ids else 0
    shown, last = cut(members[start:], page.limit)
    return Seats([_seat(each) for each in shown], last.id if last else None)


@TABLE.add(
    "POST", "/collective-bodies/{collective}/members", right=Action.MANAGE_COLLECTIVE_BODY,
    status=201, refusals=(409, 422),
)  # fmt: skip
async def add_seat(api: ApiParts, call: Call[SeatForm, NoQuery]) -> Seat:
    """Give somebody a seat."""
    form = _form(call.body)
    return _seat(await api.collective.add_member(call.visitor, call.path["collective"], form))


@TABLE.add(
    "PUT", "/collective-bodies/{collective}/members/{member}",
    right=Action.MANAGE_COLLECTIVE_BODY, refusals=(409, 422),
)  # fmt: skip
async def change_seat(api: ApiParts, call: Call[SeatForm, NoQuery]) -> Seat:
    """Correct a name or address, or give another office."""
    return _seat(
        await api.collective.change_member(
            call.visitor, call.path["collective"], call.path["member"], _form(call.body)
        )
    )


@TABLE.add(
    "POST", "/collective-bodies/{collective}/members/{member}/end",
    right=Action.MANAGE_COLLECTIVE_BODY,
)  # fmt: skip
async def end_seat(api: ApiParts, call: Call[NoBody, NoQuery]) -> Done:
    """Take a seat back."""
    await api.collective.end_member(call.visitor, call.path["collective"], call.path["member"])
    return Done()


@TABLE.add(
    "POST", "/collective-bodies/{collective}/members/import",
    right=Action.MANAGE_COLLECTIVE_BODY, refusals=(409, 422), max_bytes=2 * MAX_BYTES,
)  # fmt: skip
async def import_seats(api: ApiParts, call: Call[PeopleText, NoQuery]) -> Imported:
    """Give seats to all of a list who have none; lines with mistakes are told and not used."""
    listed = parse_people_text(call.body.csv)
    result = await api.collective.import_people(
        call.visitor, call.path["collective"], listed.people
    )
    unused = [UnusedLine(each.line, each.code) for each in listed.bad[:MAX_BAD_LINES]]
    return Imported(result.added, result.known, unused)


def _form(body: SeatForm) -> MemberForm:
    return parse_member({"name": body.name, "email": body.email, "office": body.office.value})


def _collective(row: CollectiveBody) -> Collective:
    return Collective(
        row.id, row.body_id, row.unit_id, row.name, CollectiveKind(row.kind), row.is_active,
        row.version,
    )  # fmt: skip


def _seat(member: Member) -> Seat:
    return Seat(member.id, member.name, member.email, Office(member.office))
