"""An appointment that is due at once, between two sample people: so that a newcomer finds a call to
try. Only where the development provider is."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.people import People
from signaling.kep.config import STEP_MIN, KepConfig
from signaling.kep.day_records import lock_day, take
from signaling.kep.day_steps import bits, day_of, midnight_step, moment_of, step_of
from signaling.kep.personal import Needs, PersonalData, PersonalVault
from signaling.kep.plans import PlanStore
from signaling.kep.samples import sample_identity
from signaling.kep.states import OVER
from signaling.kep.values import (
    AppointmentState,
    IdentityDocument,
    SpecialRequirement,
    Theme,
    WayOfDelivery,
)
from signaling.storage.models import Appointment, KepEmployee, KepService, KepShift, Person, new_id
from signaling.vault import token_hash

CITIZEN, EMPLOYEE = "000000061", "150000029"
"""ΑΦΜ of the two."""
BEGINS_IN = timedelta(minutes=5)


async def add_sample_call(
    session: AsyncSession, people: People, vault: PersonalVault, config: KepConfig, now: datetime
) -> Appointment | None:
    """Add an appointment that begins within minutes; None if the two have one, or the time is taken
    until tomorrow's midnight."""
    citizen = await people.sign_in(session, sample_identity(CITIZEN), now)
    employee_person = await people.sign_in(session, sample_identity(EMPLOYEE), now)
    await session.flush()
    employee = await session.scalar(
        select(KepEmployee).where(KepEmployee.person_id == employee_person.id)
    )
    service = await session.scalar(
        select(KepService).where(KepService.theme == Theme.INFORMATION).order_by(KepService.name)
    )
    if employee is None or service is None or await _is_one_ahead(session, citizen, employee, now):
        return None
    workstation_id = await session.scalar(
        select(KepShift.workstation_id).where(KepShift.employee_id == employee.id)
    )
    if workstation_id is None:
        return None
    appointment = _new(
        citizen, employee, service, workstation_id=workstation_id, vault=vault, now=now
    )
    return appointment if await _place(session, appointment, config, now) else None


async def _is_one_ahead(
    session: AsyncSession, citizen: Person, employee: KepEmployee, now: datetime
) -> bool:
    found = await session.scalar(
        select(Appointment.id)
        .where(
            Appointment.person_id == citizen.id,
            Appointment.employee_id == employee.id,
            Appointment.state.not_in([state.value for state in OVER]),
            Appointment.ends_at > now,
            Appointment.starts_at < now + timedelta(hours=1),
        )
        .limit(1)
    )
    return found is not None


def _new(
    citizen: Person, employee: KepEmployee, service: KepService, *, workstation_id: str,
    vault: PersonalVault, now: datetime,
) -> Appointment:  # fmt: skip
    number, token = new_id(), new_id()
    personal = PersonalData(
        name=citizen.full_name, email="citizen@example.gr", phone="6900000000",
        address="Οδός Παραδείγματος 1, 105 51 Αθήνα", token=token,
    )  # fmt: skip
    needs = Needs((SpecialRequirement.SIGN_LANGUAGE,))
    return Appointment(
        id=number, room=f"kep-{new_id()}", person_id=citizen.id, theme=service.theme,
        service_id=service.id, kep_id=employee.kep_id, employee_id=employee.id,
        workstation_id=workstation_id, state=AppointmentState.BOOKED.value,
        personal=vault.seal(number, personal), needs=vault.seal_needs(number, needs),
        document=IdentityDocument.IDENTITY_CARD.value, delivery=WayOfDelivery.EMAIL.value,
        calendar_uid=new_id(), calendar_sequence=0, token_hash=token_hash(token),
        request_key=new_id(), created_at=now, version=1,
    )  # fmt: skip


async def _place(
    session: AsyncSession, appointment: Appointment, config: KepConfig, now: datetime
) -> bool:
    """Give it the first free time of the rest of the day, or of the next: late in the evening too
    there is a call to try."""
    earliest = step_of(now + BEGINS_IN)
    length = config.slot_minutes // STEP_MIN
    length_and_gap = length + config.gap_minutes // STEP_MIN
    for day in (day_of(earliest), day_of(earliest) + timedelta(days=1)):
        midnight = midnight_step(day)
        busy = await lock_day(session, appointment.kep_id, day)
        assert busy is not None, "invariant: a lock that waits is got"
        taken = busy.get(appointment.employee_id, 0) | busy.get(appointment.workstation_id, 0)
        first = max(earliest, midnight)
        while day_of(first + length_and_gap) == day:
            if not taken & bits(first - midnight, length_and_gap):
                appointment.starts_at = moment_of(first)
                appointment.ends_at = moment_of(first + length)
                session.add(appointment)
                await session.flush()
                plans = await PlanStore(config).get(session)
                await take(session, appointment, length_and_gap, busy, plans)
                return True
            first += 1
    return False
