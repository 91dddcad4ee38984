"""Sessions with the database: what they refuse, how often they ask it, and lost connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_connection
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.storage import database as database_module
from signaling.storage.database import Database, StorageUnavailable
from signaling.storage.models import Body, new_id
from tests.support.databases import BACKENDS, empty_database

pytestmark = pytest.mark.asyncio
NOW = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)


def body(name: str) -> Body:
    return Body(id=new_id(), name=name, name_key=name, created_at=NOW)


async def count(session: AsyncSession) -> int:
    return await session.scalar(select(func.count()).select_from(Body)) or 0


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> list[Callable[..., Any]]:
    """What was sent to SQLite's threads to be waited for."""
    made: list[Callable[..., Any]] = []
    execute = aiosqlite.Connection._execute

    async def count_and_execute(
        self: aiosqlite.Connection, function: Callable[..., Any], *arguments: Any, **named: Any
    ) -> Any:
        made.append(function)
        return await execute(self, function, *arguments, **named)  # type: ignore[no-untyped-call]

    monkeypatch.setattr(aiosqlite.Connection, "_execute", count_and_execute)
    return made


@pytest.mark.parametrize("backend", BACKENDS)
async def test_reading_session_refuses_to_write(backend: str, tmp_path: Path) -> None:
    async with empty_database(backend, tmp_path) as database:
        async with database.write() as session:
            session.add(body("α"))
        for change in (delete(Body), update(Body).values(name="β")):
            with pytest.raises(RuntimeError, match="told to write"):
                async with database.read() as session:
                    await session.execute(change)
        with pytest.raises(RuntimeError, match="told to write"):
            async with database.read() as session:
                session.add(body("γ"))
                await count(session)
        with pytest.raises(RuntimeError, match="told to write"):
            async with database.read() as session:
                (await session.scalars(select(Body))).one().name = "δ"
                await session.flush()
        async with database.read() as session:
            assert [each.name for each in await session.scalars(select(Body))] == ["α"]


@pytest.mark.parametrize("backend", BACKENDS)
async def test_refused_row_undoes_its_savepoint_only(backend: str, tmp_path: Path) -> None:
    async with empty_database(backend, tmp_path) as database:
        async with database.write() as session:
            session.add(body("α"))
            await session.flush()
            with pytest.raises(IntegrityError):
                async with session.begin_nested():
                    session.add(body("α"))
            session.add_all([body("β"), body("γ")])
        async with database.read() as session:
            names = set(await session.scalars(select(Body.name)))
        assert names == {"α", "β", "γ"}


async def test_statement_is_one_trip_to_sqlite(
    tmp_path: Path, trips: list[Callable[..., Any]]
) -> None:
    async with empty_database("sqlite", tmp_path) as database:
        async with database.write() as session:
            session.add(body("α"))
        trips.clear()
        async with database.read() as session:
            assert await count(session) == 1
            assert await count(session) == 1
        assert len(trips) == 2
        trips.clear()
        async with database.write() as session:
            session.add(body("β"))
        assert len(trips) == 2  # the row, and the commit
        trips.clear()
        async with database.read(), database.write():
            pass
        assert trips == []


async def test_reader_of_sqlite_sees_one_state_and_holds_up_no_writer(tmp_path: Path) -> None:
    async with empty_database("sqlite", tmp_path) as database:
        async with database.read() as reader:
            assert await count(reader) == 0
            async with database.write() as writer:
                writer.add(body("α"))
            assert await count(reader) == 0
        # Its transaction is over as soon as the session is, though nobody waited for that.
        async with database.read() as session:
            assert await count(session) == 1


async def test_writer_that_fails_leaves_no_lock(tmp_path: Path) -> None:
    async with empty_database("sqlite", tmp_path) as database:
        with pytest.raises(KeyError):
            async with database.write() as session:
                session.add(body("α"))
                await session.flush()
                raise KeyError
        async with database.write() as session:
            assert await count(session) == 0
            session.add(body("β"))


async def end_connections(database: Database) -> int:
    """Let PostgreSQL end all connections to the database but its own, and wait until it has."""
    others = " FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    async with database.read() as session:
        ended = list(await session.scalars(text(f"SELECT pg_terminate_backend(pid){others}")))
        for _ in range(100):
            if not await session.scalar(text(f"SELECT count(*){others}")):
                break
            await asyncio.sleep(0.1)
    await asyncio.sleep(0.1)
    return len(ended)


async def test_connections_ended_by_postgresql_are_replaced(tmp_path: Path) -> None:
    async with empty_database("postgresql", tmp_path) as database:
        other = Database(database.url)
        other.is_migrated = True
        async with other.read() as one, other.read() as another:
            assert (await count(one), await count(another)) == (0, 0)
        assert await end_connections(database) == 2
        async with other.read() as one, other.read() as another:
            assert (await count(one), await count(another)) == (0, 0)
        await other.close()


async def test_connection_silent_for_long_is_asked_before_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def answer(self: AsyncAdapt_asyncpg_connection) -> None:
        asked.append(self)
        if len(asked) == 1:
            raise OSError("no answer")

    async with empty_database("postgresql", tmp_path) as database:
        monkeypatch.setattr(AsyncAdapt_asyncpg_connection, "ping", answer)
        async with database.read() as session:
            assert await count(session) == 0
        assert asked == []
        monkeypatch.setattr(database_module, "ASKED_AFTER_S", -1.0)
        async with database.read() as session:
            assert await count(session) == 0
        assert len(asked) == 1  # it gave none, so another one was opened
        async with database.read() as session:
            assert await count(session) == 0
        assert len(asked) == 2 and asked[0] is not asked[1]


async def test_reader_of_postgresql_needs_no_transaction(tmp_path: Path) -> None:
    began = select(func.transaction_timestamp())
    async with empty_database("postgresql", tmp_path) as database:
        async with database.read() as session:
            assert await session.scalar(began) != await session.scalar(began)
        async with database.write() as session:
            assert await session.scalar(began) == await session.scalar(began)


async def test_transaction_of_a_client_that_is_cut_off_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "IDLE_TRANSACTION_S", 1)
    async with empty_database("postgresql", tmp_path) as database:
        with pytest.raises(StorageUnavailable):
            async with database.write() as session:
                session.add(body("α"))
                await session.flush()
                await asyncio.sleep(3)  # as seen from the server, it is
                await count(session)
        async with database.read() as session:
            assert await count(session) == 0
