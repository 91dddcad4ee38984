"""Booking on real databases: who gets what, that nobody gets it twice, and that it is given back."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from signaling.kep.booking import LOOKERS, TooManyAppointments
from signaling.kep.config import KepConfig
from signaling.kep.day_records import decode_busy, recount
from signaling.kep.day_steps import bits, day_of, midnight_step
from signaling.kep.personal import Needs
from signaling.kep.placing import NotOffered, OwnOverlap, SlotGone
from signaling.kep.plans import Wanted, load_plans, tell_changed
from signaling.kep.search import Search, local_time
from signaling.kep.states import WrongState
from signaling.kep.values import AppointmentState, SpecialRequirement, Theme
from signaling.storage.models import (
    Appointment,
    AppointmentStep,
    AuditRecord,
    Kep,
    KepDay,
    KepEmployee,
    KepShift,
    KepSpecialDay,
    Mail,
)
from tests.support.databases import BACKENDS
from tests.support.kep_world import MONDAY, World, at, kep_world
from tests.support.waiting import PATIENCE_S

pytestmark = [pytest.mark.asyncio, pytest.mark.parametrize("backend", BACKENDS)]

ANY = Wanted(Theme.INFORMATION)


async def free_times(world: World, wanted: Wanted = ANY) -> list[str]:
    async with world.database.read() as session:
        plans = await world.plans.get(session)
        search = Search(plans, wanted, world.config, world.clock())
        return [f"{local_time(each):%H:%M}" for each in await search.times(session, MONDAY)]


async def check_days(world: World) -> None:
    """Days are the sum of the steps."""
    masks: dict[tuple[int, str], int] = {}
    for row in await world.steps():
        day = day_of(row.step)
        bit = bits(row.step - midnight_step(day), 1)
        for key in (row.employee_id, row.workstation_id):
            masks[day.toordinal(), key] = masks.get((day.toordinal(), key), 0) | bit
    async with world.database.read() as session:
        days = list(await session.scalars(select(KepDay)))
    stored = {(day.day, key): mask for day in days for key, mask in decode_busy(day.busy).items()}
    assert stored == masks
    assert sum(day.taken for day in days) == len(await world.steps())


async def test_booking_takes_the_time_and_tells_the_citizen(backend: str, tmp_path: Path) -> None:
    async with kep_world(backend, tmp_path) as world:
        [anna] = await world.citizens(1)
        needs = Needs((SpecialRequirement.SIGN_LANGUAGE,), "Μόνο βιντεοκλήση")
        booked = await world.booking.book(world.order(anna, at(8), needs=needs))
        assert (booked.state, booked.calendar_sequence) == (AppointmentState.BOOKED, 0)
        assert booked.ends_at - booked.starts_at == timedelta(minutes=20)
        assert len(await world.steps()) == 6  # the gap is taken too
        assert (await free_times(world))[0] == "08:30"
        await check_days(world)

        async with world.database.read() as session:
            mail = (await session.scalars(select(Mail))).one()
            record = (await session.scalars(select(AuditRecord))).one()
            row = await session.get_one(Appointment, booked.id)
        assert "08:00" in mail.text and "Δευτέρα" in mail.text and "/kep/link/" in mail.text
        assert mail.calendar is not None and "METHOD:REQUEST" in mail.calendar
        assert "νοηματική" not in mail.text and "βιντεοκλήση" in mail.text
        assert record.object_id == booked.id and "ΠΟΛΙΤΗΣ" not in json.dumps(record.facts)
        # Nothing that names the citizen lies open in the row.
        for value in (row.personal, row.needs or b""):
            for word in ("ΠΟΛΙΤΗΣ", "giorgos", "6900000000", "Μόνο", "sign_language"):
                assert word.encode() not in value
        assert world.vault.open(row).phone == "6900000000"
        assert world.vault.open_needs(row) == needs
        link = world.vault.open(row).token
        assert link in mail.text and link != row.token_hash


async def test_forty_citizens_race_for_ten_slots(backend: str, tmp_path: Path) -> None:
    async with kep_world(backend, tmp_path, employees=10) as world:
        people = await world.citizens(40)
        results = await asyncio.gather(
            *(world.booking.book(world.order(each, at(8))) for each in people),
            return_exceptions=True,
        )
        booked = [each for each in results if isinstance(each, Appointment)]
        gone = [each for each in results if isinstance(each, SlotGone)]
        assert (len(booked), len(gone)) == (10, 30), results
        assert len({each.employee_id for each in booked}) == 10
        assert len({each.room for each in booked}) == 10
        # Who came too late is offered what is next.
        assert all(each.offers and at(8) not in each.offers for each in gone)
        assert gone[0].offers[0] == at(8, 30)
        await check_days(world)


async def test_two_processes_race_for_the_last_slot(backend: str, tmp_path: Path) -> None:
    """Two bookings that know nothing of each other: only the database stands between them."""
    async with kep_world(backend, tmp_path) as world:
        other = World(world.database, world.config, services=world.services)
        people = await world.citizens(12)
        results = await asyncio.gather(
            *(
                (world, other)[number % 2].booking.book(world.order(each, at(9)))
                for number, each in enumerate(people)
            ),
            return_exceptions=True,
        )
        assert Counter(type(each) for each in results) == {Appointment: 1, SlotGone: 11}
        await check_days(world)


async def test_the_database_itself_refuses_a_second_booking(backend: str, tmp_path: Path) -> None:
    async with kep_world(backend, tmp_path) as world:
        [anna] = await world.citizens(1)
        booked = await world.booking.book(world.order(anna, at(8)))
        taken = {"step": at(8), "appointment_id": booked.id}
        for who in (
            {"employee_id": booked.employee_id, "workstation_id": "other"},
            {"employee_id": "other", "workstation_id": booked.workstation_id},
        ):
            with pytest.raises(IntegrityError):
                async with world.database.write() as session:
                    await session.execute(insert(AppointmentStep).values(taken | who))


async def test_load_is_spread_fairly(backend: str, tmp_path: Path) -> None:
    async with kep_world(backend, tmp_path, keps=2, employees=3) as world:
        people = await world.citizens(12)
        for number, each in enumerate(people):
            await world.booking.book(world.order(each, at(8 + number // 6)))
        counts = Counter(each.employee_id for each in await world.appointments())
        assert sorted(counts.values()) == [2] * 6


async def test_form_sent_twice_is_one_appointment(backend: str, tmp_path: Path) -> None:
    async with kep_world(backend, tmp_path, employees=3) as world:
        [anna] = await world.citizens(1)
        order = world.order(anna, at(8))
        first, second = await asyncio.gather(world.booking.book(order), world.booking.book(order))
        assert first.id == second.id and len(await world.appointments()) == 1


async def test_who_is_too_late_does_not_stand_in_the_queue(backend: str, tmp_path: Path) -> None:
    config = KepConfig(max_open_per_person=1)
    async with kep_world(backend, tmp_path, config=config) as world:
        anna, vera, eleni = await world.citizens(3)
        order = world.order(anna, at(8))
        booked = await world.booking.book(order)
        async with contextlib.AsyncExitStack() as all_turns, asyncio.timeout(PATIENCE_S):
            while not world.booking._turns.locked():
                await all_turns.enter_async_context(world.booking._turns)
            with pytest.raises(SlotGone) as refused:
                await world.booking.book(world.order(vera, at(8)))
            assert refused.value.offers[0] == at(8, 30)
            assert (await world.booking.book(order)).id == booked.id
            with pytest.raises(TooManyAppointments):
                await world.booking.book(world.order(anna, at(9)))
            with pytest.raises(NotOffered):
                await world.booking.book(world.order(vera, at(9), service_id="0" * 32))
            waiting = asyncio.create_task(world.booking.book(world.order(eleni, at(9))))
            await asyncio.wait([waiting], timeout=0.3)
            assert not waiting.done()
        assert (await waiting).person_id == eleni


async def test_few_look_at_once_however_many_come(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with kep_world(backend, tmp_path) as world:
        anna, *others = await world.citizens(20)
        await world.booking.book(world.order(anna, at(8)))
        check, looking = world.parts.placer.check_free, [0, 0]

        async def check_slowly(*arguments: Any) -> None:
            looking[0] += 1
            looking[1] = max(looking)
            await asyncio.sleep(0.01)
            looking[0] -= 1
            await check(*arguments)

        monkeypatch.setattr(world.parts.placer, "check_free", check_slowly)
        async with contextlib.AsyncExitStack() as all_turns, asyncio.timeout(PATIENCE_S):
            while not world.booking._turns.locked():
                await all_turns.enter_async_context(world.booking._turns)
            orders = [world.order(each, at(8)) for each in others]
            told = await asyncio.gather(*map(world.booking.book, orders), return_exceptions=True)
        assert {type(each) for each in told} == {SlotGone}
        assert looking[1] == LOOKERS


async def test_cancelled_time_is_free_at_once(backend: str, tmp_path: Path) -> None:
    async with kep_world(backend, tmp_path) as world:
        anna, vera = await world.citizens(2)
        booked = await world.booking.book(world.order(anna, at(8)))
        with pytest.raises(SlotGone):
            await world.booking.book(world.order(vera, at(8)))
        await world.booking.cancel(booked.id, anna)
        assert await world.steps() == [] and (await free_times(world))[0] == "08:00"
        again = await world.booking.book(world.order(vera, at(8)))
        assert again.employee_id == booked.employee_id
        with pytest.raises(WrongState):
            await world.booking.cancel(booked.id, anna)
        async with world.database.read() as session:
            mails = list(await session.scalars(select(Mail).order_by(Mail.created_at)))
        cancels = [each for each in mails if each.calendar and "METHOD:CANCEL" in each.calendar]
        assert len(cancels) == 1 and cancels[0].calendar is not None
        assert "SEQUENCE:1" in cancels[0].calendar and "STATUS:CANCELLED" in cancels[0].calendar
        assert f"UID:{booked.calendar_uid}" in cancels[0].calendar
        await check_days(world)


async def test_rescheduling_moves_the_calendar_entry_and_frees_the_time(
    backend: str, tmp_path: Path
) -> None:
    async with kep_world(backend, tmp_path) as world:
        [anna] = await world.citizens(1)
        old = await world.booking.book(world.order(anna, at(8)))
        new = await world.booking.reschedule(old.id, anna, at(8, 30), "again")
        twice = await world.booking.reschedule(old.id, anna, at(8, 30), "again")
        assert twice.id == new.id != old.id and new.room != old.room
        assert (new.calendar_uid, new.calendar_sequence) == (old.calendar_uid, 1)
        assert [each.state for each in await world.appointments()] == ["rescheduled", "booked"]
        assert (await free_times(world))[:2] == ["08:00", "09:00"]
        with pytest.raises(SlotGone):
            await world.booking.reschedule(new.id, anna, at(20), "late")
        assert (await world.appointments())[-1].state == "booked"  # nothing was lost
        await check_days(world)


async def test_two_who_swap_their_times_do_not_block_each_other(
    backend: str, tmp_path: Path
) -> None:
    async with kep_world(backend, tmp_path, keps=2, employees=2) as world:
        people = await world.citizens(4)
        tuesday = MONDAY + timedelta(days=1)
        booked = []
        for number, each in enumerate(people):
            step = at(8) if number % 2 else at(8, day=tuesday)
            order = world.order(each, step, kep_id=world.keps[0])
            booked.append(await world.booking.book(order))
        moved = await asyncio.gather(
            *(
                world.booking.reschedule(
                    each.id, each.person_id, at(9, day=tuesday) if number % 2 else at(9), "swap"
                )
                for number, each in enumerate(booked)
            )
        )
        assert len({(each.employee_id, each.starts_at) for each in moved}) == 4
        await check_days(world)


async def test_what_cannot_be_booked(backend: str, tmp_path: Path) -> None:
    config = KepConfig(max_open_per_person=2)
    async with kep_world(backend, tmp_path, keps=2, employees=2, config=config) as world:
        [anna] = await world.citizens(1)
        order, book = world.order, world.booking.book
        sunday = MONDAY - timedelta(days=1)
        for step in (0, at(8, day=MONDAY - timedelta(days=7)), at(8, day=sunday), at(7, 55),
                     at(14, 15), at(8, day=MONDAY + timedelta(days=70))):  # fmt: skip
            with pytest.raises(SlotGone):
                await book(order(anna, step))
        # Theme 4 at a ΚΕΠ of another municipality; a service that is none.
        service = world.services[world.municipalities[0]]
        with pytest.raises(NotOffered):
            await book(order(anna, at(8), service_id=service, kep_id=world.keps[1]))
        with pytest.raises(NotOffered):
            await book(order(anna, at(8), service_id="0" * 32))
        business = world.services[Theme.BUSINESS]
        with pytest.raises(NotOffered):
            await book(order(anna, at(8), service_id=business, kep_id=world.keps[1]))
        assert await world.appointments() == [] and await world.steps() == []

        await book(order(anna, at(8)))
        with pytest.raises(OwnOverlap):
            await book(order(anna, at(8, 10), kep_id=world.keps[1]))
        await book(order(anna, at(9)))
        with pytest.raises(TooManyAppointments):
            await book(order(anna, at(10)))
        assert len(await world.appointments()) == 2
        await check_days(world)


async def test_municipal_service_is_given_by_a_kep_of_the_municipality(
    backend: str, tmp_path: Path
) -> None:
    async with kep_world(backend, tmp_path, keps=3) as world:
        [anna] = await world.citizens(1)
        service = world.services[world.municipalities[1]]
        booked = await world.booking.book(world.order(anna, at(8), service_id=service))
        assert booked.kep_id == world.keps[1]
        wanted = Wanted(Theme.MUNICIPAL, world.municipalities[1])
        assert (await free_times(world, wanted))[0] == "08:30"


async def test_theme_for_people_with_disabilities_takes_longer(
    backend: str, tmp_path: Path
) -> None:
    async with kep_world(backend, tmp_path) as world:
        [anna] = await world.citizens(1)
        service = world.services[Theme.DISABILITY]
        booked = await world.booking.book(world.order(anna, at(8), service_id=service))
        assert booked.ends_at - booked.starts_at == timedelta(minutes=30)
        assert (await free_times(world))[0] == "08:40"


async def test_workstation_is_not_shared_at_the_same_time(backend: str, tmp_path: Path) -> None:
    async with kep_world(backend, tmp_path, employees=2) as world:
        async with world.database.write() as session:
            first = (await session.scalars(select(KepShift.workstation_id).limit(1))).one()
            await session.execute(update(KepShift).values(workstation_id=first))
            await tell_changed(session)
        anna, vera = await world.citizens(2)
        await world.booking.book(world.order(anna, at(8)))
        with pytest.raises(SlotGone):
            await world.booking.book(world.order(vera, at(8)))
        await world.booking.book(world.order(vera, at(8, 30)))
        assert len({each.employee_id for each in await world.appointments()}) == 2


async def test_change_of_the_plan_is_seen_by_the_next_booking(backend: str, tmp_path: Path) -> None:
    async with kep_world(backend, tmp_path) as world:
        anna, vera = await world.citizens(2)
        await world.booking.book(world.order(anna, at(8)))
        async with world.database.write() as session:
            await session.execute(update(KepEmployee).values(is_active=False))
            await tell_changed(session)
        with pytest.raises(SlotGone) as refused:
            await world.booking.book(world.order(vera, at(9)))
        assert refused.value.offers == []
        async with world.database.write() as session:
            await session.execute(update(Kep).values(is_active=False))
            await tell_changed(session)
        with pytest.raises(NotOffered):
            await world.booking.book(world.order(vera, at(9)))


async def test_constraint_holds_when_the_day_row_lies(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search may be wrong about what is free: then the next employee is tried."""
    async with kep_world(backend, tmp_path, employees=2) as world:
        people = await world.citizens(3)
        first = await world.booking.book(world.order(people[0], at(8)))

        async def nothing_taken(*_: object, **__: object) -> dict[str, int]:
            return {}

        monkeypatch.setattr("signaling.kep.placing.read_busy", nothing_taken)
        monkeypatch.setattr("signaling.kep.placing.lock_day", nothing_taken)
        second = await world.booking.book(world.order(people[1], at(8)))
        assert second.employee_id != first.employee_id
        with pytest.raises(SlotGone):
            await world.booking.book(world.order(people[2], at(8)))
        assert len(await world.steps()) == 12 and len(await world.appointments()) == 2


