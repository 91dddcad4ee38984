"""A proxy before PostgreSQL that loses answers: the server commits, and who asked never hears."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from signaling.storage.database import Database

COMMIT = b"COMMIT;"
"""As asyncpg sends it, a message of its own."""
CHUNK_BYTES = 65_536


class LosesCommits:
    """The proxy. Without `lose` it passes everything on."""

    def __init__(self, host: str, port: int) -> None:
        self.lost = 0
        """Answers lost so far."""
        self._server = (host, port)
        self._commits_left = 0

    def lose(self, number: int) -> None:
        """Lose the answer to the commit of that number from now on, 1 for the next, once."""
        self._commits_left = number

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what comes, until one side ends."""
        answers, questions = await asyncio.open_connection(*self._server)
        back = asyncio.create_task(_pass_on(answers, writer))
        try:
            while data := await reader.read(CHUNK_BYTES):
                if COMMIT in data and self._commits_left:
                    self._commits_left -= 1
                    if not self._commits_left:
                        back.cancel()
                        with contextlib.suppress(asyncio.CancelledError):
                            await back
                        questions.write(data)
                        await answers.read(CHUNK_BYTES)
                        self.lost += 1
                        return
                questions.write(data)
                await questions.drain()
        except ConnectionError:
            pass
        finally:
            back.cancel()
            questions.close()
            writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def losing_commits(direct: Database) -> AsyncIterator[tuple[Database, LosesCommits]]:
    """Return the same database of PostgreSQL through a proxy."""
    assert direct.url.host is not None
    assert direct.url.port is not None
    proxy = LosesCommits(direct.url.host, direct.url.port)
    async with await asyncio.start_server(proxy.serve, "127.0.0.1", 0) as server:
        database = Database(direct.url.set(port=server.sockets[0].getsockname()[1]))
        database.is_migrated = True
        try:
            yield database, proxy
        finally:
            await database.close()
