"""Records of sittings: made, changed, cancelled, extended, ended, with the capacity they reserve.

Whatever happens to a sitting happens in one transaction: the row, its reservation, its trail, and
what observers (invitations) add. Locks are taken in one order: the sitting, its collective body,
the quarters; so nobody waits in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from sqlalchemy import bindparam, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.rights import Target
from signaling.audit.trail import SYSTEM_ACTOR, AuditAction, AuditEntry, AuditTrail
from signaling.scheduling.agenda import AgendaRow, add_agenda, save_agenda
from signaling.scheduling.capacity import Capacity, CapacityFull, Reservation
from signaling.scheduling.collective_bodies import count_members
from signaling.scheduling.places import KIND_OF_SITTING, Place
from signaling.scheduling.quarters import QUARTER, span_of
from signaling.scheduling.sitting_form import (
    DEFAULT_PARTICIPANTS,
    MAX_LENGTH_MIN,
    SittingPlan,
)
from signaling.scheduling.values import SittingKind, SittingMode, SittingState
from signaling.scheduling.windows import GRACE, SittingTimes, room_window
from signaling.storage.models import CollectiveBody, Sitting, new_id
from signaling.storage.models.base import is_id

MORE_THAN_MEMBERS = 5
"""Services, guests and coordinators beside the members, when no number is given."""
REHEARSAL_LENGTH = timedelta(minutes=30)
REHEARSAL_PARTICIPANTS = 10
EXTENSIONS_MIN = (15, 30, 60)
MAX_LENGTH = timedelta(minutes=MAX_LENGTH_MIN)
LONGEST = MAX_LENGTH + timedelta(hours=8)
"""With all its extensions: how far back a sitting may have begun that is still on."""


class SittingChange(StrEnum):
    """What happened to a sitting."""

    CREATED = "created"
    CHANGED = "changed"
    CANCELLED = "cancelled"
    EXTENDED = "extended"
    AGENDA = "agenda"
    ENDED = "ended"


class SittingObserver(Protocol):
    """Somebody who must know, in the same transaction: who sends invitations, for instance."""

    async def sitting_changed(
        self, session: AsyncSession, sitting: Sitting, change: SittingChange
    ) -> None:
        """Add what belongs to the change. What is raised undoes it."""


@dataclass(frozen=True)
class OtherSitting:
    """What stands in the way."""

    id: str
    title: str
    starts_at: datetime
    ends_at: datetime


class Overlap(Exception):
    """The same collective body sits at that time."""

    def __init__(self, other: OtherSitting, starts_at: datetime) -> None:
        super().__init__("sitting_overlap")
        self.other = other
        self.starts_at = starts_at
        """Of the one that does not fit."""


class NoRoomThen(Exception):
    """The node's capacity is reserved at that time."""

    def __init__(self, starts_at: datetime, next_start: datetime | None) -> None:
        super().__init__("capacity_full")
        self.starts_at = starts_at
        self.next_start = next_start
        """When it would fit; None: not within 90 days."""


class NotNow(Exception):
    """It is cancelled, ended or over. The text is a code."""


class SentTwice(Exception):
    """The same form came before; `sitting_id` is what it made."""

    def __init__(self, sitting_id: str) -> None:
        super().__init__(sitting_id)
        self.sitting_id = sitting_id


@dataclass(frozen=True)
class Origin:
    """Who makes a sitting, and with which form."""

    person_id: str
    request_key: str | None
    """Hash of what the form carries: sent twice, it makes one sitting."""
    now: datetime


