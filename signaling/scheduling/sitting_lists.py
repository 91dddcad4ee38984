"""What the desk lists: sittings of some bodies in order of time, for the calendar and by pages.

Each query walks `ix_sittings_body`; tests hold that.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, Subquery, bindparam, select, tuple_, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.paging import Cursor
from signaling.scheduling.sittings import LONGEST
from signaling.scheduling.values import SittingKind, SittingState
from signaling.scheduling.windows import GRACE, SittingTimes, room_window
from signaling.storage.models import Body, CollectiveBody, Sitting, Unit, UtcDateTime
from signaling.storage.models.base import Id

MAX_SHOWN = 2000
"""LIMIT: sittings in one month of one calendar."""
MAX_BODIES = 50
"""LIMIT: bodies of one person whose sittings are listed together."""


class When(StrEnum):
    """Which sittings a list has."""

    UPCOMING = "upcoming"
    """On now or to come; the next first."""
    PAST = "past"
    """The last first; cancelled ones too."""


class Phase(StrEnum):
    """How a sitting stands, as people see it."""

    PLANNED = "planned"
    OPEN = "open"
    """Its room can be entered, at least by who runs it."""
    ENDED = "ended"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class SittingRow:
    """A line of a list."""

    id: str
    title: str
    kind: SittingKind
    mode: str
    state: SittingState
    starts_at: datetime
    ends_at: datetime
    open_before_min: int
    is_closed: bool
    organiser_id: str
    body_id: str
    body_name: str
    unit_id: str | None
    unit_name: str
    collective_body_name: str

    def phase(self, now: datetime) -> Phase:
        """Return how it stands."""
        return phase_of(
            SittingTimes(self.starts_at, self.ends_at, self.open_before_min, self.state), now
        )


def phase_of(times: SittingTimes, now: datetime) -> Phase:
    """Return how a sitting stands."""
    if times.state is not SittingState.PLANNED:
        return Phase(times.state.value)
    opens_at, closes_at = room_window(times)
    if now >= closes_at:
        return Phase.ENDED
    return Phase.OPEN if now >= opens_at else Phase.PLANNED


async def list_between(
    session: AsyncSession, body_ids: Collection[str], first: datetime, end: datetime, *,
    after: Cursor | None = None, limit: int = MAX_SHOWN,
) -> Sequence[SittingRow]:  # fmt: skip
    """Return sittings that start from `first` to before `end`, in order from behind `after`;
    cancelled ones not."""
    values: dict[str, Any] = {
        "bodies": _bounded(body_ids), "first": first, "end": end, "limit": limit,
    }  # fmt: skip
    if after is not None:
        values |= {"after_at": after[0], "after_id": after[1]}
    return await _read(session, _between_query(after is not None), values)


async def list_page(
    session: AsyncSession, body_ids: Collection[str], when: When, now: datetime, *,
    after: Cursor | None, limit: int,
) -> Sequence[SittingRow]:  # fmt: skip
    """Return a page of sittings from behind `after`."""
    bodies = _bounded(body_ids)
    if not bodies:
        return []
    values: dict[str, Any] = {f"body_{number}": body for number, body in enumerate(bodies)}
    values |= {"over": now - GRACE, "limit": limit}
    if when is When.UPCOMING:
        values["since"] = now - LONGEST - GRACE
    if after is not None:
        values |= {"after_at": after[0], "after_id": after[1]}
    return await _read(session, _page_query(len(bodies), when, after is not None), values)


# Queries are built once for each of their shapes: what is built anew each time costs more than the
# database's answer.


@functools.cache
def _between_query(is_after: bool) -> Select[*tuple[Any, ...]]:
    query = (
        _rows()
        .where(
            Sitting.body_id.in_(bindparam("bodies", expanding=True)),
            Sitting.starts_at >= bindparam("first"),
            Sitting.starts_at < bindparam("end"),
            Sitting.state != SittingState.CANCELLED,
        )
        .order_by(Sitting.starts_at, Sitting.id)
        .limit(bindparam("limit"))
    )
    if is_after:
        # The first condition is what the index begins with; the second is within one moment.
        query = query.where(Sitting.starts_at >= bindparam("after_at"), _POSITION > _AFTER)
    return query


@functools.cache
def _page_query(bodies: int, when: When, is_after: bool) -> Select[*tuple[Any, ...]]:
    # A page of each body, from its own stretch of the index; the page of all is among them.
    pages = union_all(
        *(select(_page_of_body(f"body_{each}", when, is_after)) for each in range(bodies))
    ).subquery()
    query = _rows().join(pages, pages.c.id == Sitting.id)
    if when is When.UPCOMING:
        query = query.order_by(Sitting.starts_at, Sitting.id)
    else:
        query = query.order_by(Sitting.starts_at.desc(), Sitting.id.desc())
    return query.limit(bindparam("limit"))


def _page_of_body(body: str, when: When, is_after: bool) -> Subquery:
    query = select(Sitting.id).where(Sitting.body_id == bindparam(body))
    if when is When.UPCOMING:
        query = query.where(
            Sitting.starts_at > bindparam("since"),
            Sitting.ends_at > bindparam("over"),
            # Not `== PLANNED`: SQLite would rather walk the planned ones of all bodies.
            Sitting.state.not_in((SittingState.ENDED, SittingState.CANCELLED)),
        ).order_by(Sitting.starts_at, Sitting.id)
    else:
        is_over = (Sitting.ends_at <= bindparam("over")) | (Sitting.state != SittingState.PLANNED)
        query = query.where(is_over).order_by(Sitting.starts_at.desc(), Sitting.id.desc())
    if is_after:
        query = query.where(_POSITION > _AFTER if when is When.UPCOMING else _POSITION < _AFTER)
    return query.limit(bindparam("limit")).subquery()


def _rows() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Sitting.id, Sitting.title, Sitting.kind, Sitting.mode, Sitting.state,
            Sitting.starts_at, Sitting.ends_at, Sitting.open_before_min, Sitting.is_closed,
            Sitting.organiser_id, Sitting.body_id, Body.name.label("body_name"), Sitting.unit_id,
            Unit.name.label("unit_name"), CollectiveBody.name.label("collective_body_name"),
        )
        .join(Body, Body.id == Sitting.body_id)
        .outerjoin(Unit, Unit.id == Sitting.unit_id)
        .outerjoin(CollectiveBody, CollectiveBody.id == Sitting.collective_body_id)
    )  # fmt: skip


async def _read(
    session: AsyncSession, query: Select[*tuple[Any, ...]], values: Mapping[str, Any]
) -> Sequence[SittingRow]:
    return [_row(*row) for row in await session.execute(query, values)]


def _row(*columns: Any) -> SittingRow:
    # In the order of `_rows`, which is that of the fields: a month has hundreds of them.
    row_id, title, kind, mode, state, *plain, unit_name, collective_body_name = columns
    names = (unit_name or "", collective_body_name or "")
    values = (row_id, title, SittingKind(kind), mode, SittingState(state), *plain, *names)
    return SittingRow(*values)


_POSITION = tuple_(Sitting.starts_at, Sitting.id)
_AFTER = tuple_(bindparam("after_at", type_=UtcDateTime), bindparam("after_id", type_=Id))


def _bounded(body_ids: Collection[str]) -> list[str]:
    return sorted(body_ids)[:MAX_BODIES]
