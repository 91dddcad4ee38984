"""Forgets sessions and confirmation links that are over. A task of the control plane."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from sfu.logs import Log
from signaling.accounts.web_sessions import WebSessions
from signaling.storage.database import Database, StorageUnavailable

log = Log(__name__)

INTERVAL_S = 600.0
"""Nobody gets in with what is over: this only makes room."""


class SessionCleaner:
    """Removes what has expired."""

    def __init__(
        self, database: Database, sessions: WebSessions, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._now = now

    async def run(self) -> None:
        """Clean for ever."""
        while True:
            await asyncio.sleep(INTERVAL_S)
            try:
                await self.clean()
            except StorageUnavailable:
                log.warning("expired sessions wait for storage")
            except Exception:  # task root: rooms and pages must not end with it
                log.exception("expired sessions cannot be forgotten")

    async def clean(self) -> None:
        """Forget what is over by now.

        Raises:
            StorageUnavailable: all of it is done next time.
        """
        async with self._database.write() as session:
            await self._sessions.forget_expired(session, self._now())
