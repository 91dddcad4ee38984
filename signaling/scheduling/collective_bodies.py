"""Records of collective bodies and their members (R37). Everything in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.bodies import NameTaken, parse_name
from signaling.accounts.rights import Places
from signaling.accounts.texts import clean_line, fold, parse_email
from signaling.scheduling.people_csv import MAX_NAME_LENGTH, ListedPerson
from signaling.scheduling.values import CollectiveKind, Office
from signaling.storage.models import Body, CollectiveBody, Member, Person

MAX_MEMBERS = 1000
"""LIMIT: seats of one collective body at one time."""

_OFFICE_RANK = {office: rank for rank, office in enumerate(Office)}


class BadMember(Exception):
    """The form has mistakes: field → code of a text."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(errors)
        self.errors = errors


@dataclass(frozen=True)
class MemberForm:
    """Fields of a member, cleaned."""

    name: str
    email: str
    office: Office


@dataclass(frozen=True)
class ImportResult:
    """What an import did."""

    added: int
    known: int
    """Had a seat already, and keep it as it is."""


@dataclass(frozen=True)
class CollectiveRow:
    """A line of the list."""

    id: str
    name: str
    name_key: str
    kind: str
    is_active: bool
    body_name: str
    members: int


def parse_member(fields: dict[str, str]) -> MemberForm:
    """Return the fields of a member.

    Raises:
        BadMember: see above.
    """
    errors = {}
    name, email = clean_line(fields.get("name", "")), clean_line(fields.get("email", ""))
    if not fold(name):
        errors["name"] = "name_missing"
    elif len(name) > MAX_NAME_LENGTH:
        errors["name"] = "name_too_long"
    try:
        email = parse_email(email).lower()
    except ValueError:
        errors["email"] = "email_bad" if email else "email_missing"
    office = fields.get("office", Office.MEMBER)
    if office not in set(Office):
        errors["office"] = "office_unknown"
    if errors:
        raise BadMember(errors)
    return MemberForm(name, email, Office(office))


async def create_collective_body(
    session: AsyncSession, place: tuple[str, str | None], name: str, kind: CollectiveKind,
    now: datetime,
) -> CollectiveBody:  # fmt: skip
    """Make a collective body of a body (and unit).

    Raises:
        BadName, NameTaken: of signaling.accounts.bodies.
    """
    name = parse_name(name)
    made = CollectiveBody(
        body_id=place[0], unit_id=place[1], name=name, name_key=fold(name), kind=kind.value,
        is_active=True, created_at=now,
    )  # fmt: skip
    try:
        async with session.begin_nested():
            session.add(made)
    except IntegrityError:
        raise NameTaken from None
    return made


async def change_collective_body(
    session: AsyncSession, found: CollectiveBody, name: str, kind: CollectiveKind
) -> None:
    """Give another name or kind.

    Raises:
        BadName, NameTaken: of signaling.accounts.bodies.
    """
    name = parse_name(name)
    try:
        async with session.begin_nested():
            found.name, found.name_key, found.kind = name, fold(name), kind.value
    except IntegrityError:
        raise NameTaken from None


async def list_collective_bodies(
    session: AsyncSession, places: Places, *, after: str, limit: int
) -> Sequence[CollectiveRow]:
    """Return collective bodies of these places by name, from behind `after`: `name_key id`."""
    after_name, _, after_id = after.rpartition(" ")
    count = (
        select(func.count())
        .where(Member.collective_body_id == CollectiveBody.id, Member.ended_at.is_(None))
        .scalar_subquery()
    )
    rows = await session.execute(
        select(CollectiveBody, Body.name, count)
        .join(Body, Body.id == CollectiveBody.body_id)
        .where(
            CollectiveBody.body_id.in_(places.home_ids),
            or_(
                CollectiveBody.body_id.in_(places.body_ids),
                CollectiveBody.unit_id.in_(places.unit_ids),
            ),
            or_(
                CollectiveBody.name_key > after_name,
                (CollectiveBody.name_key == after_name) & (CollectiveBody.id > after_id),
            ),
        )
        .order_by(CollectiveBody.name_key, CollectiveBody.id)
        .limit(limit)
    )
    return [
        CollectiveRow(row.id, row.name, row.name_key, row.kind, row.is_active, body, members)
        for row, body, members in rows
    ]


