"""Coordinators at the desk, for tests: roles given in the database, everything else by forms."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from sqlalchemy import select

from signaling.accounts.assignments import grant
from signaling.accounts.bodies import create_unit
from signaling.accounts.rights import AccountRole, HeldRole
from signaling.scheduling.wall_time import to_wall
from signaling.storage.models import Body, Member, Sitting, Unit
from tests.support.accounts_server import AccountsServer, Shown, VisitorClient
from tests.support.sittings import person_by_email

HEAD, UNIT_HEAD, COLLEAGUE, CITIZEN = "142500000", "200000020", "000000048", "000000061"
"""Sample people: Συντονιστής Φορέα, two of a unit, and somebody without a role."""
UNIT_NAME = "Γραφείο Συλλογικών Οργάνων"


async def give_role(
    server: AccountsServer, email: str, body_name: str, unit_name: str = ""
) -> tuple[str, str | None]:
    """Make somebody coordinator of a body, or of a unit of it that is made if it is new."""
    person = await person_by_email(server.service.database, email)
    now = datetime.fromtimestamp(server.clock().wall_s).astimezone()
    async with server.service.database.write() as session:
        body = (await session.scalars(select(Body).where(Body.name == body_name))).one()
        if not unit_name:
            held = HeldRole(AccountRole.BODY_COORDINATOR, body.id)
            await grant(session, person.id, held, now)
            return body.id, None
        unit = (await session.scalars(select(Unit).where(Unit.name == unit_name))).first()
        if unit is None:
            unit = await create_unit(session, body, unit_name, now)
        await grant(
            session, person.id, HeldRole(AccountRole.UNIT_COORDINATOR, body.id, unit.id), now
        )
        return body.id, unit.id


async def enter_as_head(server: AccountsServer, visitor: VisitorClient) -> str:
    """Sign in as Συντονιστής Φορέα of the first sample body; return the body's id."""
    await visitor.enter(HEAD, "head@dimos.gr")
    body_id, _ = await give_role(server, "head@dimos.gr", "Δήμος Παραδείγματος")
    return body_id


async def enter_as_unit_head(
    server: AccountsServer, visitor: VisitorClient, tax_number: str = UNIT_HEAD,
    email: str = "unit@dimos.gr",
) -> tuple[str, str]:  # fmt: skip
    """Sign in as Συντονιστής Οργανικής Μονάδας; return the ids of body and unit."""
    await visitor.enter(tax_number, email)
    body_id, unit_id = await give_role(server, email, "Δήμος Παραδείγματος", UNIT_NAME)
    assert unit_id is not None
    return body_id, unit_id


def fields_on(day_shift: int = 7, clock: str = "18:00", **changes: str) -> dict[str, str]:
    """Return the fields of a sitting so many days from now."""
    day = (to_wall(datetime.now().astimezone()) + timedelta(days=day_shift)).date()
    return {
        "title": "Τακτική συνεδρίαση", "date": day.isoformat(), "time": clock,
        "length_min": "120", "mode": "remote", "open_before_min": "30", **changes,
    }  # fmt: skip


async def create_sitting(visitor: VisitorClient, place: str, **fields: str) -> Shown:
    """Send the form of a new sitting as the page shows it."""
    shown = await visitor.get("/desk/sittings/new")
    assert shown.status == 200, shown.text
    key = re.search(r'name="request_key" value="([0-9a-f]{32})"', shown.text)
    assert key is not None
    form = {"request_key": key[1], "place": place, **(fields or fields_on())}
    return await visitor.post("/desk/sittings", **form)


async def created(visitor: VisitorClient, place: str, **fields: str) -> str:
    """Create a sitting and return the path of its page."""
    shown = await create_sitting(visitor, place, **fields)
    assert re.fullmatch(r"/desk/sittings/[0-9a-f]{32}", shown.path), shown.text
    return shown.path


async def create_council(
    visitor: VisitorClient, place: str, name: str = "Δημοτικό Συμβούλιο"
) -> str:
    """Make a collective body and return its id."""
    await visitor.get("/desk/collective-bodies")
    shown = await visitor.post("/desk/collective-bodies", name=name, kind="council", place=place)
    found = re.fullmatch(r"/desk/collective-bodies/([0-9a-f]{32})", shown.path)
    assert found is not None, shown.text
    return found[1]


def version_in(shown: Shown) -> str:
    """Return the version that the forms of a page carry."""
    found = re.search(r'name="version" value="(\d+)"', shown.text)
    assert found is not None
    return found[1]


async def stored_sitting(server: AccountsServer, path: str) -> Sitting:
    """Return the sitting of a page."""
    async with server.service.database.read() as session:
        return await session.get_one(Sitting, path.rpartition("/")[2])


async def stored_members(server: AccountsServer, collective_body_id: str) -> list[Member]:
    """Return all seats there ever were, by address."""
    async with server.service.database.read() as session:
        rows = await session.scalars(
            select(Member)
            .where(Member.collective_body_id == collective_body_id)
            .order_by(Member.email)
        )
        return list(rows)
