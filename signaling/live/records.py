"""What is written about rooms while they run: presence and audit, by one writer, in order.

A running room does not wait for the database: facts queue, and are written when it is there again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncSession

from sfu.logs import Log
from signaling.storage.database import Database, StorageUnavailable

log = Log(__name__)

Write = Callable[[AsyncSession], Awaitable[None]]

MAX_QUEUED = 50_000
"""LIMIT: facts that wait for the database: a large room's comings and goings of a day. The newest
are dropped past it, and that is logged."""
BATCH_SIZE = 200
RETRY_S = 2.0


class Records:
    """The queue. `run` must be running in a task of the owner."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: deque[Write] = deque()
        self._has_some = asyncio.Event()

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

    async def run(self) -> None:
        """Write, for ever."""
        while True:
            await self._has_some.wait()
            try:
                await self.flush()
            except StorageUnavailable:
                await asyncio.sleep(RETRY_S)
            except Exception:  # task root: one bad record must not stop those behind it
                log.exception("a record of a room cannot be written")
                self._queue.popleft()

    async def flush(self) -> None:
        """Write everything that waits, in order, in few transactions.

        Raises:
            StorageUnavailable: the rest waits.
        """
        size = BATCH_SIZE
        while self._queue:
            batch = [self._queue[index] for index in range(min(size, len(self._queue)))]
            try:
                async with self._database.write() as session:
                    for write in batch:
                        await write(session)
                        await session.flush()
            except StorageUnavailable:
                raise
            except Exception:
                if len(batch) == 1:
                    raise
                size = 1  # find the bad one
                continue
            for _ in batch:
                self._queue.popleft()
        self._has_some.clear()
