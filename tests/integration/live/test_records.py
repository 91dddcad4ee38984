"""What is written about rooms: once, in order, whatever is cancelled or bad in between."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import event, select
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.live.records import Records, Write
from signaling.storage.database import Database
from signaling.storage.models import Body
from tests.support.databases import BACKENDS, empty_database
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.asyncio
NOW = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)


def fact(name: str) -> Write:
    """Return what writes a row of that name."""

    async def write(session: AsyncSession) -> None:
        session.add(Body(name=name, name_key=name, created_at=NOW))

    return write


async def written(database: Database) -> list[str]:
    async with database.read() as session:
        return sorted(await session.scalars(select(Body.name)))


@contextlib.asynccontextmanager
async def running(records: Records) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(records.run())
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("backend", BACKENDS)
async def test_what_is_being_written_at_the_end_is_written_once(
    backend: str, tmp_path: Path
) -> None:
    async with empty_database(backend, tmp_path) as database:
        records = Records(database)
        is_committing = asyncio.Event()
        event.listen(database.engine.sync_engine, "commit", lambda _: is_committing.set())
        async with running(records) as task:
            records.put(fact("α"))
            records.put(fact("β"))
            await asyncio.wait_for(is_committing.wait(), PATIENCE_S)
            task.cancel()
        records.put(fact("γ"))
        await asyncio.gather(records.flush(), records.flush())
        assert records.waiting == 0
        assert await written(database) == ["α", "β", "γ"]


async def test_a_bad_record_stops_none_behind_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def bad(_: AsyncSession) -> None:
        raise KeyError

    async with empty_database("sqlite", tmp_path) as database:
        records = Records(database)
        for each in (fact("α"), bad, fact("β"), bad):
            records.put(each)
        await records.flush()
        assert await written(database) == ["α", "β"]
    assert [each.message for each in caplog.records] == ["a record of a room cannot be written"] * 2
