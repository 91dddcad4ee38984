"""Reckons what is left of days of which that is not known: after an upgrade, with another gap, after a
booking that met a change of the plan."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import and_, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.kep.day_records import decode_busy
from signaling.kep.plans import Plans, PlanStore, hold_plans
from signaling.storage.database import Database
from signaling.storage.models import KepDay

RECKONED_AT_ONCE = 200
"""Days whose room is reckoned in one transaction."""

_Place = tuple[int, str]
"""Ordinal of a day, and ΚΕΠ: days are gone through in this order."""


async def reckon_rooms(database: Database, store: PlanStore, today: date) -> int:
    """Reckon the room of days from `today` on, and return of how many.

    Each day is come to once, even if it is forgotten again meanwhile: the next call finds it.

    Raises:
        StorageUnavailable: the rest is not reckoned.
    """
    count, after = 0, (today.toordinal(), "")
    while True:
        async with database.write() as session:
            await hold_plans(session)
            reckoned = await _reckon_some(session, await store.get(session), after)
        count += len(reckoned)
        if len(reckoned) < RECKONED_AT_ONCE:
            return count
        after = reckoned[-1]


async def _reckon_some(session: AsyncSession, plans: Plans, after: _Place) -> Sequence[_Place]:
    """Reckon the next days behind `after`, up to `RECKONED_AT_ONCE`, and return them in order."""
    ids: dict[int, list[str]] = {}
    for kep in plans.keps.values():
        ids.setdefault(plans.gap(kep), []).append(kep.id)
    if not ids:
        return []
    found = await session.execute(
        select(KepDay.day, KepDay.kep_id, KepDay.busy)
        .where(
            tuple_(KepDay.day, KepDay.kep_id) > after,
            or_(*(
                and_(KepDay.kep_id.in_(each), or_(KepDay.room.is_(None), KepDay.gap != gap))
                for gap, each in ids.items()
            )),
        )
        .order_by(KepDay.day, KepDay.kep_id)
        .limit(RECKONED_AT_ONCE)
        .with_for_update(skip_locked=True)
    )  # fmt: skip
    rows = found.all()
    if rows:
        await session.execute(
            update(KepDay), [_reckoned(plans, ordinal, *row) for ordinal, *row in rows]
        )
    return [(ordinal, kep_id) for ordinal, kep_id, _ in rows]


def _reckoned(plans: Plans, ordinal: int, kep_id: str, busy: str) -> dict[str, object]:
    room = plans.room_left(kep_id, date.fromordinal(ordinal), decode_busy(busy))
    assert room is not None, "invariant: of the plans"
    return {"day": ordinal, "kep_id": kep_id, "room": room.steps, "gap": room.gap}
