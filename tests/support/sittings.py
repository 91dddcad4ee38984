"""Sittings put straight into the database, for tests of what comes after scheduling."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from sqlalchemy import select

from signaling.accounts.rights import AccountRole
from signaling.scheduling.values import Office, SittingKind, SittingMode, SittingState
from signaling.storage.database import Database
from signaling.storage.models import (
    AgendaItem,
    Body,
    CollectiveBody,
    Member,
    Person,
    RoleAssignment,
    Sitting,
)

MEMBERS = {
    "chair@dimos.gr": Office.CHAIR,
    "secretary@dimos.gr": Office.SECRETARY,
    "mayor@dimos.gr": Office.MAYOR,
    "member@dimos.gr": Office.MEMBER,
}


async def person_by_email(database: Database, email: str) -> Person:
    """Return who confirmed `email`."""
    async with database.read() as session:
        return (await session.scalars(select(Person).where(Person.email == email))).one()


async def make_coordinator(database: Database, email: str, now: datetime) -> tuple[Person, str]:
    """Make who confirmed `email` coordinator of the first body; return them and its id."""
    person = await person_by_email(database, email)
    async with database.write() as session:
        body = (await session.scalars(select(Body).order_by(Body.name_key))).first()
        assert body is not None
        session.add(
            RoleAssignment(
                person_id=person.id, role=AccountRole.BODY_COORDINATOR, body_id=body.id,
                granted_at=now,
            )
        )  # fmt: skip
    return person, body.id


async def add_council(database: Database, body_id: str, now: datetime) -> str:
    """Add a council with `MEMBERS` and return its id."""
    async with database.write() as session:
        name = f"Δημοτικό Συμβούλιο {secrets.token_hex(4)}"
        council = CollectiveBody(
            body_id=body_id, name=name, name_key=name.casefold(), kind="council",
            is_active=True, created_at=now,
        )  # fmt: skip
        session.add(council)
        await session.flush()
        for email, office in MEMBERS.items():
            member = Member(
                collective_body_id=council.id, name=email.partition("@")[0].title(), email=email,
                office=office, started_at=now,
            )  # fmt: skip
            session.add(member)
    return council.id


async def add_sitting(
    database: Database, organiser: Person, body_id: str, now: datetime, *,
    starts_in: timedelta = timedelta(hours=3), collective_body_id: str | None = None,
    title: str = "Τακτική συνεδρίαση", is_closed: bool = False, admits_guests: bool = False,
) -> Sitting:  # fmt: skip
    """Add a planned sitting of an hour."""
    starts_at = now + starts_in
    async with database.write() as session:
        sitting = Sitting(
            room=f"s-{secrets.token_hex(12)}", body_id=body_id,
            collective_body_id=collective_body_id, organiser_id=organiser.id, title=title,
            kind=SittingKind.COUNCIL_SESSION, mode=SittingMode.REMOTE,
            state=SittingState.PLANNED, starts_at=starts_at,
            ends_at=starts_at + timedelta(hours=1), open_before_min=15,
            expected_participants=20, is_closed=is_closed, admits_guests=admits_guests,
            created_at=now,
        )  # fmt: skip
        session.add(sitting)
        await session.flush()
        session.add(
            AgendaItem(sitting_id=sitting.id, number=1, title="Έγκριση προϋπολογισμού", speaker="")
        )
    return sitting
