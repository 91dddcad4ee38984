"""What is written about rooms while they run: presence and audit, by one writer, in order.

A running room does not wait for the database: facts queue, and are written when it is there again.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import Awaitable, Callable

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from sfu.logs import Log
from signaling.background import beside
from signaling.storage.database import Database, StorageUnavailable

log = Log(__name__)

Write = Callable[[AsyncSession], Awaitable[None]]

MAX_QUEUED = 50_000
"""LIMIT: facts that wait for the database: a large room's comings and goings of a day. The newest
are dropped past it, and that is logged."""
BATCH_SIZE = 200
RETRY_S = 2.0
LAST_WORDS_S = 2.0
"""At the end, how long what waits may take to be written."""


class Records:
    """The queue; `add_to` the application, or `run` in a task of the owner."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: deque[Write] = deque()
        self._has_some = asyncio.Event()
        self._flushing: asyncio.Task[None] | None = None

    def put(self, write: Write) -> None:
        """Have something written soon; returns at once."""
        if len(self._queue) >= MAX_QUEUED:
            log.error("a record of a room is lost: too many wait for the database")
            return
        self._queue.append(write)
        self._has_some.set()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._queue)

    def add_to(self, app: web.Application) -> None:
        """Write while the application runs, and at its end what still waits, if that can be."""
        app.cleanup_ctx.append(beside(self.run, "records"))
        app.on_cleanup.append(self._write_last_words)

    async def run(self) -> None:
        """Write, for ever."""
        while True:
            await self._has_some.wait()
            try:
                await self.flush()
            except StorageUnavailable:
                await asyncio.sleep(RETRY_S)

    async def flush(self) -> None:
        """Write everything that waits, in order, in few transactions.

        There is one flush at a time: whoever asks meanwhile waits for it, and it goes on if those
        who wait are cancelled. A transaction that is broken off may be in the database or not; begun
        again, it could be there twice.

        Raises:
            StorageUnavailable: the rest waits.
        """
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush(), name="flush-records")
        await asyncio.shield(self._flushing)

    async def _flush(self) -> None:
        size = BATCH_SIZE
        while self._queue:
            batch = list(itertools.islice(self._queue, size))
            try:
                async with self._database.write() as session:
                    for write in batch:
                        await write(session)
                        await session.flush()
            except StorageUnavailable:
                raise
            except Exception:  # one bad record must not stop those behind it
                if len(batch) > 1:
                    size = 1  # find it
                    continue
                log.exception("a record of a room cannot be written")
                size = BATCH_SIZE
            for _ in batch:
                self._queue.popleft()
        self._has_some.clear()

    async def _write_last_words(self, _: web.Application) -> None:
        with contextlib.suppress(TimeoutError, StorageUnavailable):
            async with asyncio.timeout(LAST_WORDS_S):
                await self.flush()
