"""What is written about rooms while they run: presence and audit, by one writer, in order.

A running room does not wait for the database: facts queue, and are written when it is there again.
What was committed while its answer was lost is not written again.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from aiohttp import web
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from sfu.logs import Log
from signaling.background import beside
from signaling.storage.database import Database, StorageUnavailable
from signaling.storage.models import RecordWriter, new_id

log = Log(__name__)

Write = Callable[[AsyncSession], Awaitable[None]]

MAX_QUEUED = 50_000
"""LIMIT: facts that wait for the database: a large room's comings and goings of a day. The newest
are dropped past it, and that is logged."""
BATCH_SIZE = 200
RETRY_S = 2.0
LAST_WORDS_S = 2.0
"""At the end, how long what waits may take to be written."""
FORGOTTEN_AFTER = timedelta(days=30)
"""A writer that has written nothing for so long is no more."""


class Records:
    """The queue; `add_to` the application, or `run` in a task of the owner."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self._writer_id = ""
        """Its row in the database; empty before there is one."""
        self._done = 0
        """How many have left the queue since there is that row."""
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
        who wait are cancelled.

        Raises:
            StorageUnavailable: the rest waits.
        """
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush(), name="flush-records")
        await asyncio.shield(self._flushing)

    async def _flush(self) -> None:
        size = BATCH_SIZE
        while self._queue:
            await self._register()
            batch = list(itertools.islice(self._queue, size))
            try:
                await self._write(batch)
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
            self._done += len(batch)
        self._has_some.clear()

    async def _register(self) -> None:
        """Make the writer's row. Before anything is written, so that to wait for it is enough."""
        if self._writer_id:
            return
        writer_id = new_id()  # another each time: nobody knows what became of the attempt before
        async with self._database.write() as session:
            long_ago = self._now() - FORGOTTEN_AFTER
            await session.execute(delete(RecordWriter).where(RecordWriter.at < long_ago))
            session.add(RecordWriter(id=writer_id, written=0, at=self._now()))
        self._writer_id = writer_id

    async def _write(self, batch: list[Write]) -> None:
        """Write the first of the queue, without those that the database has already.

        An attempt before whose answer was lost may have written them, or may do so this moment: the
        row is locked until that is known.
        """
        async with self._database.write() as session:
            row = await session.get(RecordWriter, self._writer_id, with_for_update=True)
            if row is None:  # forgotten while there was nothing to write
                row = RecordWriter(id=self._writer_id, written=self._done, at=self._now())
                session.add(row)
            for write in batch[max(0, row.written - self._done) :]:
                await write(session)
                await session.flush()
            row.written = max(row.written, self._done + len(batch))
            row.at = self._now()

    async def _write_last_words(self, _: web.Application) -> None:
        with contextlib.suppress(TimeoutError, StorageUnavailable):
            async with asyncio.timeout(LAST_WORDS_S):
                await self.flush()
