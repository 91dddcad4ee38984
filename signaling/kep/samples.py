"""ΚΕΠ to try things with, only where the development provider is: the municipalities that joined, a
few ΚΕΠ among them, and sample people as employees and administrator."""

from __future__ import annotations

import tomllib
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.assignments import grant
from signaling.accounts.people import People
from signaling.accounts.rights import AccountRole, HeldRole
from signaling.accounts.texts import fold
from signaling.identity.provider import Identity
from signaling.identity.sample_people import SAMPLE_PEOPLE
from signaling.kep.plans import tell_changed
from signaling.kep.values import Theme
from signaling.rendering import ATHENS
from signaling.storage.database import Database
from signaling.storage.models import (
    Kep,
    KepEmployee,
    KepHours,
    KepService,
    KepShift,
    KepWorkstation,
    Municipality,
)

DATA = Path(__file__).resolve().parent / "data"
OPENS_MIN, CLOSES_MIN = 8 * 60, 14 * 60 + 30
"""R87: bookable hours."""
WORKDAYS = range(5)

EMPLOYEES = {
    "150000029": "ΚΕΠ Αθηναίων 0089",
    "150000030": "ΚΕΠ Χανίων 0355",
}
"""ΑΦΜ of a sample person → where they serve."""
KEP_ADMINISTRATOR = "150000042"
SAMPLE_KEPS = (
    ("Δήμος Αθηναίων", "ΚΕΠ Αθηναίων 0089", "Πλατεία Δημαρχείου 1, 105 51 Αθήνα", "2100000089", 2),
    ("Δήμος Αθηναίων", "ΚΕΠ Αθηναίων 0091", "Οδός Παραδείγματος 10, 112 51 Αθήνα", "2100000091", 1),
    ("Δήμος Χανίων", "ΚΕΠ Χανίων 0355", "Οδός Δοκιμής 5, 731 32 Χανιά", "2821000355", 2),
    ("Δήμος Κιλκίς", "ΚΕΠ Κιλκίς 0412", "Οδός Υποδείγματος 3, 611 00 Κιλκίς", "2341000412", 1),
)  # fmt: skip
"""Municipality, name, address, phone, employees. All invented but for the municipalities."""
OTHER_NAMES = ("Ελένη Παραδείγματος", "Νίκος Υποδειγματικός", "Σοφία Δοκιμαστική",
               "Γιάννης Δειγματίδης")  # fmt: skip


async def add_sample_keps(database: Database, people: People, now: datetime) -> None:
    """Add all that to a database without municipalities."""
    async with database.write() as session:
        if await session.scalar(select(Municipality.id).limit(1)):
            return
        municipalities = await add_municipalities(session)
        services = tomllib.loads((DATA / "services.toml").read_text(encoding="utf-8"))
        for theme in (Theme.INFORMATION, Theme.BUSINESS, Theme.DISABILITY):
            session.add_all(KepService(theme=theme, name=name) for name in services[theme])
        for name in sorted({each[0] for each in SAMPLE_KEPS}):
            session.add_all(
                KepService(theme=Theme.MUNICIPAL, municipality_id=municipalities[name].id,
                           name=service)
                for service in services[Theme.MUNICIPAL]
            )  # fmt: skip
        await _add_keps(session, municipalities, now)
        await _appoint(session, people, now)
        await tell_changed(session)


async def add_municipalities(session: AsyncSession) -> dict[str, Municipality]:
    """Add the published list and return it by name."""
    names = tomllib.loads((DATA / "municipalities.toml").read_text(encoding="utf-8"))["names"]
    rows = {name: Municipality(name=name, name_key=fold(name)) for name in names}
    session.add_all(rows.values())
    await session.flush()
    return rows


def sample_identity(tax_number: str) -> Identity:
    """Return a sample person as the development provider tells of them."""
    sample = next(each for each in SAMPLE_PEOPLE if each.tax_number == tax_number)
    return Identity(
        "tax-number", sample.tax_number, sample.given_name, sample.family_name,
        sample.father_name, sample.mother_name, sample.birth_year, sample.tax_number,
    )  # fmt: skip


async def _add_keps(
    session: AsyncSession, municipalities: dict[str, Municipality], now: datetime
) -> None:
    others = iter(OTHER_NAMES)
    for place, name, address, phone, employees in SAMPLE_KEPS:
        kep = Kep(
            municipality_id=municipalities[place].id, name=name, name_key=fold(name),
            address=address, phone=phone, serves_business=employees > 1, created_at=now,
        )  # fmt: skip
        session.add(kep)
        await session.flush()
        session.add_all(
            KepHours(kep_id=kep.id, weekday=weekday, opens_min=OPENS_MIN, closes_min=CLOSES_MIN)
            for weekday in WORKDAYS
        )
        samples = [number for number, where in EMPLOYEES.items() if where == name]
        for desk in range(1, employees + 1):
            sample = samples.pop() if samples else ""
            await _add_employee(session, kep, desk, sample or next(others), now)


async def _add_employee(
    session: AsyncSession, kep: Kep, desk: int, name: str, now: datetime
) -> None:
    """Add an employee at a desk; a sample person is named by ΑΦΜ until `_appoint`."""
    title = f"Θέση {desk}"
    workstation = KepWorkstation(kep_id=kep.id, name=title, name_key=fold(title))
    employee = KepEmployee(kep_id=kep.id, name=name, email=f"desk{desk}.{kep.phone}@kep.example")
    session.add_all([workstation, employee])
    await session.flush()
    session.add_all(
        KepShift(
            employee_id=employee.id, workstation_id=workstation.id, weekday=weekday,
            starts_min=OPENS_MIN, ends_min=CLOSES_MIN, first_day=now.astimezone(ATHENS).date(),
        )
        for weekday in WORKDAYS
    )  # fmt: skip


async def _appoint(session: AsyncSession, people: People, now: datetime) -> None:
    for sample in SAMPLE_PEOPLE:
        if sample.tax_number not in {*EMPLOYEES, KEP_ADMINISTRATOR}:
            continue
        person = await people.sign_in(session, sample_identity(sample.tax_number), now)
        await session.flush()
        if sample.tax_number == KEP_ADMINISTRATOR:
            await grant(session, person.id, HeldRole(AccountRole.KEP_ADMINISTRATOR), now)
            continue
        employee = await session.scalar(
            select(KepEmployee).where(KepEmployee.name == sample.tax_number)
        )
        assert employee is not None, "invariant: each sample employee has a desk"
        employee.person_id, employee.name = person.id, person.full_name
