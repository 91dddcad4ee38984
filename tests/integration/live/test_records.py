"""What is written about rooms: once, in order, whatever is cancelled or bad in between."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.live.records import Records, Write
from signaling.storage.database import Database, StorageUnavailable
from signaling.storage.models import AuditRecord, RecordWriter
from tests.support.databases import BACKENDS, empty_database
from tests.support.postgresql_proxy import LosesCommits, losing_commits
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.asyncio
NOW = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)


def fact(name: str) -> Write:
    """Return what writes a row of that name, which may be there more than once."""

    async def write(session: AsyncSession) -> None:
        session.add(row(name))

    return write


async def bad(_: AsyncSession) -> None:
    raise KeyError


def row(name: str) -> AuditRecord:
    return AuditRecord(
        at=NOW, actor="", action=name, object_kind="", object_id="", result="", facts={}
    )


async def written(database: Database) -> list[str]:
    async with database.read() as session:
        names = select(AuditRecord.action).order_by(AuditRecord.number)
        return list(await session.scalars(names))


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
        records = Records(database, lambda: NOW)
        records.put(fact("α"))
        await records.flush()  # from here on each transaction is one of records
        is_committing = asyncio.Event()
        event.listen(database.engine.sync_engine, "commit", lambda _: is_committing.set())
        async with running(records) as task:
            records.put(fact("β"))
            records.put(fact("γ"))
            await asyncio.wait_for(is_committing.wait(), PATIENCE_S)
            task.cancel()
        records.put(fact("δ"))
        await asyncio.gather(records.flush(), records.flush())
        assert records.waiting == 0
        assert await written(database) == ["α", "β", "γ", "δ"]


async def test_a_bad_record_stops_none_behind_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with empty_database("sqlite", tmp_path) as database:
        records = Records(database, lambda: NOW)
        for each in (fact("α"), bad, fact("β"), bad):
            records.put(each)
        await records.flush()
        assert await written(database) == ["α", "β"]
    assert [each.message for each in caplog.records] == ["a record of a room cannot be written"] * 2


async def test_what_was_committed_is_not_written_again_if_the_answer_was_lost(
    tmp_path: Path,
) -> None:
    async with (
        empty_database("postgresql", tmp_path) as direct,
        losing_commits(direct) as (database, proxy),
    ):
        records = Records(database, lambda: NOW)
        records.put(fact("α"))
        await _lose_an_answer(records, proxy, 1)  # of the writer's row
        records.put(fact("β"))
        await _lose_an_answer(records, proxy, 2)  # of the records, behind another row's
        records.put(fact("γ"))  # not taken for one of those
        await _lose_an_answer(records, proxy, 1)
        await records.flush()
        assert records.waiting == 0
        assert await written(direct) == ["α", "β", "γ"]


async def test_the_answer_to_a_bad_record_s_neighbours_may_be_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        empty_database("postgresql", tmp_path) as direct,
        losing_commits(direct) as (database, proxy),
    ):
        records = Records(database, lambda: NOW)
        for each in (fact("α"), bad, fact("β"), fact("γ")):
            records.put(each)
        await _lose_an_answer(records, proxy, 2)  # of α, alone because there is a bad one
        await _lose_an_answer(records, proxy, 1)  # of β, or of β and γ
        await records.flush()
        assert await written(direct) == ["α", "β", "γ"]
    assert len([each for each in caplog.records if "cannot be written" in each.message]) == 1


async def test_a_transaction_that_still_ends_in_the_server_is_waited_for(tmp_path: Path) -> None:
    async with empty_database("postgresql", tmp_path) as database:
        records = Records(database, lambda: NOW)
        records.put(fact("α"))
        await records.flush()
        async with database.write() as attempt:  # as if given up by the writer, not by the server
            attempt.add(row("β"))
            await attempt.execute(update(RecordWriter).values(written=2))
            records.put(fact("β"))
            flushing = asyncio.create_task(records.flush())
            async with asyncio.timeout(PATIENCE_S):
                while not await _is_anybody_blocked(database):  # noqa: ASYNC110 - nothing tells
                    await asyncio.sleep(0.01)
        await flushing
        assert await written(database) == ["α", "β"]


async def _is_anybody_blocked(database: Database) -> bool:
    async with database.read() as session:
        blocked = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(await session.scalar(text(blocked)))


async def _lose_an_answer(records: Records, proxy: LosesCommits, number: int) -> None:
    proxy.lose(number)
    with pytest.raises(StorageUnavailable):
        await records.flush()


@pytest.mark.parametrize("backend", BACKENDS)
async def test_a_writer_that_was_forgotten_writes_on(backend: str, tmp_path: Path) -> None:
    async with empty_database(backend, tmp_path) as database:
        now = NOW
        first, second = Records(database, lambda: now), Records(database, lambda: now)
        for records, name in ((first, "α"), (second, "β"), (first, "γ")):
            records.put(fact(name))
            await records.flush()
            now += timedelta(days=31)
        assert await written(database) == ["α", "β", "γ"]
        async with database.read() as session:
            rows = list(await session.scalars(select(RecordWriter).order_by(RecordWriter.at)))
        assert [row.written for row in rows] == [1, 2]
