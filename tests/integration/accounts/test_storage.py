"""The database: its schema, its absence, and what it refuses by itself."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from signaling.audit.trail import AuditAction, AuditEntry, StoredTrail
from signaling.storage.config import StorageConfig
from signaling.storage.database import ChangedMeanwhile, Database, StorageUnavailable, database_url
from signaling.storage.migrate import migrate
from signaling.storage.models import AuditRecord, Base, Body, new_id
from signaling.vault import Vault
from tests.support.accounts_server import CLERK, running_accounts
from tests.support.databases import BACKENDS, empty_database, storage_config
from tests.support.ports import free_port
from tests.support.signaling_parts import COUNCIL_ROOM

pytestmark = pytest.mark.asyncio
NOW = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize("backend", BACKENDS)
async def test_migrations_lead_to_the_models(backend: str, tmp_path: Path) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))

    async with (
        empty_database(backend, tmp_path) as database,
        database.engine.connect() as connection,
    ):
        assert await connection.run_sync(differences) == []


@pytest.mark.parametrize("backend", BACKENDS)
async def test_processes_that_start_together_migrate_once(backend: str, tmp_path: Path) -> None:
    async with storage_config(backend) as config:
        url = database_url(config, tmp_path)
        databases = [Database(url) for _ in range(3)]
        await asyncio.gather(*(migrate(each) for each in databases))
        for database in databases:
            await database.close()


@pytest.mark.parametrize("backend", BACKENDS)
async def test_times_are_utc_and_naive_ones_refused(backend: str, tmp_path: Path) -> None:
    athens = NOW.astimezone(timezone(timedelta(hours=2)))
    async with empty_database(backend, tmp_path) as database:
        body_id = new_id()
        async with database.write() as session:
            session.add(Body(id=body_id, name="α", name_key="α", created_at=athens))
        async with database.read() as session:
            stored = await session.get_one(Body, body_id)
            assert stored.created_at == NOW and stored.created_at.tzinfo is UTC
        with pytest.raises(Exception, match="naive"):
            async with database.write() as session:
                session.add(Body(name="β", name_key="β", created_at=NOW.replace(tzinfo=None)))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("change", ["UPDATE audit_records SET actor = 'x'",
                                    "DELETE FROM audit_records"])  # fmt: skip
async def test_audit_records_cannot_be_changed(backend: str, change: str, tmp_path: Path) -> None:
    trail = StoredTrail(Vault(b"k" * 32))
    async with empty_database(backend, tmp_path) as database:
        async with database.write() as session:
            await trail.record(session, AuditEntry(NOW, "person", AuditAction.SIGN_IN))
        with pytest.raises(DBAPIError, match="never changed"):
            async with database.write() as session:
                await session.execute(text(change))
        async with database.read() as session:
            record = await session.get_one(AuditRecord, 1)
        assert record.actor == trail.pseudonym("person") != "person"


@pytest.mark.parametrize("backend", BACKENDS)
async def test_lost_update_is_refused(backend: str, tmp_path: Path) -> None:
    async with empty_database(backend, tmp_path) as database:
        body_id = new_id()
        async with database.write() as session:
            session.add(Body(id=body_id, name="α", name_key="α", created_at=NOW))
        with pytest.raises(ChangedMeanwhile):
            async with database.write() as session:
                body = await session.get_one(Body, body_id)
                # As if another process had changed it after it was read.
                await session.execute(text("UPDATE bodies SET version = 7"))
                body.name = "β"


async def test_body_that_raises_writes_nothing(tmp_path: Path) -> None:
    async with empty_database("sqlite", tmp_path) as database:
        with pytest.raises(KeyError):
            async with database.write() as session:
                session.add(Body(name="α", name_key="α", created_at=NOW))
                raise KeyError
        async with database.read() as session:
            assert (await session.execute(text("SELECT count(*) FROM bodies"))).scalar() == 0


async def test_without_a_database_rooms_are_served_and_pages_say_come_back() -> None:
    nowhere = StorageConfig(url=f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    async with running_accounts(storage=nowhere, wait=False) as server, server.visitor() as anyone:
        anyone.http.cookie_jar.update_cookies({"session": "x"})
        assert (await anyone.get("/")).status == 200
        assert (await anyone.get(f"/rooms/{COUNCIL_ROOM.room}")).status == 200
        assert (await anyone.get("/healthz")).status == 200
        for path in ("/account", "/sign-in/citizens", "/administration/bodies", "/outbox"):
            shown = await anyone.get(path)
            assert (shown.status, shown.headers["Retry-After"]) == (503, "5"), path
            assert "δεν είναι διαθέσιμη" in shown.text


async def test_database_that_goes_away_and_comes_back() -> None:
    async with running_accounts() as server, server.visitor() as clerk:
        await clerk.enter(CLERK)
        database = server.service.database
        async with database.engine.connect() as other:
            # Another process holds the writer's lock for longer than anybody waits.
            await other.exec_driver_sql("ROLLBACK")
            await other.exec_driver_sql("BEGIN IMMEDIATE")
            shown = await clerk.post("/sign-out")
            assert shown.status == 503 and int(shown.headers["Retry-After"]) > 0
            await other.exec_driver_sql("ROLLBACK")
            await other.exec_driver_sql("BEGIN")
        assert (await clerk.get("/account")).status == 200


async def test_unavailable_is_one_word_for_all_causes(tmp_path: Path) -> None:
    database = Database(database_url(StorageConfig(), tmp_path / "missing" / "folder"))
    with pytest.raises(StorageUnavailable):
        await database.ping()
    with pytest.raises(StorageUnavailable):
        async with database.read():
            pass
    await database.close()
