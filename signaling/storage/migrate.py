"""Bring the database to the newest schema, one process at a time."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator
from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from sfu.logs import Log
from signaling.storage.database import Database, StorageUnavailable, naming_absence

log = Log(__name__)

FOLDER = Path(__file__).resolve().parent / "migrations"
POSTGRES_LOCK = 0x53594E45
"""Key of the advisory lock: "SYNE"."""
FIRST_RETRY_S = 0.5
LAST_RETRY_S = 10.0


async def migrate(database: Database) -> None:
    """Upgrade to the newest revision.

    Raises:
        StorageUnavailable: the database is away.
    """
    with naming_absence():
        async with _alone(database), database.engine.connect() as connection:
            await _lock(connection, "pg_advisory_lock", database)
            await connection.run_sync(_upgrade)
            await connection.commit()
            await _lock(connection, "pg_advisory_unlock", database)
    database.is_migrated = True


async def migrate_when_there(database: Database) -> None:
    """Upgrade as soon as the database is there; rooms and calls do not wait for it."""
    pause_s = FIRST_RETRY_S
    while True:
        try:
            await database.ping()
            await migrate(database)
            return
        except StorageUnavailable:
            log.warning("storage unavailable", delay_s=pause_s)
        await asyncio.sleep(pause_s)
        pause_s = min(LAST_RETRY_S, pause_s * 2)


def newest_revision() -> str:
    """Return the revision that `migrate` leads to."""
    head = ScriptDirectory(str(FOLDER)).get_current_head()
    assert head is not None, "invariant: there is a first migration"
    return head


async def _lock(connection: AsyncConnection, function: str, database: Database) -> None:
    """Hold PostgreSQL's lock by the connection, not by the transaction that takes it."""
    if not database.is_sqlite:
        await connection.execute(text(f"SELECT {function}(:key)"), {"key": POSTGRES_LOCK})
        await connection.commit()


def _upgrade(connection: Connection) -> None:
    settings = AlembicConfig()
    settings.set_main_option("script_location", str(FOLDER))
    settings.attributes["connection"] = connection
    command.upgrade(settings, "head")


@contextlib.asynccontextmanager
async def _alone(database: Database) -> AsyncIterator[None]:
    """Hold a file lock beside an SQLite database; PostgreSQL has locks of its own."""
    file = database.url.database
    if not database.is_sqlite or file in (None, "", ":memory:"):
        yield
        return
    assert file is not None
    # Made here, so that no other user of the machine can read it.
    os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    descriptor = os.open(f"{file}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        await asyncio.to_thread(fcntl.flock, descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
