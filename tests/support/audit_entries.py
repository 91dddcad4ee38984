"""Reading a running service's audit chain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recording_policy.verify import parse_line, read_key, verify
from tests.support.signaling_server import Server
from tests.support.waiting import PATIENCE_S

Body = dict[str, Any]


def entries(path: Path, *kinds: str) -> list[Body]:
    """Return the entries of the kinds, or all; the lines hold each for itself."""
    lines = path.read_bytes().splitlines(keepends=True)
    bodies = [parse_line(line[:-1]) for line in lines if line.endswith(b"\n")]
    return [body for body in bodies if not kinds or body["kind"] in kinds]


def facts(path: Path, kind: str) -> list[Body]:
    """Return the facts of the entries of one kind."""
    return [body["facts"] for body in entries(path, kind)]


def log_of(server: Server) -> Path:
    """Return the audit chain of a server."""
    return server.folder / "audit.log"


async def until_logged(
    server: Server, kind: str, is_meant: Callable[[Body], bool] = lambda _: True
) -> Body:
    """Return the facts of the first such entry, when it is there."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for each in facts(log_of(server), kind):
                if is_meant(each):
                    return each
            await asyncio.sleep(0.01)


def assert_verifies(server: Server) -> None:
    """Raise unless the whole chain verifies with the public key."""
    with log_of(server).open("rb") as lines:
        verify(lines, read_key(server.folder / "audit-key.pem.pub"))
