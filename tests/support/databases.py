"""Databases for tests: an SQLite file, and PostgreSQL when `.ci/postgresql.sh` started one."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from signaling.storage.config import StorageConfig
from signaling.storage.database import Database, database_url
from signaling.storage.migrate import migrate
from tests.support.leaving_out import leave_out

POSTGRESQL = os.environ.get("SYNEDRION_TEST_POSTGRESQL", "")
BACKENDS = ("sqlite", "postgresql")


@contextlib.asynccontextmanager
async def storage_config(backend: str) -> AsyncIterator[StorageConfig]:
    """Return the configuration of an empty database; SQLite's is in the data folder."""
    if backend == "sqlite":
        yield StorageConfig()
        return
    if not POSTGRESQL:
        leave_out("run under .ci/postgresql.sh to test with PostgreSQL")
    name = f"test_{secrets.token_hex(6)}"
    await _administer(f"CREATE DATABASE {name}")
    try:
        yield StorageConfig(url=f"{POSTGRESQL.rpartition('/')[0]}/{name}")
    finally:
        await _administer(f"DROP DATABASE {name} WITH (FORCE)")


@contextlib.asynccontextmanager
async def empty_database(backend: str, folder: Path) -> AsyncIterator[Database]:
    """Return a database with the newest schema and nothing in it."""
    async with storage_config(backend) as config:
        database = Database(database_url(config, folder))
        try:
            await migrate(database)
            yield database
        finally:
            await database.close()


async def _administer(statement: str) -> None:
    url = database_url(StorageConfig(url=POSTGRESQL), Path())
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(statement))
    await engine.dispose()