@dataclass(frozen=True)
class Sittings:
    """Changes sittings, in the caller's transaction."""

    capacity: Capacity
    trail: AuditTrail
    observers: list[SittingObserver] = field(default_factory=list)

    async def create(
        self, session: AsyncSession, place: Place, plan: SittingPlan, origin: Origin
    ) -> Sequence[Sitting]:
        """Make the sittings of a plan: all of them or none.

        Raises:
            SentTwice, Overlap, NoRoomThen: see above; roll the transaction back.
        """
        await _refuse_twice(session, origin)
        await _lock_collective_body(session, place.collective_body_id)
        sittings = await self._make(session, place, plan, origin)
        try:
            async with session.begin_nested():
                session.add_all(sittings)
        except IntegrityError:
            await _refuse_twice(session, origin)
            raise
        for sitting in sittings:
            await _refuse_overlap(session, sitting)
            add_agenda(session, sitting.id, plan.agenda)
        await self._reserve(session, sittings)
        for sitting in sittings:
            await self._tell(session, sitting, SittingChange.CREATED, origin.now, origin.person_id)
        return sittings

    async def rehearse(self, session: AsyncSession, place: Place, title: str, origin: Origin
                       ) -> Sitting:  # fmt: skip
        """Make a short, small room that is open at once (R35).

        Raises:
            SentTwice, NoRoomThen: see above.
        """
        plan = SittingPlan(
            title=title, kind=SittingKind.REHEARSAL, mode=SittingMode.REMOTE,
            starts=(origin.now.replace(second=0, microsecond=0),), length=REHEARSAL_LENGTH,
            participants=REHEARSAL_PARTICIPANTS, open_before_min=0, is_closed=False,
            admits_guests=False,
        )  # fmt: skip
        return (await self.create(session, place, plan, origin))[0]

    async def change(
        self, session: AsyncSession, sitting: Sitting, place: Place, plan: SittingPlan,
        origin: Origin,
    ) -> None:  # fmt: skip
        """Give a sitting other fields. Its agenda is changed elsewhere.

        Raises:
            NotNow, Overlap, NoRoomThen: see above.
        """
        _check_changeable(sitting, origin.now)
        await _lock_collective_body(session, place.collective_body_id)
        for name, value in (await _fields_of(session, place, plan)).items():
            setattr(sitting, name, value)
        sitting.starts_at = plan.starts[0]
        sitting.ends_at = plan.starts[0] + plan.length
        if not session.is_modified(sitting):
            return  # sent as it was: nobody needs a mail
        sitting.calendar_sequence += 1
        if sitting.ends_at <= origin.now:
            raise NotNow("sitting_over")
        await session.flush()
        await _refuse_overlap(session, sitting)
        await self._reserve(session, [sitting])
        await self._tell(session, sitting, SittingChange.CHANGED, origin.now, origin.person_id)

    async def cancel(
        self, session: AsyncSession, sittings: Iterable[Sitting], reason: str, origin: Origin
    ) -> None:
        """Call sittings off. What they reserved is free at once.

        Raises:
            NotNow: one is cancelled, ended or over.
        """
        for sitting in sittings:
            _check_changeable(sitting, origin.now)
            sitting.state, sitting.cancel_reason = SittingState.CANCELLED, reason
            sitting.calendar_sequence += 1
            await session.flush()
            await self.capacity.release(session, [sitting.id])
            await self._tell(
                session, sitting, SittingChange.CANCELLED, origin.now, origin.person_id
            )

    async def extend(
        self, session: AsyncSession, sitting: Sitting, minutes: int, origin: Origin
    ) -> None:
        """Move the planned end on.

        Raises:
            NotNow, Overlap, NoRoomThen: see above.
        """
        _check_changeable(sitting, origin.now)
        await _lock_collective_body(session, sitting.collective_body_id)
        sitting.ends_at += timedelta(minutes=minutes)
        if sitting.ends_at - sitting.starts_at > LONGEST:
            raise NotNow("sitting_too_long")
        sitting.calendar_sequence += 1
        await session.flush()
        await _refuse_overlap(session, sitting)
        await self._reserve(session, [sitting])
        await self._tell(session, sitting, SittingChange.EXTENDED, origin.now, origin.person_id)

    async def change_agenda(
        self, session: AsyncSession, sitting: Sitting, rows: Sequence[AgendaRow], origin: Origin
    ) -> None:
        """Give a sitting another agenda.

        Raises:
            NotNow: it is cancelled, ended or over.
        """
        _check_changeable(sitting, origin.now)
        if not await save_agenda(session, sitting.id, rows):
            return
        # The row itself changes too: another editor who has seen the old agenda is refused.
        sitting.calendar_sequence += 1
        await session.flush()
        await self._tell(session, sitting, SittingChange.AGENDA, origin.now, origin.person_id)

    async def end(self, session: AsyncSession, sitting: Sitting, origin: Origin) -> None:
        """Close a sitting that has begun. What is left of its reservation is free at once.

        Raises:
            NotNow: it has not begun, or is over.
        """
        _check_changeable(sitting, origin.now)
        if room_window(times_of(sitting))[0] > origin.now:
            raise NotNow("sitting_not_begun")
        sitting.state = SittingState.ENDED
        sitting.ends_at = max(sitting.starts_at, min(sitting.ends_at, origin.now))
        await session.flush()
        await self.capacity.release(session, [sitting.id])
        await self._tell(session, sitting, SittingChange.ENDED, origin.now, origin.person_id)

    async def end_overdue(self, session: AsyncSession, now: datetime, limit: int) -> int:
        """End up to `limit` sittings whose time has run out, nobody having ended them; return how
        many they were."""
        overdue = await session.scalars(
            select(Sitting)
            .where(
                Sitting.state == SittingState.PLANNED,
                Sitting.starts_at <= now - GRACE,  # of the index: what is still to come is not read
                Sitting.ends_at <= now - GRACE,
            )
            .order_by(Sitting.starts_at, Sitting.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        ended = list(overdue)
        for sitting in ended:
            sitting.state = SittingState.ENDED
            await session.flush()
            await self._tell(session, sitting, SittingChange.ENDED, now, SYSTEM_ACTOR)
        return len(ended)

    async def _make(
        self, session: AsyncSession, place: Place, plan: SittingPlan, origin: Origin
    ) -> Sequence[Sitting]:
        fields = await _fields_of(session, place, plan)
        series_id = new_id() if len(plan.starts) > 1 else None
        return [
            Sitting(
                id=new_id(), room=new_id(), organiser_id=origin.person_id, starts_at=start,
                ends_at=start + plan.length, state=SittingState.PLANNED, series_id=series_id,
                request_key=origin.request_key if index == 0 else None, created_at=origin.now,
                calendar_sequence=0, cancel_reason="", **fields,
            )
            for index, start in enumerate(plan.starts)
        ]  # fmt: skip

    async def _reserve(self, session: AsyncSession, sittings: Sequence[Sitting]) -> None:
        by_id = {each.id: each for each in sittings}
        wanted = [
            Reservation(
                each.id,
                span_of(*room_window(times_of(each))),
                self.capacity.need(each.expected_participants),
            )
            for each in sittings
        ]
        try:
            await self.capacity.reserve(session, wanted)
        except CapacityFull as full:
            start = by_id[full.owner_id].starts_at
            shift = full.next_shift
            raise NoRoomThen(start, None if shift is None else start + shift * QUARTER) from None

    async def _tell(
        self, session: AsyncSession, sitting: Sitting, change: SittingChange, now: datetime,
        person_id: str,
    ) -> None:  # fmt: skip
        await self.trail.record(
            session, AuditEntry(now, person_id, AUDIT_ACTIONS[change], "sitting", sitting.id)
        )
        for observer in self.observers:
            await observer.sitting_changed(session, sitting, change)


AUDIT_ACTIONS = {
    SittingChange.CREATED: AuditAction.CREATE_SITTING,
    SittingChange.CHANGED: AuditAction.CHANGE_SITTING,
    SittingChange.CANCELLED: AuditAction.CANCEL_SITTING,
    SittingChange.EXTENDED: AuditAction.EXTEND_SITTING,
    SittingChange.AGENDA: AuditAction.CHANGE_AGENDA,
    SittingChange.ENDED: AuditAction.END_SITTING,
}


async def get_sitting(session: AsyncSession, sitting_id: str) -> Sitting | None:
    """Return a sitting by what was typed as its id."""
    if not is_id(sitting_id):
        return None
    found: Sitting | None = await session.scalar(_ONE, {"sitting_id": sitting_id})
    return found


def times_of(sitting: Sitting) -> SittingTimes:
    """Return a sitting as the clock sees it."""
    return SittingTimes(
        sitting.starts_at, sitting.ends_at, sitting.open_before_min, SittingState(sitting.state)
    )


def target_of(sitting: Sitting, invited: Iterable[str] = ()) -> Target:
    """Return a sitting as the table of rights sees it."""
    return Target(sitting.body_id, sitting.unit_id, sitting.organiser_id, frozenset(invited))


async def lock_sitting(session: AsyncSession, sitting_id: str) -> Sitting | None:
    """Return a sitting to change; of two at once the second waits, then sees the change."""
    if not is_id(sitting_id):
        return None
    found: Sitting | None = await session.scalar(
        select(Sitting).where(Sitting.id == sitting_id).with_for_update()
    )
    return found


async def rest_of_series(session: AsyncSession, sitting: Sitting) -> Sequence[Sitting]:
    """Return this and the later planned sittings of its series, to change."""
    if sitting.series_id is None:
        return [sitting]
    rows = await session.scalars(
        select(Sitting)
        .where(
            Sitting.series_id == sitting.series_id,
            Sitting.starts_at >= sitting.starts_at,
            Sitting.state == SittingState.PLANNED,
        )
        .order_by(Sitting.starts_at, Sitting.id)
        .with_for_update()
    )
    return list(rows)


async def count_rest_of_series(session: AsyncSession, sitting: Sitting) -> int:
    """Return how many planned sittings of its series come after this one."""
    if sitting.series_id is None:
        return 0
    found = await session.scalar(
        select(func.count()).where(
            Sitting.series_id == sitting.series_id,
            Sitting.starts_at > sitting.starts_at,
            Sitting.state == SittingState.PLANNED,
        )
    )
    return found or 0


async def _fields_of(
    session: AsyncSession, place: Place, plan: SittingPlan
) -> dict[str, str | int | bool | None]:
    participants = plan.participants
    if participants is None:
        participants = DEFAULT_PARTICIPANTS
        if place.collective_body_id is not None:
            members = await count_members(session, place.collective_body_id)
            participants = max(DEFAULT_PARTICIPANTS, members + MORE_THAN_MEMBERS)
    kind = plan.kind
    if kind is None:
        kind = KIND_OF_SITTING[place.kind] if place.kind else SittingKind.COMMITTEE
    return {
        "body_id": place.body_id,
        "unit_id": place.unit_id,
        "collective_body_id": place.collective_body_id,
        "title": plan.title or place.label,
        "kind": kind.value,
        "mode": plan.mode.value,
        "open_before_min": plan.open_before_min,
        "expected_participants": participants,
        "is_closed": plan.is_closed,
        "admits_guests": plan.admits_guests,
    }


def obstacle_to_change(sitting: Sitting, now: datetime) -> str:
    """Return the code of why a sitting cannot be changed any more; empty: it can."""
    if sitting.state != SittingState.PLANNED:
        return f"sitting_{sitting.state}"
    return "sitting_over" if sitting.ends_at + GRACE <= now else ""


def _check_changeable(sitting: Sitting, now: datetime) -> None:
    obstacle = obstacle_to_change(sitting, now)
    if obstacle:
        raise NotNow(obstacle)


async def _refuse_twice(session: AsyncSession, origin: Origin) -> None:
    if origin.request_key is None:
        return
    made = await session.scalar(
        select(Sitting.id).where(
            Sitting.organiser_id == origin.person_id, Sitting.request_key == origin.request_key
        )
    )
    if made is not None:
        raise SentTwice(made)


async def _lock_collective_body(session: AsyncSession, collective_body_id: str | None) -> None:
    """Let one writer at a time look for overlaps of a collective body."""
    if collective_body_id is not None:
        await session.execute(
            select(CollectiveBody.id)
            .where(CollectiveBody.id == collective_body_id)
            .with_for_update()
        )


async def _refuse_overlap(session: AsyncSession, sitting: Sitting) -> None:
    if sitting.collective_body_id is None or sitting.kind == SittingKind.REHEARSAL:
        return
    found = await session.execute(
        select(Sitting.id, Sitting.title, Sitting.starts_at, Sitting.ends_at)
        .where(
            Sitting.collective_body_id == sitting.collective_body_id,
            Sitting.starts_at > sitting.starts_at - LONGEST,
            Sitting.starts_at < sitting.ends_at,
            Sitting.ends_at > sitting.starts_at,
            Sitting.state == SittingState.PLANNED,
            Sitting.kind != SittingKind.REHEARSAL,
            Sitting.id != sitting.id,
        )
        .order_by(Sitting.starts_at)
        .limit(1)
    )
    other = found.first()
    if other is not None:
        raise Overlap(OtherSitting(*other), sitting.starts_at)


_ONE = select(Sitting).where(Sitting.id == bindparam("sitting_id"))
