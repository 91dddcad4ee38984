"""Records of what is taken: steps, which no two appointments can share, and the day they sum up to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    String,
    bindparam,
    case,
    delete,
    func,
    insert,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.kep.availability import Busy
from signaling.kep.day_steps import bits, day_of, midnight_step, step_of
from signaling.kep.plans import Plans
from signaling.storage.models import Appointment, AppointmentStep, KepDay, KepPlanRevision
from signaling.storage.models.base import Id

_MASKS = msgspec.json.Decoder(dict[str, str])


class DayRoom(NamedTuple):
    """What is left on one day at several ΚΕΠ."""

    touched: int
    """ΚΕΠ at which something is, or was, taken."""
    known: int
    """Of those, whose room is known."""
    room: int
    """Steps of the longest appointment that fits at one of these."""


async def read_taken(
    session: AsyncSession, kep_ids: Collection[str] | None, first: date, last: date
) -> Mapping[int, Mapping[str, int]]:
    """Return how many steps are taken, by ordinal of the day and ΚΕΠ; None: of all ΚΕΠ."""
    query = select(KepDay.day, KepDay.kep_id, KepDay.taken).where(
        KepDay.day.between(first.toordinal(), last.toordinal())
    )
    if kep_ids is not None:
        query = query.where(KepDay.kep_id.in_(kep_ids))
    found: dict[int, dict[str, int]] = {}
    for day, kep_id, taken in await session.execute(query):
        found.setdefault(day, {})[kep_id] = taken
    return found


async def read_busy(
    session: AsyncSession, day: date, kep_ids: Collection[str] | None
) -> Mapping[str, str]:
    """Return what is taken on one day, by ΚΕΠ, for `decode_busy`; None: of all."""
    query = _BUSY if kep_ids is None else _BUSY.where(KepDay.kep_id.in_(kep_ids))
    rows = await session.execute(query, {"day": day.toordinal()})
    return {kep_id: busy for kep_id, busy in rows}


async def read_rooms(
    session: AsyncSession, kep_ids: Collection[str], first: date, last: date, gap: int
) -> Mapping[int, DayRoom]:
    """Return what is left at some ΚΕΠ, by ordinal of the day; of a day that is not there nothing is
    taken."""
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    ids = sorted(kep_ids)
    rows = await session.execute(
        _ROOMS_POSTGRESQL if is_postgresql else _ROOMS_SQLITE,
        {
            "kep_ids": ids if is_postgresql else msgspec.json.encode(ids).decode(), "gap": gap,
            "first": first.toordinal(), "last": last.toordinal(),
        },
    )  # fmt: skip
    return {day: DayRoom(*room) for day, *room in rows}


async def lock_day(
    session: AsyncSession, kep_id: str, day: date, *, skip_locked: bool = False,
    is_new: bool = False,
) -> Busy | None:  # fmt: skip
    """Return what is taken there now; until the transaction ends nobody else changes it.

    `is_new`: there was nothing a moment ago. None: somebody else holds it (with `skip_locked` only).
    """
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    row = {"day": day.toordinal(), "kep_id": kep_id, "taken": 0, "busy": "{}"}
    query = _LOCKED_UNLESS_HELD if skip_locked else _LOCKED
    text = None if is_new else await session.scalar(query, row)
    if text is None:
        # Not there yet, or held: a second one who inserts waits for the first.
        if not is_new and skip_locked and await session.scalar(_is_there(kep_id, day)) is not None:
            return None
        added = dialect.insert(KepDay).values(row).on_conflict_do_nothing()
        added_now = await session.scalar(added.returning(KepDay.day))
        text = "{}" if added_now is not None else await session.scalar(query, row)
    return decode_busy(text) if text is not None else None


async def take(
    session: AsyncSession, appointment: Appointment, length_and_gap: int, busy: Busy, plans: Plans
) -> None:
    """Take the appointment's time, from its start on. `busy` is the day, which must be locked.

    Raises:
        IntegrityError: a step is taken already; the caller's savepoint undoes the others.
    """
    first = step_of(appointment.starts_at)
    steps = range(first, first + length_and_gap)
    await session.execute(
        insert(AppointmentStep),
        [
            {
                "employee_id": appointment.employee_id,
                "workstation_id": appointment.workstation_id,
                "step": step,
                "appointment_id": appointment.id,
            }
            for step in steps
        ],
    )
    await _change_day(session, appointment, steps, busy, plans=plans, is_taken=True)


async def free(session: AsyncSession, appointment: Appointment, plans: Plans) -> None:
    """Give the appointment's time back: it can be booked again with the end of the transaction."""
    day = day_of(step_of(appointment.starts_at))
    busy = await lock_day(session, appointment.kep_id, day)
    assert busy is not None, "invariant: a lock that waits is got"
    of_appointment = AppointmentStep.appointment_id == appointment.id
    steps = sorted(await session.scalars(select(AppointmentStep.step).where(of_appointment)))
    if steps:
        await session.execute(delete(AppointmentStep).where(of_appointment))
        await _change_day(session, appointment, steps, busy, plans=plans, is_taken=False)


