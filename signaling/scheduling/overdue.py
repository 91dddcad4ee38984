"""Ends the sittings that nobody ended, once their time has run out. A task of the control plane."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from sfu.logs import Log
from signaling.scheduling.sittings import Sittings
from signaling.storage.database import ChangedMeanwhile, Database, StorageUnavailable

log = Log(__name__)

INTERVAL_S = 60.0
"""Rooms are closed by their own clock; this only writes it down."""
BATCH_SIZE = 50
"""Sittings of one transaction: a writer of SQLite holds up all others."""


class Overdue:
    """Writes ENDED where the clock says so."""

    def __init__(self, database: Database, sittings: Sittings, now: Callable[[], datetime]) -> None:
        self._database = database
        self._sittings = sittings
        self._now = now

    async def run(self) -> None:
        """End what is over, for ever."""
        while True:
            try:
                await self.end_due()
            except (StorageUnavailable, ChangedMeanwhile):
                log.warning("sittings that are over wait for storage")
            except Exception:  # task root: rooms and pages must not end with it
                log.exception("sittings that are over cannot be ended")
            await asyncio.sleep(INTERVAL_S)

    async def end_due(self) -> int:
        """End every sitting that is over and return how many they were.

        Raises:
            StorageUnavailable, ChangedMeanwhile: the rest is done next time.
        """
        total = 0
        while ended := await self._end_batch():
            total += ended
            await asyncio.sleep(0)
        return total

    async def _end_batch(self) -> int:
        async with self._database.write() as session:
            return await self._sittings.end_overdue(session, self._now(), BATCH_SIZE)
