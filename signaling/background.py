"""Tasks that run from an application's start to its end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

Context = Callable[[web.Application], AsyncIterator[None]]


def beside(run: Callable[[], Awaitable[None]], name: str) -> Context:
    """Return a clean-up context that runs `run`, a task root, until the application ends."""

    async def context(_: web.Application) -> AsyncIterator[None]:
        async def root() -> None:
            await run()

        task = asyncio.create_task(root(), name=name)
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    return context
