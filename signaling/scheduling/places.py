"""What a sitting can be of: a collective body, a unit, or a body as a whole. What forms offer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.rights import Action, Actor, Target, may, places_of
from signaling.scheduling.values import CollectiveKind, SittingKind
from signaling.storage.models import Body, CollectiveBody, Unit
from signaling.storage.models.base import Id

MAX_OFFERED = 500
"""LIMIT: places of one sort offered in one choice."""

KIND_OF_SITTING = {
    CollectiveKind.COUNCIL: SittingKind.COUNCIL_SESSION,
    CollectiveKind.COMMITTEE: SittingKind.COMMITTEE,
    CollectiveKind.LOCAL_COUNCIL: SittingKind.COUNCIL_SESSION,
    CollectiveKind.BOARD: SittingKind.COMMITTEE,
}
"""What the sittings of a collective body are unless said otherwise."""


@dataclass(frozen=True)
class Place:
    """One choice."""

    body_id: str
    body_name: str
    unit_id: str | None = None
    unit_name: str = ""
    collective_body_id: str | None = None
    collective_body_name: str = ""
    kind: CollectiveKind | None = None

    @property
    def value(self) -> str:
        """What the form sends."""
        if self.collective_body_id is not None:
            return f"c:{self.collective_body_id}"
        return f"u:{self.unit_id}" if self.unit_id is not None else f"b:{self.body_id}"

    @property
    def label(self) -> str:
        """What is read."""
        return self.collective_body_name or self.unit_name or self.body_name

    @property
    def target(self) -> Target:
        """As the table of rights sees it."""
        return Target(body_id=self.body_id, unit_id=self.unit_id)


async def list_places(session: AsyncSession, actor: Actor) -> Sequence[Place]:
    """Return what the actor may create sittings of; collective bodies first, by name."""
    places = places_of(actor, Action.CREATE_SITTING)
    if not places:
        return []
    values = {"body_ids": sorted(places.body_ids), "unit_ids": sorted(places.unit_ids)}
    collective = await session.execute(_COLLECTIVE, values)
    bodies = await session.execute(_BODIES, values) if places.body_ids else ()
    units = await session.execute(_UNITS, values)
    return [
        *(Place(*row[:-1], CollectiveKind(row[-1])) for row in collective),
        *(Place(*row) for row in bodies),
        *(Place(*row) for row in units),
    ]


async def find_place(session: AsyncSession, actor: Actor, value: str) -> Place | None:
    """Return what a form means by `value`; None: nothing of this actor's."""
    sort, _, row_id = value.partition(":")
    place: Place | None = None
    if sort == "c":
        place = await find_collective_place(session, row_id)
    elif sort == "u":
        unit = await session.get(Unit, row_id)
        if unit is not None and unit.is_active:
            body = await session.get_one(Body, unit.body_id)
            place = Place(body.id, body.name, unit.id, unit.name)
    elif sort == "b":
        body_found = await session.get(Body, row_id)
        if body_found is not None and body_found.is_active:
            place = Place(body_found.id, body_found.name)
    if place is None or not may(actor, Action.CREATE_SITTING, place.target):
        return None
    return place


async def find_collective_place(session: AsyncSession, row_id: str) -> Place | None:
    """Return the place that an active collective body is."""
    row = await session.get(CollectiveBody, row_id)
    if row is None or not row.is_active:
        return None
    body = await session.get_one(Body, row.body_id)
    unit = await session.get(Unit, row.unit_id) if row.unit_id is not None else None
    return _collective_place(row, body.name, unit.name if unit is not None else "")


def place_value(body_id: str, unit_id: str | None, collective_body_id: str | None) -> str:
    """Return what a form sends for a place that is stored."""
    return Place(body_id, "", unit_id, "", collective_body_id).value


def _collective_place(row: CollectiveBody, body: str, unit: str) -> Place:
    kind = CollectiveKind(row.kind)
    return Place(row.body_id, body, row.unit_id, unit, row.id, row.name, kind)


_BODY_IDS = bindparam("body_ids", expanding=True, type_=Id)
_UNIT_IDS = bindparam("unit_ids", expanding=True, type_=Id)

_COLLECTIVE = (
    select(
        CollectiveBody.body_id, Body.name, CollectiveBody.unit_id, func.coalesce(Unit.name, ""),
        CollectiveBody.id, CollectiveBody.name, CollectiveBody.kind,
    )
    .join(Body, Body.id == CollectiveBody.body_id)
    .outerjoin(Unit, Unit.id == CollectiveBody.unit_id)
    .where(
        or_(CollectiveBody.body_id.in_(_BODY_IDS), CollectiveBody.unit_id.in_(_UNIT_IDS)),
        CollectiveBody.is_active,
        Unit.is_active.is_not(False),
    )
    .order_by(Body.name_key, CollectiveBody.name_key)
    .limit(MAX_OFFERED)
)  # fmt: skip
_BODIES = (
    select(Body.id, Body.name).where(Body.id.in_(_BODY_IDS), Body.is_active).order_by(Body.name_key)
)
_UNITS = (
    select(Unit.body_id, Body.name, Unit.id, Unit.name)
    .join(Body, Body.id == Unit.body_id)
    .where(or_(Unit.body_id.in_(_BODY_IDS), Unit.id.in_(_UNIT_IDS)), Unit.is_active)
    .order_by(Body.name_key, Unit.name_key)
    .limit(MAX_OFFERED)
)
