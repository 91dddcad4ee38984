"""SQLite by way of aiosqlite, with one trip to its thread for each statement.

SQLAlchemy's own adapter makes four (cursor, execute, fetch, close), three to begin a transaction, and
waits for each. Here the beginning of a transaction goes with its first statement.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import aiosqlite
from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
    AsyncAdapt_aiosqlite_dbapi,
)
from sqlalchemy.util import EMPTY_DICT

READING, WRITING = "DEFERRED", "IMMEDIATE"
"""How transactions begin (SQLite, BEGIN TRANSACTION)."""


class _Outcome(NamedTuple):
    """What a statement leaves; stands for the driver's cursor, which is closed by then."""

    description: Any = None
    rowcount: int = -1
    lastrowid: int | None = None
    arraysize: int = 1

    def close(self) -> None:
        """Do nothing: there is nothing open."""


class OneTripCursor(AsyncAdapt_aiosqlite_cursor):
    """A statement with its rows."""

    __slots__ = ()
    _awaitable_cursor_close = False
    _adapt_connection: OneTripConnection

    def __init__(self, adapt_connection: OneTripConnection) -> None:
        # Not super().__init__, which opens a cursor in the thread.
        self._adapt_connection = adapt_connection
        self._connection = adapt_connection._connection
        self._cursor = _Outcome()  # type: ignore[assignment]
        self._soft_closed_memoized = EMPTY_DICT
        self._rows = deque()

    async def _execute_async(self, operation: Any, parameters: Any) -> Any:
        await self._run(operation, () if parameters is None else parameters, is_many=False)

    async def _executemany_async(self, operation: Any, seq_of_parameters: Any) -> Any:
        await self._run(operation, seq_of_parameters, is_many=True)

    async def _run(self, statement: str, parameters: Any, *, is_many: bool) -> None:
        adapted = self._adapt_connection
        async with adapted._execute_mutex:
            outcome, rows = await self._connection._execute(
                _run, self._connection._conn, adapted.take_beginning(), statement, parameters,
                is_many,
            )  # fmt: skip
        self._cursor, self._rows = outcome, deque(rows)


class OneTripConnection(AsyncAdapt_aiosqlite_connection):
    """A connection. A transaction begins with its first statement, which waits for locks as BEGIN
    would; without a statement there is none to end."""

    __slots__ = ("_begin", "_is_open", "_is_reading")
    _cursor_cls = OneTripCursor  # type: ignore[assignment]

    def __init__(self, dbapi: Any, connection: Any) -> None:
        super().__init__(dbapi, connection)
        self._begin = ""
        self._is_open = self._is_reading = False

    def begin(self, mode: str) -> None:
        """Let the next statement begin a transaction: READING or WRITING."""
        self._begin = f"BEGIN {mode}"
        self._is_reading = mode == READING

    def take_beginning(self) -> str:
        """Return what goes before the next statement; empty: nothing."""
        begin, self._begin = self._begin, ""
        self._is_open = self._is_open or bool(begin)
        return begin

    def cursor(self, server_side: bool = False) -> Any:
        """Return a cursor. Rows are always fetched at once: nothing here is read in pieces."""
        return super().cursor()

    def commit(self) -> None:
        """Commit, if anything was begun."""
        if self._is_open:
            super().commit()  # what cannot be committed stays open: it will be rolled back
        self._forget()

    def rollback(self) -> None:
        """Roll back, if anything was begun."""
        is_open, is_reading = self._is_open, self._is_reading
        self._forget()
        if is_open and is_reading and self._connection._connection:
            # Nothing is undone, and the thread does this before all that follows: not waited for.
            self._connection._tx.put_nowait((None, self._connection._conn.rollback))
        elif is_open:
            super().rollback()

    def _forget(self) -> None:
        self._is_open, self._begin = False, ""


class OneTripDriver(AsyncAdapt_aiosqlite_dbapi):
    """What SQLAlchemy's dialect for aiosqlite takes for the driver."""

    def __init__(self) -> None:
        super().__init__(aiosqlite, sqlite3)

    def connect(self, *arg: Any, **kw: Any) -> OneTripConnection:
        """Open a connection with a thread of its own."""
        return OneTripConnection(self, super().connect(*arg, **kw)._connection)


def _run(
    connection: sqlite3.Connection, begin: str, statement: str, parameters: Any, is_many: bool
) -> tuple[_Outcome, Sequence[Any]]:
    """Run a statement in the connection's thread."""
    if begin:
        connection.execute(begin).close()
    cursor = connection.cursor()
    try:
        if is_many:
            cursor.executemany(statement, parameters)
        else:
            cursor.execute(statement, parameters)
        rows = cursor.fetchall() if cursor.description else ()
        return _Outcome(cursor.description, cursor.rowcount, cursor.lastrowid), rows
    finally:
        cursor.close()