async def list_members(session: AsyncSession, collective_body_id: str) -> Sequence[Member]:
    """Return who has a seat now: the chair first, then by name. At most MAX_MEMBERS."""
    rows = await session.scalars(
        select(Member)
        .where(Member.collective_body_id == collective_body_id, Member.ended_at.is_(None))
        .limit(MAX_MEMBERS)
    )
    return sorted(rows, key=lambda each: (_OFFICE_RANK[Office(each.office)], fold(each.name)))


async def count_members(session: AsyncSession, collective_body_id: str) -> int:
    """Return how many have a seat now."""
    found = await session.scalar(
        select(func.count()).where(
            Member.collective_body_id == collective_body_id, Member.ended_at.is_(None)
        )
    )
    return found or 0


async def add_member(
    session: AsyncSession, collective_body_id: str, form: MemberForm, now: datetime
) -> Member:
    """Give somebody a seat.

    Raises:
        BadMember: the address has one, or there are too many.
    """
    if await count_members(session, collective_body_id) >= MAX_MEMBERS:
        raise BadMember({"name": "members_many"})
    owners = await _owners_of(session, [form.email])
    member = Member(
        collective_body_id=collective_body_id, person_id=owners.get(form.email), name=form.name,
        email=form.email, office=form.office.value, started_at=now,
    )  # fmt: skip
    try:
        async with session.begin_nested():
            session.add(member)
    except IntegrityError:
        raise BadMember({"email": "member_twice"}) from None
    return member


async def change_member(session: AsyncSession, member: Member, form: MemberForm) -> None:
    """Give another name, address or office. Another address is another person.

    Raises:
        BadMember: the address has a seat.
    """
    try:
        async with session.begin_nested():
            if member.email != form.email:
                owners = await _owners_of(session, [form.email])
                member.person_id = owners.get(form.email)
            member.name, member.email, member.office = form.name, form.email, form.office.value
    except IntegrityError:
        raise BadMember({"email": "member_twice"}) from None


async def import_members(
    session: AsyncSession, collective_body_id: str, people: Sequence[ListedPerson], now: datetime
) -> ImportResult:
    """Give seats to all who have none.

    Raises:
        BadMember: there would be too many.
    """
    # Two imports at once wait for each other here, and the second sees what the first added.
    await session.get(CollectiveBody, collective_body_id, with_for_update=True)
    members = await list_members(session, collective_body_id)
    seated = {each.email for each in members}
    new = [each for each in people if each.email not in seated]
    if len(seated) + len(new) > MAX_MEMBERS:
        raise BadMember({"people": "members_many"})
    owners = await _owners_of(session, [each.email for each in new])
    session.add_all(
        Member(
            collective_body_id=collective_body_id, person_id=owners.get(each.email),
            name=each.name, email=each.email, office=each.office.value, started_at=now,
        )
        for each in new
    )  # fmt: skip
    await session.flush()
    return ImportResult(len(new), len(people) - len(new))


async def link_members(session: AsyncSession, person: Person) -> int:
    """Make the seats kept for the person's confirmed address theirs. Return how many."""
    if not person.email:
        return 0
    linked = await session.execute(
        update(Member)
        .where(
            Member.email == person.email.lower(),
            Member.ended_at.is_(None),
            Member.person_id.is_(None),
        )
        .values(person_id=person.id)
    )
    return int(linked.rowcount)  # type: ignore[attr-defined]


async def _owners_of(session: AsyncSession, emails: Sequence[str]) -> dict[str, str]:
    """Return whose these addresses are, confirmed. One that two people have is nobody's."""
    owners: dict[str, str] = {}
    shared = set()
    rows = await session.execute(
        select(Person.email, Person.id).where(Person.email.in_(emails)).order_by(Person.id)
    )
    for email, person_id in rows:
        if email is None:
            continue
        if email in owners:
            shared.add(email)
        owners[email] = person_id
    return {email: owner for email, owner in owners.items() if email not in shared}
