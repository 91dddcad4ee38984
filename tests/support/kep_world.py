"""A small world of ΚΕΠ: municipalities, employees with shifts, services, and citizens who book."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import select

from signaling.audit.trail import StoredTrail
from signaling.kep.booking import Booking, BookingParts, Order
from signaling.kep.capacity import sized_by_employees
from signaling.kep.config import KepConfig
from signaling.kep.day_steps import step_of
from signaling.kep.notices import Notices
from signaling.kep.personal import Needs, PersonalData, PersonalVault
from signaling.kep.placing import Placer
from signaling.kep.plans import PlanStore
from signaling.kep.values import IdentityDocument, Theme, WayOfDelivery
from signaling.mail.config import Delivery
from signaling.mail.queue import MailQueue
from signaling.mail.templates import MailTemplates
from signaling.storage.database import Database
from signaling.storage.models import (
    Appointment,
    AppointmentStep,
    Base,
    Kep,
    KepEmployee,
    KepHours,
    KepService,
    KepShift,
    KepWorkstation,
    Municipality,
    Person,
    new_id,
)
from signaling.vault import Vault
from tests.support.databases import empty_database

ATHENS = ZoneInfo("Europe/Athens")
MONDAY = date(2026, 1, 12)
NOW = datetime(2026, 1, 9, 10, 0, tzinfo=ATHENS)
"""The Friday before."""
FIRST_DAY = date(2026, 1, 1)


def at(hour: int, minute: int = 0, day: date = MONDAY) -> int:
    """Return the step of a wall-clock time."""
    return step_of(datetime(day.year, day.month, day.day, hour, minute, tzinfo=ATHENS))


@dataclass
class World:
    """A database with ΚΕΠ in it, and what books there."""

    database: Database
    config: KepConfig
    now: datetime = NOW
    keps: list[str] = field(default_factory=list)
    services: dict[str, str] = field(default_factory=dict)
    """By theme; of theme 4 by municipality."""
    municipalities: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        vault = Vault(b"k" * 32)
        self.vault = PersonalVault(vault)
        self.mails = MailQueue(MailTemplates(), Delivery.OUTBOX, 3, self.clock)
        self.plans = PlanStore(self.config)
        self.notices = Notices(
            self.mails, self.vault, self.config, sender="Συνέδριον <no-reply@kep.example>",
            public_origin="http://own.test", now=self.clock,
        )  # fmt: skip
        placer = Placer(self.plans, self.config, sized_by_employees, self.clock)
        self.parts = BookingParts(
            self.database, placer, self.vault, self.notices, StoredTrail(vault), self.config,
            sized_by_employees, self.clock,
        )  # fmt: skip
        self.booking = Booking(self.parts)

    def clock(self) -> datetime:
        return self.now.astimezone(UTC)

    async def citizens(self, count: int) -> list[str]:
        """Make people and return their ids."""
        ids = [new_id() for _ in range(count)]
        async with self.database.write() as session:
            session.add_all(
                Person(id=each, given_name="ΓΙΩΡΓΟΣ", family_name="ΠΟΛΙΤΗΣ",
                       email=f"{each}@example.gr", created_at=NOW, signed_in_at=NOW)
                for each in ids
            )  # fmt: skip
        return ids

    def order(self, person_id: str, step: int, **changes: object) -> Order:
        """Return what a citizen sends."""
        order = Order(
            person_id=person_id, service_id=self.services[Theme.INFORMATION], kep_id=None,
            step=step, needs=Needs(), document=IdentityDocument.PASSPORT,
            delivery=WayOfDelivery.EMAIL, request_key=new_id(),
            personal=PersonalData(
                name="ΓΙΩΡΓΟΣ ΠΟΛΙΤΗΣ", email="giorgos@example.gr", phone="6900000000",
                address="Οδός 1, Αθήνα",
            ),
        )  # fmt: skip
        return replace(order, **changes)  # type: ignore[arg-type]

    async def appointments(self) -> list[Appointment]:
        async with self.database.read() as session:
            return list(await session.scalars(select(Appointment).order_by(Appointment.starts_at)))

    async def steps(self) -> list[AppointmentStep]:
        async with self.database.read() as session:
            return list(await session.scalars(select(AppointmentStep)))


@contextlib.asynccontextmanager
async def kep_world(
    backend: str, folder: Path, *, keps: int = 1, employees: int = 1,
    at_most: int = 10_000, config: KepConfig | None = None,
) -> AsyncIterator[World]:  # fmt: skip
    """Run with so many ΚΕΠ, each in a municipality of its own with so many employees, `at_most`
    in all."""
    async with empty_database(backend, folder) as database:
        world = World(database, config or KepConfig())
        await fill(world, keps, employees, at_most)
        yield world


async def fill(world: World, keps: int, employees: int, at_most: int) -> None:
    """Add municipalities, ΚΕΠ, employees with shifts from 08:00 to 14:30, and services."""
    rows: list[Base] = []
    for theme in (Theme.INFORMATION, Theme.BUSINESS, Theme.DISABILITY):
        world.services[theme] = new_id()
        rows.append(KepService(id=world.services[theme], theme=theme, name=f"Υπηρεσία {theme}"))
    places: list[Base] = []
    for number in range(keps):
        municipality, kep, service = new_id(), new_id(), new_id()
        world.municipalities.append(municipality)
        world.keps.append(kep)
        world.services[municipality] = service
        name = f"Δήμος {number}"
        rows.append(Municipality(id=municipality, name=name, name_key=name.lower()))
        places += [
            Kep(id=kep, municipality_id=municipality, name=f"ΚΕΠ {number}", name_key=f"κεπ {number}",
                address="Πλατεία 1", phone="2100000000", serves_business=number == 0,
                created_at=NOW),
            KepService(id=service, theme=Theme.MUNICIPAL, municipality_id=municipality,
                       name="Βεβαίωση κατοικίας"),
        ]  # fmt: skip
    async with world.database.write() as session:
        session.add_all(rows)
        await session.flush()
        session.add_all(places)
        await session.flush()
        left = at_most
        for number, kep in enumerate(world.keps):
            fair = min(employees, -(-left // (len(world.keps) - number)))
            staff, shifts = _staff(kep, fair)
            left -= fair
            session.add_all(staff)
            await session.flush()
            session.add_all(shifts)


def _staff(kep: str, employees: int) -> tuple[list[Base], list[Base]]:
    staff: list[Base] = [
        KepHours(kep_id=kep, weekday=weekday, opens_min=480, closes_min=870) for weekday in range(5)
    ]
    shifts: list[Base] = []
    for number in range(employees):
        employee, desk = new_id(), new_id()
        staff += [
            KepEmployee(id=employee, kep_id=kep, name=f"Υπάλληλος {number}",
                        email=f"y{number}@{kep[:8]}.example"),
            KepWorkstation(id=desk, kep_id=kep, name=f"Θέση {number}", name_key=f"θέση {number}"),
        ]  # fmt: skip
        shifts += [
            KepShift(employee_id=employee, workstation_id=desk, weekday=weekday, starts_min=480,
                     ends_min=870, first_day=FIRST_DAY)
            for weekday in range(5)
        ]  # fmt: skip
    return staff, shifts
