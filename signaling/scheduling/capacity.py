"""Reserving the node's capacity, in the transaction of what it is reserved for (R11).

Whoever reserves meets everybody else at the rows of `capacity_quarters`. One statement adds to all
quarters, in ascending order, and only where the sum stays within the limits; what it did not touch
is full. So no two writers can overbook, and none waits for another in a circle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.scheduling.config import CapacityConfig
from signaling.scheduling.quarters import (
    NOTHING,
    QUARTERS_PER_DAY,
    SEARCH_DAYS,
    Need,
    Span,
    need_of,
    next_fit,
)
from signaling.storage.models import CapacityQuarter, CapacityReservation

MAX_ROWS_A_STATEMENT = 500
"""LIMIT: four values each; databases take some thousand in one statement."""


class CapacityFull(Exception):
    """There is not enough left. The transaction must be rolled back."""

    def __init__(self, owner_id: str, quarter: int, next_shift: int | None) -> None:
        super().__init__("capacity_full")
        self.owner_id = owner_id
        """Whose reservation does not fit."""
        self.quarter = quarter
        """The first that is full."""
        self.next_shift = next_shift
        """By how many quarters later it would fit; None: not within 90 days, or not at all."""


@dataclass(frozen=True)
class Reservation:
    """What somebody wants to reserve."""

    owner_id: str
    span: Span
    need: Need


class Capacity:
    """Reserves and releases. Everything happens in the caller's transaction."""

    def __init__(self, config: CapacityConfig) -> None:
        self.config = config

    def need(self, participants: int) -> Need:
        """Return what a room of so many people takes."""
        return need_of(participants, self.config.videos_per_participant)

    async def reserve(self, session: AsyncSession, wanted: Sequence[Reservation]) -> None:
        """Reserve for each owner, in place of what it had reserved before: all or nothing.

        Raises:
            CapacityFull: with the first owner that does not fit; roll the transaction back.
        """
        owners = [each.owner_id for each in wanted]
        held = await _take_out(session, owners)
        changes = _sum_changes(wanted, held)
        for each in wanted:
            if not self._fits_alone(each.need):
                raise CapacityFull(each.owner_id, each.span.first, None)
        try:
            async with session.begin_nested():
                await self._change(session, changes)
        except _Full as error:
            # What they held before is theirs no more: the search counts it as free.
            await self._change(session, _sum_changes((), held))
            raise await self._explain(session, wanted, error.quarter) from None
        session.add_all(
            CapacityReservation(
                owner_id=each.owner_id, first_quarter=each.span.first, quarters=len(each.span),
                participants=each.need.participants, streams=each.need.streams,
            )
            for each in wanted
        )  # fmt: skip

    async def release(self, session: AsyncSession, owner_ids: Iterable[str]) -> None:
        """Give back what these have reserved; whoever has nothing reserved changes nothing."""
        held = await _take_out(session, list(owner_ids))
        await self._change(session, _sum_changes((), held))

    async def next_start(
        self, session: AsyncSession, need: Need, span: Span, *, not_before: int
    ) -> int | None:
        """Return the next quarter from which `len(span)` quarters fit; None: not in 90 days."""
        if not self._fits_alone(need):
            return None
        horizon = not_before + SEARCH_DAYS * QUARTERS_PER_DAY
        full = await session.scalars(
            select(CapacityQuarter.quarter)
            .where(
                CapacityQuarter.quarter >= not_before,
                CapacityQuarter.quarter < horizon + len(span),
                or_(
                    CapacityQuarter.participants > self.config.participants - need.participants,
                    CapacityQuarter.streams > self.config.streams - need.streams,
                ),
            )
            .order_by(CapacityQuarter.quarter)
        )
        return next_fit(full, not_before, len(span), horizon)

    async def load(self, session: AsyncSession, span: Span) -> Mapping[int, Need]:
        """Return what is reserved in each quarter of `span` that has anything reserved."""
        rows = await session.execute(
            select(
                CapacityQuarter.quarter, CapacityQuarter.participants, CapacityQuarter.streams
            ).where(CapacityQuarter.quarter >= span.first, CapacityQuarter.quarter < span.end)
        )
        return {quarter: Need(participants, streams) for quarter, participants, streams in rows}

    def _fits_alone(self, need: Need) -> bool:
        config = self.config
        return need.participants <= config.participants and need.streams <= config.streams

    async def _change(self, session: AsyncSession, changes: Mapping[int, Need]) -> None:
        """Add to the quarters.

        Raises:
            _Full: with the first that is.
        """
        rows = [
            {"quarter": quarter, "participants": need.participants, "streams": need.streams}
            for quarter, need in sorted(changes.items())
            if need != NOTHING
        ]
        for start in range(0, len(rows), MAX_ROWS_A_STATEMENT):
            batch = rows[start : start + MAX_ROWS_A_STATEMENT]
            done = set(await session.scalars(self._addition(session, batch)))
            for row in batch:
                if row["quarter"] not in done:
                    raise _Full(row["quarter"])

    def _addition(self, session: AsyncSession, rows: list[dict[str, int]]) -> postgresql.Insert:
        # The two dialects' statements are alike; they share no class that says so.
        is_sqlite = session.get_bind().dialect.name == "sqlite"
        insert = sqlite.insert if is_sqlite else postgresql.insert
        statement: postgresql.Insert = insert(CapacityQuarter).values(rows)  # type: ignore[assignment]
        more, table = statement.excluded, CapacityQuarter
        return statement.on_conflict_do_update(
            index_elements=[table.quarter],
            set_={
                "participants": table.participants + more.participants,
                "streams": table.streams + more.streams,
            },
            where=or_(
                (more.participants <= 0) & (more.streams <= 0),
                (table.participants + more.participants <= self.config.participants)
                & (table.streams + more.streams <= self.config.streams),
            ),
        ).returning(table.quarter)  # type: ignore[return-value]

    async def _explain(
        self, session: AsyncSession, wanted: Sequence[Reservation], full: int
    ) -> CapacityFull:
        each = next(one for one in wanted if one.span.first <= full < one.span.end)
        # Whatever begins before the full quarter and is as long reaches into it.
        found = await self.next_start(session, each.need, each.span, not_before=full + 1)
        shift = None if found is None else found - each.span.first
        return CapacityFull(each.owner_id, full, shift)


class _Full(Exception):
    def __init__(self, quarter: int) -> None:
        super().__init__(quarter)
        self.quarter = quarter


async def _take_out(session: AsyncSession, owner_ids: Sequence[str]) -> list[CapacityReservation]:
    """Return the reservations of these, deleted; of two at once the second finds none."""
    deleted = await session.scalars(
        delete(CapacityReservation)
        .where(CapacityReservation.owner_id.in_(owner_ids))
        .returning(CapacityReservation)
    )
    return list(deleted)


def _sum_changes(
    wanted: Sequence[Reservation], held: Sequence[CapacityReservation]
) -> Mapping[int, Need]:
    participants: Counter[int] = Counter()
    streams: Counter[int] = Counter()
    for each in wanted:
        for quarter in range(each.span.first, each.span.end):
            participants[quarter] += each.need.participants
            streams[quarter] += each.need.streams
    for row in held:
        for quarter in range(row.first_quarter, row.first_quarter + row.quarters):
            participants[quarter] -= row.participants
            streams[quarter] -= row.streams
    return {quarter: Need(participants[quarter], streams[quarter]) for quarter in participants}
