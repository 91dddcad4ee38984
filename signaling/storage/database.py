"""Sessions with the database, and one word for its absence: `StorageUnavailable`.

Readers and writers are told apart: SQLite takes the writer's lock when a transaction begins
(BEGIN IMMEDIATE), so that no transaction can fail half-way because another one wrote.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import (
    DBAPIError,
    InterfaceError,
    InvalidatePoolError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import ORMExecuteState, Session
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.pool import ConnectionPoolEntry

from signaling.storage.config import StorageConfig
from signaling.storage.sqlite_driver import READING, WRITING, OneTripDriver

BUSY_TIMEOUT_MS = 5000
"""How long a writer of SQLite waits for another one."""
CONNECT_TIMEOUT_S = 3.0
COMMAND_TIMEOUT_S = 10.0
POOL_TIMEOUT_S = 3.0
IDLE_TRANSACTION_S = 30
"""A transaction whose client is silent so long is ended by PostgreSQL: the client may be cut off, and
rows that it locked would stay locked until TCP finds out, by default for hours."""
ASKED_AFTER_S = 10.0
"""A connection to PostgreSQL that nobody has used so long is asked whether it still is one."""
RETRY_AFTER_S = 5
"""What pages tell browsers while the database is away."""


class StorageUnavailable(Exception):
    """The database is away, locked or overloaded. Nothing was written; come back later."""


class ChangedMeanwhile(Exception):
    """Somebody else changed the same row first. Nothing was written; look again."""


class ReadingSession(Session):
    """A session that refuses to write, whether or not it is in a transaction."""

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        """Write nothing.

        Raises:
            RuntimeError: something was changed.
        """
        if self.new or self.dirty or self.deleted:
            raise RuntimeError("a reading session was told to write")


@event.listens_for(ReadingSession, "do_orm_execute")
def _refuse_changes(asked: ORMExecuteState) -> None:
    if asked.is_insert or asked.is_update or asked.is_delete:
        raise RuntimeError("a reading session was told to write")


class Database:
    """The database. `read` and `write` are the only ways in."""

    def __init__(self, url: URL, *, pool_size: int = 5) -> None:
        self.url = url
        self.is_sqlite = url.get_backend_name() == "sqlite"
        self.engine = _make_engine(url, pool_size)
        writing = self.engine.execution_options(sqlite_begin=WRITING)
        reading = self.engine
        if not self.is_sqlite:
            # READ COMMITTED: each statement has its own snapshot, in a transaction or without one.
            reading = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.is_migrated = False
        """Set by `signaling.storage.migrate`; before that there are no tables to ask."""
        self._readers = async_sessionmaker(
            reading, expire_on_commit=False, sync_session_class=ReadingSession
        )
        self._writers = async_sessionmaker(writing, expire_on_commit=False)

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """Open a session that changes nothing.

        Raises:
            StorageUnavailable: see above.
            RuntimeError: it was told to change something.
        """
        with self._naming_absence():
            async with self._readers() as session:
                yield session

    @contextlib.asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """Open a session that is committed at the end, or rolled back if the body raises.

        Raises:
            StorageUnavailable, ChangedMeanwhile: see above.
        """
        with self._naming_absence():
            try:
                async with self._writers() as session, session.begin():
                    yield session
            except StaleDataError as error:
                raise ChangedMeanwhile from error

    async def ping(self) -> None:
        """Raise StorageUnavailable unless the database answers."""
        with naming_absence():
            async with self.engine.connect() as connection:
                await connection.execute(text("SELECT 1"))

    @contextlib.contextmanager
    def _naming_absence(self) -> Iterator[None]:
        if not self.is_migrated:
            raise StorageUnavailable("NotMigrated")
        with naming_absence():
            yield

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()


def database_url(config: StorageConfig, data_folder: Path, password: str | None = None) -> URL:
    """Return the address with its driver; SQLite in the data folder unless configured."""
    url = make_url(config.url or f"sqlite:///{data_folder / 'synedrion.sqlite3'}")
    driver = "sqlite+aiosqlite" if url.get_backend_name() == "sqlite" else "postgresql+asyncpg"
    url = url.set(drivername=driver)
    return url.set(password=password) if password else url


def _make_engine(url: URL, pool_size: int) -> AsyncEngine:
    if url.get_backend_name() == "sqlite":
        engine = create_async_engine(url, hide_parameters=True, module=OneTripDriver())
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_sqlite)
        return engine
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=POOL_TIMEOUT_S,
        hide_parameters=True,
        connect_args={"timeout": CONNECT_TIMEOUT_S, "command_timeout": COMMAND_TIMEOUT_S},
    )
    event.listen(engine.sync_engine, "connect", _prepare_postgresql)
    event.listen(engine.sync_engine, "checkin", _note_use)
    event.listen(engine.sync_engine, "checkout", _check_alive)
    return engine


def _prepare_postgresql(connection: Any, _record: Any) -> None:
    # By a statement: poolers refuse connections that begin with settings they do not know.
    cursor = connection.cursor()
    cursor.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_TRANSACTION_S}s'")
    cursor.close()
    connection.commit()


def _note_use(_connection: Any, record: ConnectionPoolEntry) -> None:
    record.info["used_s"] = time.monotonic()


def _check_alive(connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
    """Have a connection that went while nobody used it replaced, and those beside it.

    A server that ends closes its connections; only one that has long been silent is asked.
    """
    if connection.driver_connection.is_closed():
        raise InvalidatePoolError
    if time.monotonic() - record.info.get("used_s", math.inf) > ASKED_AFTER_S:
        try:
            connection.ping()
        except Exception as error:  # of the driver, whatever it is
            raise InvalidatePoolError from error


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver must not begin transactions by itself: `_begin_sqlite` does.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    mode = connection.get_execution_options().get("sqlite_begin", READING)
    driver: Any = connection.connection.dbapi_connection
    driver.begin(mode)


@contextlib.contextmanager
def naming_absence() -> Iterator[None]:
    """Raise StorageUnavailable for every way in which a database can be away."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout, OSError) as error:
        raise StorageUnavailable(type(error).__name__) from error
    except DBAPIError as error:
        state = str(getattr(error.orig, "sqlstate", "") or "")
        # PostgreSQL, appendix A: 08 connection, 53 resources, 57P shutdown and crash.
        if error.connection_invalidated or state.startswith(("08", "53", "57P")):
            raise StorageUnavailable(type(error).__name__) from error
        raise