async def test_free_days_are_those_with_free_hours(backend: str, tmp_path: Path) -> None:
    """The quick answer for all days agrees with the exact one for each, also after changes."""
    config = KepConfig(horizon_days=10, max_open_per_person=1000)
    async with kep_world(backend, tmp_path, keps=3, employees=2, config=config) as world:
        anna, *people = await world.citizens(40)
        tuesday = MONDAY + timedelta(days=1)
        for number, each in enumerate(people):  # one ΚΕΠ is full on Monday
            step = at(8 + number // 2 // 2, number // 2 % 2 * 30)
            if number < 26:
                await world.booking.book(world.order(each, step, kep_id=world.keps[1]))
        await world.booking.book(world.order(anna, at(8, day=tuesday), kep_id=world.keps[0]))
        assert await _free_days(world, kep_id=world.keps[1]) == 6  # of seven working days
        assert await _free_days(world) == 7
        async with world.database.write() as session:
            closed = KepSpecialDay(kep_id=world.keps[0], day=tuesday, opens_min=480, closes_min=540)
            session.add(closed)
            await session.flush()
            plans = await load_plans(session, config, 0)
            await recount(session, plans, world.keps[0], MONDAY)
            await tell_changed(session)
        assert await _free_days(world, kep_id=world.keps[0]) == 7


async def _free_days(world: World, kep_id: str | None = None) -> int:
    async with world.database.read() as session:
        plans = await world.plans.get(session)
        for theme in (Theme.DISABILITY, Theme.INFORMATION):
            search = Search(plans, Wanted(theme, kep_id=kep_id), world.config, world.clock())
            days = await search.days(session)
            for each in days:
                assert each.is_free is bool(await search.times(session, each.day)), each
    return sum(each.is_free for each in days)
