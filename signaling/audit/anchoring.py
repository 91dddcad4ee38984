"""Anchors the rows of the database's audit trail in the chain: who changes a row is found out.

Every few minutes the hash over the rows since the last anchor becomes an entry. Rows are taken when
they are old enough that no transaction can still put one before them.
See docs/decisions/0005-one-chain.md.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from recording_policy.audit import AuditError
from recording_policy.verify import LogIsWrong, encode_body, parse_line
from sfu.logs import Log
from signaling.audit.writer import AuditWriter
from signaling.clock import Clock
from signaling.storage.database import Database, StorageUnavailable
from signaling.storage.models import AuditRecord

log = Log(__name__)

ANCHORED = "trail_anchored"
SETTLED_S = 60.0
"""Age at which a row is anchored: longer than any transaction lasts (COMMAND_TIMEOUT_S), which may be
given an earlier number and commit later."""
MAX_ROWS = 5000
"""Rows of one anchor."""


@dataclass(frozen=True)
class Anchor:
    """What an entry of the chain says about rows."""

    first: int
    last: int
    count: int
    hash: str

    def facts(self) -> dict[str, str | int]:
        """Return it as the entry holds it."""
        return {
            "first": self.first, "last": self.last, "count": self.count, "rows_sha256": self.hash,
        }  # fmt: skip

    @classmethod
    def of(cls, facts: dict[str, Any]) -> Anchor:
        """Return the anchor that an entry's facts tell."""
        return cls(facts["first"], facts["last"], facts["count"], facts["rows_sha256"])


def anchor_of(rows: Sequence[AuditRecord]) -> Anchor:
    """Return the anchor of at least one row, in the order of their numbers."""
    total = hashlib.sha256()
    for row in rows:
        total.update(_encoded(row) + b"\n")
    return Anchor(rows[0].number, rows[-1].number, len(rows), total.hexdigest())


async def next_rows(
    session: AsyncSession, after: int, settled_before: datetime
) -> Sequence[AuditRecord]:
    """Return the rows that may be anchored next: none after the first that is too young."""
    query = (
        select(AuditRecord)
        .where(AuditRecord.number > after)
        .order_by(AuditRecord.number)
        .limit(MAX_ROWS)
    )
    rows = []
    for row in await session.scalars(query):
        if _utc(row.at) >= settled_before:
            break
        rows.append(row)
    return rows


async def faults_of_trail(session: AsyncSession, anchors: Sequence[Anchor]) -> list[str]:
    """Return where the rows are not those that were anchored."""
    faults: list[str] = []
    previous: int | None = None
    for anchor in anchors:
        query = select(AuditRecord).where(AuditRecord.number <= anchor.last)
        if previous is not None:  # before the first anchor there must be no row at all
            query = query.where(AuditRecord.number > previous)
        rows = list(await session.scalars(query.order_by(AuditRecord.number)))
        previous = anchor.last
        if not rows or anchor_of(rows) != anchor:
            faults.append(
                f"rows {anchor.first} to {anchor.last}: not as anchored "
                f"({anchor.count} rows then, {len(rows)} now)"
            )
    return faults


def read_anchors(log_path: Path) -> list[Anchor]:
    """Return the anchors in the log, in their order. Reads all of it.

    Raises:
        OSError, LogIsWrong: it cannot be read.
    """
    mark = f'"kind":"{ANCHORED}"'.encode()
    anchors = []
    with log_path.open("rb") as lines:
        for line in lines:
            if mark in line and line.endswith(b"\n"):
                body = parse_line(line[:-1])
                if body["kind"] == ANCHORED:
                    anchors.append(Anchor.of(body["facts"]))
    return anchors


class TrailAnchors:
    """`run` must be running in a task of the owner."""

    def __init__(
        self, database: Database, writer: AuditWriter, log_path: Path, clock: Clock,
        interval_s: float,
    ) -> None:  # fmt: skip
        self._database = database
        self._writer = writer
        self._log_path = log_path
        self._clock = clock
        self._interval_s = interval_s
        self._last: int | None = None

    async def run(self) -> None:
        """Anchor now and then, until cancelled."""
        await self._writer.wait_open()
        while True:
            try:
                while await self.anchor():
                    pass
            except StorageUnavailable:
                log.info("audit trail not anchored: storage unavailable")
            except (AuditError, LogIsWrong, OSError) as error:
                log.error("audit trail not anchored", detail=str(error))
            await asyncio.sleep(self._interval_s)

    async def anchor(self) -> bool:
        """Anchor what may be. True: there may be more.

        Raises:
            StorageUnavailable, AuditError, LogIsWrong, OSError: see above.
        """
        if self._last is None:
            anchors = await asyncio.to_thread(read_anchors, self._log_path)
            self._last = anchors[-1].last if anchors else 0
        settled = datetime.fromtimestamp(self._clock().wall_s, UTC) - timedelta(seconds=SETTLED_S)
        async with self._database.read() as session:
            rows = await next_rows(session, self._last, settled)
        if not rows:
            return False
        anchor = anchor_of(rows)
        await self._writer.append(ANCHORED, anchor.facts(), is_signed=True)
        self._last = anchor.last
        return len(rows) == MAX_ROWS


def _encoded(row: AuditRecord) -> bytes:
    return encode_body(
        {
            "number": row.number,
            "at": _utc(row.at).isoformat(timespec="microseconds"),
            "actor": row.actor,
            "action": row.action,
            "object_kind": row.object_kind,
            "object_id": row.object_id,
            "result": row.result,
            "facts": row.facts,
        }
    )


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
