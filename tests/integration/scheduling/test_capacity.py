"""Capacity is never overbooked, by however many at once, on both databases."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import select

from signaling.scheduling.capacity import Capacity, CapacityFull, Reservation
from signaling.scheduling.config import CapacityConfig
from signaling.scheduling.quarters import Need, Span
from signaling.storage.database import Database
from signaling.storage.models import CapacityQuarter, CapacityReservation, new_id
from tests.support.databases import BACKENDS, empty_database

pytestmark = pytest.mark.asyncio

LIMITS = CapacityConfig(participants=100, streams=1000)
FIRST = 2_000_000


def reservation(first: int, length: int, participants: int, owner: str = "") -> Reservation:
    span = Span(FIRST + first, FIRST + first + length)
    return Reservation(owner or new_id(), span, Need(participants, participants * 4))


async def reserve(database: Database, *wanted: Reservation) -> None:
    async with database.write() as session:
        await Capacity(LIMITS).reserve(session, wanted)


async def release(database: Database, *owners: str) -> None:
    async with database.write() as session:
        await Capacity(LIMITS).release(session, owners)


async def load(database: Database, length: int = 12) -> list[int]:
    async with database.read() as session:
        found = await Capacity(LIMITS).load(session, Span(FIRST, FIRST + length))
    return [found.get(FIRST + each, Need(0, 0)).participants for each in range(length)]


async def check_sums(database: Database) -> None:
    """What the quarters say is the sum of the reservations."""
    sums: Counter[int] = Counter()
    async with database.read() as session:
        for row in await session.scalars(select(CapacityReservation)):
            for quarter in range(row.first_quarter, row.first_quarter + row.quarters):
                sums[quarter] += row.participants
        for quarter_row in await session.scalars(select(CapacityQuarter)):
            assert quarter_row.participants == sums[quarter_row.quarter]
            assert 0 <= quarter_row.participants <= LIMITS.participants


@pytest.mark.parametrize("backend", BACKENDS)
async def test_reserve_change_and_release(backend: str, tmp_path: Path) -> None:
    async with empty_database(backend, tmp_path) as database:
        one = reservation(0, 4, 60)
        await reserve(database, one)
        assert await load(database, 6) == [60, 60, 60, 60, 0, 0]
        # Moved and grown: what it held itself does not stand in its way.
        await reserve(database, reservation(2, 4, 90, one.owner_id))
        assert await load(database, 6) == [0, 0, 90, 90, 90, 90]
        await release(database, one.owner_id)
        await release(database, one.owner_id, "nobody")
        assert await load(database, 6) == [0] * 6
        await check_sums(database)


@pytest.mark.parametrize("backend", BACKENDS)
async def test_what_does_not_fit_is_told_when_it_would(backend: str, tmp_path: Path) -> None:
    async with empty_database(backend, tmp_path) as database:
        await reserve(database, reservation(2, 2, 60), reservation(8, 1, 95))
        for wanted, full, shift in (
            (reservation(0, 4, 50), 2, 4),  # 4…8 is free, 8 is not reached
            (reservation(1, 5, 50), 2, 8),  # from 4 it would reach 8
            (reservation(2, 1, 41), 2, 2),
            (reservation(0, 1, 101), 0, None),
        ):
            with pytest.raises(CapacityFull) as raised:
                await reserve(database, wanted)
            assert raised.value.owner_id == wanted.owner_id
            assert (raised.value.quarter, raised.value.next_shift) == (FIRST + full, shift)
        assert await load(database, 10) == [0, 0, 60, 60, 0, 0, 0, 0, 95, 0]
        await check_sums(database)


@pytest.mark.parametrize("backend", BACKENDS)
async def test_refused_change_keeps_what_was_held(backend: str, tmp_path: Path) -> None:
    async with empty_database(backend, tmp_path) as database:
        one, two = reservation(0, 2, 60), reservation(4, 2, 60)
        await reserve(database, one, two)
        with pytest.raises(CapacityFull) as raised:
            await reserve(database, reservation(3, 2, 60, one.owner_id))
        assert raised.value.next_shift == 3
        assert await load(database, 6) == [60, 60, 0, 0, 60, 60]
        await check_sums(database)


@pytest.mark.parametrize("backend", BACKENDS)
async def test_series_is_reserved_whole_or_not_at_all(backend: str, tmp_path: Path) -> None:
    async with empty_database(backend, tmp_path) as database:
        await reserve(database, reservation(8, 1, 60))
        series = [reservation(at, 2, 50) for at in (0, 4, 8)]
        with pytest.raises(CapacityFull) as raised:
            await reserve(database, *series)
        assert raised.value.owner_id == series[2].owner_id
        assert await load(database, 10) == [0] * 8 + [60, 0]


@pytest.mark.parametrize("backend", BACKENDS)
async def test_many_at_once_never_overbook(backend: str, tmp_path: Path) -> None:
    async with empty_database(backend, tmp_path) as database:

        async def try_once(number: int) -> str | None:
            wanted = reservation(number % 4, 4, 30)
            try:
                await reserve(database, wanted)
            except CapacityFull:
                return None
            return wanted.owner_id

        owners = [each for each in await asyncio.gather(*map(try_once, range(40))) if each]
        # Quarter 3 is in every span: three times 30 fit into 100 there, none more.
        assert len(owners) == 3
        assert max(await load(database)) == 90
        await check_sums(database)
        await asyncio.gather(*(release(database, owner) for owner in owners * 2))
        assert await load(database) == [0] * 12


@pytest.mark.parametrize("backend", BACKENDS)
async def test_movers_in_opposite_directions_do_not_lock_each_other_out(
    backend: str, tmp_path: Path
) -> None:
    async with empty_database(backend, tmp_path) as database:
        movers = [reservation(0 if number % 2 else 6, 5, 10) for number in range(8)]
        await reserve(database, *movers)

        async def move(each: Reservation, turn: int) -> None:
            at = (each.span.first - FIRST + 6 * turn) % 12
            await reserve(database, reservation(at, 5, 10, each.owner_id))

        for turn in range(1, 4):
            await asyncio.gather(*(move(each, turn) for each in movers))
        await check_sums(database)
        assert sum(await load(database)) == 8 * 5 * 10
