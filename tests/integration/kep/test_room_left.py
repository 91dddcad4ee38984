"""The one number that a search for free days reads of each ΚΕΠ and day: kept, reckoned anew, trusted
only as long as it is of the plan that is."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.kep import room_reckoning
from signaling.kep.config import KepConfig
from signaling.kep.plans import Plans, PlanStore, Wanted, load_plans, tell_changed
from signaling.kep.room_reckoning import reckon_rooms
from signaling.kep.search import Search
from signaling.kep.values import Theme
from signaling.storage.models import Kep, KepDay
from tests.support.databases import BACKENDS
from tests.support.kep_world import MONDAY, World, at, kep_world
from tests.support.waiting import PATIENCE_S

pytestmark = [pytest.mark.asyncio, pytest.mark.parametrize("backend", BACKENDS)]

CONFIG = KepConfig(horizon_days=10, max_open_per_person=1000)
FRIDAY = MONDAY - timedelta(days=3)
"""Today."""


async def rooms(world: World) -> list[tuple[int | None, int | None]]:
    async with world.database.read() as session:
        rows = await session.execute(select(KepDay.room, KepDay.gap).order_by(KepDay.day))
        return [(room, gap) for room, gap in rows]


async def reckon(world: World) -> int:
    return await reckon_rooms(world.database, world.plans, FRIDAY)


async def forget(session: AsyncSession) -> None:
    await session.execute(update(KepDay).values(room=None))


async def book_days(world: World, count: int) -> list[tuple[int | None, int | None]]:
    """Book at eleven on so many days from Monday on, at each ΚΕΠ; return what is left."""
    people = await world.citizens(count * len(world.keps))
    for number, each in enumerate(people):
        day, kep_id = MONDAY + timedelta(days=number // len(world.keps)), world.keps[number % 2]
        await world.booking.book(world.order(each, at(11, day=day), kep_id=kep_id))
    return await rooms(world)


async def free_days(world: World, **wanted: str) -> list[date]:
    """Return the days found free; each must have times, and the others none."""
    async with world.database.read() as session:
        plans = await world.plans.get(session)
        search = Search(plans, Wanted(Theme.INFORMATION, **wanted), world.config, world.clock())
        days = await search.days(session)
        for each in days:
            assert each.is_free is bool(await search.times(session, each.day)), each
        return [each.day for each in days if each.is_free]


async def test_room_follows_bookings_and_cancellations(backend: str, tmp_path: Path) -> None:
    async with kep_world(backend, tmp_path, config=CONFIG) as world:
        anna, vera = await world.citizens(2)
        noon = await world.booking.book(world.order(anna, at(11)))
        # From 11:30 to 14:30, and no gap need be kept behind it.
        assert await rooms(world) == [(36, 2)]
        await world.booking.book(world.order(vera, at(13)))
        assert await rooms(world) == [(34, 2)]  # from 08:00, with the gap before 11:00
        await world.booking.cancel(noon.id, anna)
        assert await rooms(world) == [(58, 2)]


async def test_full_day_is_not_offered_and_is_again(backend: str, tmp_path: Path) -> None:
    async with kep_world(backend, tmp_path, config=CONFIG) as world:
        people = await world.citizens(13)
        booked = [await world.booking.book(world.order(each, at(8) + 6 * number))
                  for number, each in enumerate(people)]  # fmt: skip
        assert MONDAY not in await free_days(world)
        await world.booking.cancel(booked[4].id, people[4])
        assert MONDAY in await free_days(world)


async def test_what_is_not_known_is_looked_up_and_reckoned(backend: str, tmp_path: Path) -> None:
    async with kep_world(backend, tmp_path, keps=2, config=CONFIG) as world:
        anna, *people = await world.citizens(14)
        for number, each in enumerate(people):
            await world.booking.book(world.order(each, at(8) + 6 * number, kep_id=world.keps[0]))
        await world.booking.book(world.order(anna, at(11), kep_id=world.keps[1]))
        first = world.keps[0]
        known, days = await rooms(world), await free_days(world, kep_id=first)
        assert MONDAY not in days and MONDAY in await free_days(world)
        async with world.database.write() as session:
            await session.execute(update(KepDay).values(room=None, gap=None))
        assert await free_days(world, kep_id=first) == days
        assert MONDAY in await free_days(world, kep_id=world.keps[1])
        assert (await reckon(world), await reckon(world)) == (2, 0)
        assert sorted(await rooms(world)) == sorted(known)


async def test_other_gap_is_reckoned_with(backend: str, tmp_path: Path) -> None:
    async with kep_world(backend, tmp_path, config=CONFIG) as world:
        [anna] = await world.citizens(1)
        await world.booking.book(world.order(anna, at(10)))
        assert await rooms(world) == [(48, 2)]
        world.config = replace(CONFIG, gap_minutes=240)
        world.plans = PlanStore(world.config)
        assert MONDAY in await free_days(world)
        assert await reckon(world) == 1
        assert await rooms(world) == [(48, 48)]


async def test_room_by_a_plan_that_has_changed_is_not_kept(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with kep_world(backend, tmp_path, config=CONFIG) as world:
        [anna] = await world.citizens(1)
        async with world.database.read() as session:
            old = await world.plans.get(session)
        async with world.database.write() as session:
            await tell_changed(session)

        async def read_too_early(_: AsyncSession) -> Plans:
            return old

        with monkeypatch.context() as patch:
            patch.setattr(world.plans, "get", read_too_early)
            await world.booking.book(world.order(anna, at(11)))
        assert await rooms(world) == [(None, 2)]
        assert MONDAY in await free_days(world)
        assert await reckon(world) == 1
        assert await rooms(world) == [(36, 2)]


async def test_days_are_reckoned_some_at_a_time_whatever_their_gap(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_reckoning, "RECKONED_AT_ONCE", 3)
    async with kep_world(backend, tmp_path, keps=2, config=CONFIG) as world:
        async with world.database.write() as session:
            (await session.get_one(Kep, world.keps[1])).gap_minutes = 30
            await session.flush()
            await tell_changed(session)
        known = await book_days(world, 4)
        assert {gap for _, gap in known} == {2, 6}
        async with world.database.write() as session:
            await forget(session)
        assert (await reckon(world), await reckon(world)) == (8, 0)
        assert sorted(await rooms(world)) == sorted(known)


async def test_days_forgotten_as_fast_as_they_are_reckoned_end_all_the_same(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_reckoning, "RECKONED_AT_ONCE", 1)
    async with kep_world(backend, tmp_path, keps=2, config=CONFIG) as world:
        known = await book_days(world, 2)
        get = world.plans.get

        async def forget_and_get(session: AsyncSession) -> Plans:
            await forget(session)
            return await get(session)

        with monkeypatch.context() as patch:
            patch.setattr(world.plans, "get", forget_and_get)
            async with asyncio.timeout(PATIENCE_S):
                assert await reckon(world) == 4
        assert await reckon(world) == 4
        assert sorted(await rooms(world)) == sorted(known)


async def test_plans_do_not_change_while_days_are_reckoned(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with kep_world(backend, tmp_path, config=CONFIG) as world:
        [anna] = await world.citizens(1)
        await world.booking.book(world.order(anna, at(11)))
        async with world.database.write() as session:
            await forget(session)
        get = world.plans.get

        async def change() -> None:
            async with world.database.write() as session:
                await tell_changed(session)
            async with world.database.write() as session:
                await forget(session)  # as a booking does that knew the plans before

        tasks: list[asyncio.Task[None]] = []

        async def get_before_a_change(session: AsyncSession) -> Plans:
            plans = await get(session)
            tasks.append(asyncio.create_task(change()))
            await asyncio.wait(tasks, timeout=0.3)
            return plans

        monkeypatch.setattr(world.plans, "get", get_before_a_change)
        assert await reckon(world) == 1
        await tasks[0]
        assert await rooms(world) == [(None, 2)]


async def test_days_of_all_keps_are_one_question(backend: str, tmp_path: Path) -> None:
    async with kep_world(backend, tmp_path, keps=6, employees=2, config=CONFIG) as world:
        people = await world.citizens(12)
        for number, each in enumerate(people):
            day = MONDAY + timedelta(days=number % 5)
            await world.booking.book(
                world.order(each, at(9, day=day), kep_id=world.keps[number % 6])
            )
        asked: list[str] = []
        engine = world.database.engine.sync_engine
        async with world.database.read() as session:
            plans = await world.plans.get(session)
            search = Search(plans, Wanted(Theme.INFORMATION), CONFIG, world.clock())
            event.listen(
                engine, "before_cursor_execute", lambda *told: asked.append(told[2]), named=False
            )
            days = await search.days(session)
        assert sum(each.is_free for each in days) == 7
        # The second one: of today, which has begun.
        assert len([each for each in asked if "GROUP BY" in each]) == 1 and len(asked) == 2


async def test_keps_with_other_horizons_and_lengths(backend: str, tmp_path: Path) -> None:
    async with kep_world(backend, tmp_path, keps=3, config=CONFIG) as world:
        async with world.database.write() as session:
            near = await session.get_one(Kep, world.keps[0])
            near.horizon_days, near.slot_minutes = 4, 60
            far = await session.get_one(Kep, world.keps[1])
            far.horizon_days = 20
            await session.flush()
            await tell_changed(session)
            assert len((await load_plans(session, CONFIG, 0)).keps) == 3
        assert len(await free_days(world, kep_id=world.keps[0])) == 3
        assert len(await free_days(world, kep_id=world.keps[2])) == 7
        assert (
            len(await free_days(world)) == len(await free_days(world, kep_id=world.keps[1])) == 15
        )
