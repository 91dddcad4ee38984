"""How fast free times are found and taken: 180 ΚΕΠ, 870 employees, 60 days; 2,000 race for 870."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import uvloop
from sqlalchemy import delete, insert

from signaling.kep.booking import Order
from signaling.kep.config import KepConfig
from signaling.kep.day_records import encode_busy
from signaling.kep.day_steps import bits
from signaling.kep.placing import SlotGone
from signaling.kep.plans import Wanted
from signaling.kep.search import Search
from signaling.kep.values import Theme
from signaling.storage.models import Appointment, KepDay
from tests.bench.figures import Figure
from tests.support.databases import POSTGRESQL
from tests.support.kep_world import MONDAY, World, at, kep_world

KEPS, EMPLOYEES_A_KEP, EMPLOYEES = 180, 5, 870
"""23 November 2020: the last 30 ΚΕΠ have one employee less."""
DAYS = 60
CITIZENS = 2000
SEARCHES = 60
ARRIVAL_S = 60.0
"""In how long a time the citizens come: within the first moments after 08:00."""


def measure_booking(progress: Callable[[str], None]) -> dict[str, Figure]:
    """Measure and return the figures: with PostgreSQL under `.ci/postgresql.sh`, else SQLite."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as the service itself
        return runner.run(_measure(progress))


async def _measure(progress: Callable[[str], None]) -> dict[str, Figure]:
    backend = "postgresql" if POSTGRESQL else "sqlite"
    with tempfile.TemporaryDirectory(prefix="synedrion-bench-") as folder:
        async with kep_world(
            backend, Path(folder), keps=KEPS, employees=EMPLOYEES_A_KEP, at_most=EMPLOYEES,
            config=KepConfig(horizon_days=DAYS),
        ) as world:  # fmt: skip
            progress(f"{KEPS} ΚΕΠ, {EMPLOYEES} employees ({backend})")
            race = await _race(world, progress)
            empty_ms = await _search(world)
            await _fill(world, 0.5)
            half_ms = await _search(world)
            await _fill(world, 1.0)
            full_ms = await _search(world)
            progress(f"{3 * SEARCHES} searches")
    how = f"{KEPS} ΚΕΠ, {EMPLOYEES} employees, {DAYS} days, p95"
    return {
        "kep_search_empty": Figure(empty_ms, "ms", 100, f"free days and hours, {how}, few bookings"),
        "kep_search_half": Figure(half_ms, "ms", 100, f"the same, every second time taken ({how})"),
        "kep_search_full": Figure(full_ms, "ms", 100, f"the same, all taken but the last hour ({how})"),
        **race,
    }  # fmt: skip


async def _search(world: World) -> float:
    """Return the p95 of asking for all free days and the hours of the first one."""
    times = []
    for number in range(SEARCHES):
        theme = (Theme.INFORMATION, Theme.DISABILITY)[number % 2]
        started = time.perf_counter()
        async with world.database.read() as session:
            plans = await world.plans.get(session)
            search = Search(plans, Wanted(theme), world.config, world.clock())
            days = [each.day for each in await search.days(session) if each.is_free]
            if days:
                await search.times(session, days[0])
        times.append(time.perf_counter() - started)
    return _p95_ms(times)


async def _fill(world: World, share: float) -> None:
    """Let a share of each employee's time be taken, as days say it."""
    async with world.database.write() as session:
        plans = await world.plans.get(session)
        rows = []
        for number in range(DAYS + 10):
            day = MONDAY + timedelta(days=number - 5)
            for kep in plans.keps.values():
                busy = {}
                for window in plans.on(kep, day).windows:
                    mask = sum(bits(96 + slot * 6, 6) for slot in range(12)
                               if share == 1.0 or slot % 2 == 0)  # fmt: skip
                    busy[window.employee_id] = busy[window.workstation_id] = mask
                if busy:
                    taken = sum(each.bit_count() for each in busy.values()) // 2
                    room = plans.room_left(kep.id, day, busy)
                    assert room is not None
                    rows.append({"day": day.toordinal(), "kep_id": kep.id, "taken": taken,
                                 "busy": encode_busy(busy), "room": room.steps, "gap": room.gap})  # fmt: skip
        await session.execute(delete(KepDay))
        await session.execute(insert(KepDay), rows)


async def _race(world: World, progress: Callable[[str], None]) -> dict[str, Figure]:
    """Let citizens come for the 08:00 of one day: two thirds at whatever ΚΕΠ, one third at one."""
    people = await world.citizens(CITIZENS)
    chance = random.Random(8)
    times: list[float] = []

    async def come(person: str) -> Appointment | None:
        await asyncio.sleep(chance.uniform(0, ARRIVAL_S))
        order: Order = world.order(person, at(8))
        if chance.random() < 1 / 3:
            order = world.order(person, at(8), kep_id=chance.choice(world.keps))
        started = time.perf_counter()
        try:
            return await world.booking.book(order)
        except SlotGone:
            return None
        finally:
            times.append(time.perf_counter() - started)

    cpu_s = time.process_time()
    booked = [each for each in await asyncio.gather(*map(come, people)) if each is not None]
    cpu_s = time.process_time() - cpu_s
    doubles = [key for key, count in Counter(
        (each.employee_id, each.starts_at) for each in booked).items() if count > 1]  # fmt: skip
    progress(f"{CITIZENS} citizens raced for {EMPLOYEES}: {len(booked)} booked")
    how = f"{CITIZENS} citizens race for {EMPLOYEES} appointments in {ARRIVAL_S:g} s"
    return {
        "kep_booking": Figure(_p95_ms(times), "ms", 500, f"{how}, p95 of booking or being told"),
        "kep_booking_cpu": Figure(
            round(cpu_s / CITIZENS * 1000, 1), "ms", None, "of processor time for each of them"
        ),
        "kep_double_bookings": Figure(len(doubles), "", 0, how),
        "kep_left_free": Figure(EMPLOYEES - len(booked), "", EMPLOYEES * 0.02, f"{how}: not taken"),
    }


def _p95_ms(times: list[float]) -> float:
    return round(sorted(times)[int(len(times) * 0.95)] * 1000, 1)
