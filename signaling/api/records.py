"""The node's capacity on a day, and the audit trail, in the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated

import msgspec
from aiohttp import web

from signaling.accounts.record_pages import LARGEST_NUMBER, look_at_trail
from signaling.accounts.rights import Action
from signaling.api.parts import ApiParts
from signaling.api.table import (
    MAX_LIMIT,
    Call,
    Given,
    Moment,
    NoBody,
    Table,
    Taken,
    check_year,
    cut,
)
from signaling.audit.trail import AuditAction
from signaling.scheduling.quarters import NOTHING, span_of, start_of
from signaling.scheduling.wall_time import day_bounds

TABLE = Table("records")


class DayQuery(Taken, frozen=True):
    """Which day, in Greece."""

    day: date


class QuarterLoad(Given, frozen=True):
    """What is reserved in a quarter of an hour."""

    starts_at: Moment
    participants: int
    streams: int


class DayLoad(Given, frozen=True):
    """What is reserved on a day, and what the node carries."""

    day: date
    max_participants: int
    max_streams: int
    quarters: Sequence[QuarterLoad]


class RecordQuery(Taken, frozen=True):
    """Which records."""

    after: Annotated[str, msgspec.Meta(pattern="^[0-9]{0,18}$")] = ""
    """`next` of the page before."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_LIMIT)] = 50
    action: AuditAction | None = None
    actor: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{32}|anonymous|system)?$")] = ""


class AuditLine(Given, frozen=True):
    """A record. `actor` is a pseudonym."""

    number: int
    at: Moment
    actor: str
    action: str
    object_kind: str
    object_id: str
    result: str
    facts: Mapping[str, str | int | bool | None]


class AuditLines(Given, frozen=True):
    """A page of records, the newest first."""

    items: Sequence[AuditLine]
    next: str | None


@TABLE.add("GET", "/capacity", right=Action.SEE_CAPACITY, refusals=(404, 422))
async def read_capacity(api: ApiParts, call: Call[NoBody, DayQuery]) -> DayLoad:
    """Tell how much of the node is reserved on a day."""
    if not call.visitor.may(Action.SEE_CAPACITY):
        raise web.HTTPNotFound()
    day = call.query.day
    check_year(day, "day")
    span = span_of(*day_bounds(day, 1))
    capacity = api.desk.sittings.capacity
    async with api.accounts.database.read() as session:
        load = await capacity.load(session, span)
    quarters = []
    for quarter in range(span.first, span.end):
        need = load.get(quarter, NOTHING)
        quarters.append(QuarterLoad(start_of(quarter), need.participants, need.streams))
    config = capacity.config
    return DayLoad(day, config.participants, config.streams, quarters)


@TABLE.add("GET", "/audit", right=Action.READ_AUDIT, refusals=(404,))
async def read_audit(api: ApiParts, call: Call[NoBody, RecordQuery]) -> AuditLines:
    """List the audit trail; that somebody looked is the newest record of the next look."""
    query = call.query
    before = min(int(query.after), LARGEST_NUMBER) if query.after else None
    action = query.action.value if query.action is not None else ""
    rows = await look_at_trail(
        api.accounts, call.visitor, (before, action, query.actor), query.limit + 1
    )
    shown, last = cut(rows, query.limit)
    lines = [
        AuditLine(
            each.number, each.at, each.actor, each.action, each.object_kind, each.object_id,
            each.result, each.facts,
        )
        for each in shown
    ]  # fmt: skip
    return AuditLines(lines, str(last.number) if last else None)