async def recount(session: AsyncSession, plans: Plans, kep_id: str, today: date) -> None:
    """Count again what is taken of the time that a ΚΕΠ now offers: a search relies on it.

    To be called when its hours or shifts have changed: appointments may lie outside them now.
    """
    kep = plans.keps.get(kep_id)
    if kep is None:
        return
    rows = await session.execute(
        select(KepDay.day, KepDay.busy)
        .where(KepDay.kep_id == kep_id, KepDay.day >= today.toordinal())
        .with_for_update()
    )
    for ordinal, text in rows.all():
        busy, windows = decode_busy(text), plans.on(kep, date.fromordinal(ordinal)).windows
        taken = sum((busy.get(each.employee_id, 0) & each.mask).bit_count() for each in windows)
        room = plans.room_left(kep_id, date.fromordinal(ordinal), busy)
        await session.execute(
            update(KepDay)
            .where(KepDay.day == ordinal, KepDay.kep_id == kep_id)
            .values(taken=taken, room=room and room.steps, gap=room and room.gap)
        )


async def _change_day(
    session: AsyncSession, appointment: Appointment, steps: Sequence[int], busy: Busy, *,
    plans: Plans, is_taken: bool,
) -> None:  # fmt: skip
    day, masks = day_of(steps[0]), dict(busy)
    change = bits(steps[0] - midnight_step(day), len(steps))
    for key in (appointment.employee_id, appointment.workstation_id):
        mask = masks.get(key, 0)
        masks[key] = mask | change if is_taken else mask & ~change
    room = plans.room_left(appointment.kep_id, day, masks)
    await session.execute(
        _CHANGED,
        {
            "of_day": day.toordinal(), "of_kep": appointment.kep_id, "masks": encode_busy(masks),
            "change": len(steps) if is_taken else -len(steps), "revision": plans.revision,
            "left": room and room.steps, "after": room and room.gap,
        },
    )  # fmt: skip


def encode_busy(masks: Busy) -> str:
    """Return masks as they are stored."""
    return msgspec.json.encode({key: f"{mask:x}" for key, mask in masks.items() if mask}).decode()


def decode_busy(text: str) -> Busy:
    """Return masks as they are reckoned with."""
    return {key: int(mask, 16) for key, mask in _MASKS.decode(text).items()}


def _is_there(kep_id: str, day: date) -> Select[int]:
    return select(KepDay.day).where(KepDay.day == day.toordinal(), KepDay.kep_id == kep_id)


_BUSY = select(KepDay.kep_id, KepDay.busy).where(KepDay.day == bindparam("day"))
_DAY = select(KepDay.busy).where(
    KepDay.day == bindparam("day"), KepDay.kep_id == bindparam("kep_id")
)
_LOCKED, _LOCKED_UNLESS_HELD = _DAY.with_for_update(), _DAY.with_for_update(skip_locked=True)


_CHANGED = (
    update(KepDay)
    .where(KepDay.day == bindparam("of_day"), KepDay.kep_id == bindparam("of_kep"))
    .values(
        busy=bindparam("masks"), taken=KepDay.taken + bindparam("change"), gap=bindparam("after"),
        # Who changes the plan meanwhile reckons the days that are there, unless we hold this one.
        room=case(
            (select(KepPlanRevision.number).scalar_subquery() == bindparam("revision"),
             bindparam("left", type_=Integer))
        ),
    )
    .execution_options(synchronize_session=False)
)  # fmt: skip


def _rooms(is_wanted: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    room = case((KepDay.gap == bindparam("gap"), KepDay.room))
    return (
        select(KepDay.day, func.count(), func.count(room), func.coalesce(func.max(room), 0))
        .where(KepDay.day.between(bindparam("first"), bindparam("last")), is_wanted)
        .group_by(KepDay.day)
    )


# One parameter for all ids: a list of parameters would be another statement for each length.
_IDS = bindparam("kep_ids", type_=postgresql.ARRAY(Id))
# IS TRUE: else it would be a join, and of which kind would hang on statistics that a day outdates.
_ROOMS_POSTGRESQL = _rooms(KepDay.kep_id.in_(select(func.unnest(_IDS))).is_(true()))
_ROOMS_SQLITE = _rooms(
    KepDay.kep_id.in_(
        select(func.json_each(bindparam("kep_ids", type_=String)).table_valued("value").c.value)
    )
)
