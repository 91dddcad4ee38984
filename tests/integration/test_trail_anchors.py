"""Rows of the database's audit trail, anchored in the chain: who changes one is found out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text

from recording_policy.audit import AuditLog
from signaling.audit.anchoring import SETTLED_S, TrailAnchors, faults_of_trail, read_anchors
from signaling.audit.trail import AuditAction, AuditEntry, StoredTrail
from signaling.audit.writer import AuditWriter
from signaling.clock import Instant
from signaling.storage.database import Database
from signaling.vault import Vault
from tests.support.databases import BACKENDS, empty_database

pytestmark = pytest.mark.asyncio

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Trail:
    """A database with a trail, and a chain that anchors it."""

    database: Database
    anchors: TrailAnchors
    path: Path
    now: list[datetime]

    async def record(self, count: int) -> None:
        trail = StoredTrail(Vault(bytes(32)))
        async with self.database.write() as session:
            for number in range(count):
                entry = AuditEntry(
                    self.now[0], "person", AuditAction.SIGN_IN, "thing", f"o{number}",
                    facts={"number": number, "is_first": number == 0, "code": "ά"},
                )  # fmt: skip
                await trail.record(session, entry)

    async def faults(self) -> list[str]:
        async with self.database.read() as session:
            return await faults_of_trail(session, read_anchors(self.path))

    async def tamper(self, statement: str) -> None:
        """Do what only who owns the database can: the triggers are in the way of everybody else."""
        async with self.database.engine.begin() as connection:
            if self.database.is_sqlite:
                names = await connection.execute(
                    text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
                )
                for (name,) in names.all():
                    await connection.execute(text(f"DROP TRIGGER {name}"))
            else:
                await connection.execute(text("ALTER TABLE audit_records DISABLE TRIGGER ALL"))
            await connection.execute(text(statement))


@contextlib.asynccontextmanager
async def a_trail(backend: str, folder: Path) -> AsyncIterator[Trail]:
    path, now = folder / "audit.log", [NOW]
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    with ThreadPoolExecutor(1) as executor:
        async with empty_database(backend, folder) as database:
            writer = AuditWriter(lambda: AuditLog(path, key, lambda: 1), executor)
            task = asyncio.create_task(writer.run())
            try:
                await writer.wait_open()

                def clock() -> Instant:
                    return Instant(monotonic_s=0.0, wall_s=now[0].timestamp())

                yield Trail(database, TrailAnchors(database, writer, path, clock, 1), path, now)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("backend", BACKENDS)
async def test_rows_are_anchored_once_they_have_settled_and_the_anchors_hold(
    backend: str, tmp_path: Path
) -> None:
    async with a_trail(backend, tmp_path) as trail:
        await trail.record(5)
        assert not await trail.anchors.anchor()
        assert read_anchors(trail.path) == []  # too young: an earlier one may still be committed
        trail.now[0] += timedelta(seconds=SETTLED_S + 1)
        await trail.record(2)
        await trail.anchors.anchor()
        first = read_anchors(trail.path)
        assert [(each.count, each.last - each.first) for each in first] == [(5, 4)]
        trail.now[0] += timedelta(seconds=SETTLED_S + 1)
        await trail.anchors.anchor()
        await trail.anchors.anchor()

        assert [each.count for each in read_anchors(trail.path)] == [5, 2]
        assert await trail.faults() == []


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_records SET actor = 'somebody' WHERE object_id = 'o2'",
        "UPDATE audit_records SET result = 'refused' WHERE object_id = 'o0'",
        "UPDATE audit_records SET facts = '{}' WHERE object_id = 'o4'",
        "DELETE FROM audit_records WHERE object_id = 'o3'",
        "DELETE FROM audit_records",
        "INSERT INTO audit_records (number, at, actor, action, object_kind, object_id, result, facts)"
        " SELECT 0, at, actor, action, object_kind, object_id, result, facts FROM audit_records"
        " WHERE object_id = 'o1'",
    ],
)
async def test_altered_row_is_found(backend: str, statement: str, tmp_path: Path) -> None:
    async with a_trail(backend, tmp_path) as trail:
        await trail.record(5)
        trail.now[0] += timedelta(seconds=SETTLED_S + 1)
        await trail.anchors.anchor()
        assert await trail.faults() == []
        await trail.tamper(statement)

        faults = await trail.faults()
    assert len(faults) == 1 and "not as anchored" in faults[0], faults
