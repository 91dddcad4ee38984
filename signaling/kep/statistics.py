"""How much ΚΕΠ are booked and used (R66): numbers only, no citizen."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.kep.day_records import read_taken
from signaling.kep.plans import Plans
from signaling.kep.records import day_bounds
from signaling.kep.values import AppointmentState, Theme
from signaling.rendering import ATHENS
from signaling.storage.models import Appointment

AWAY = (AppointmentState.CANCELLED, AppointmentState.RESCHEDULED)
"""States that take nobody's time."""


@dataclass(frozen=True)
class DayUse:
    """One day of all ΚΕΠ."""

    day: date
    appointments: int
    taken_steps: int
    offered_steps: int

    @property
    def percent(self) -> int:
        """How much of the time offered is taken."""
        return round(100 * self.taken_steps / self.offered_steps) if self.offered_steps else 0


@dataclass(frozen=True)
class KepUse:
    """One ΚΕΠ over the days shown."""

    kep_id: str
    name: str
    appointments: int
    percent: int


@dataclass(frozen=True)
class Use:
    """What the overview shows."""

    days: Sequence[DayUse]
    keps: Sequence[KepUse]
    by_theme: Mapping[Theme, int]
    by_state: Mapping[AppointmentState, int]


async def read_use(session: AsyncSession, plans: Plans, first: date, count: int) -> Use:
    """Return the use of `count` days from `first` on."""
    last = first + timedelta(days=count - 1)
    begins, ends = day_bounds(first)[0], day_bounds(last)[1]
    rows = await session.execute(
        select(
            Appointment.starts_at, Appointment.kep_id, Appointment.theme, Appointment.state,
            func.count(),
        )
        .where(Appointment.starts_at >= begins, Appointment.starts_at < ends)
        .group_by(
            Appointment.starts_at, Appointment.kep_id, Appointment.theme, Appointment.state
        )
    )  # fmt: skip
    by_day: Counter[date] = Counter()
    by_kep: Counter[str] = Counter()
    by_theme: Counter[Theme] = Counter()
    by_state: Counter[AppointmentState] = Counter()
    for starts_at, kep_id, theme, state, number in rows:
        by_state[AppointmentState(state)] += number
        if state not in AWAY:
            by_day[starts_at.astimezone(ATHENS).date()] += number
            by_kep[kep_id] += number
            by_theme[Theme(theme)] += number
    taken = await read_taken(session, None, first, last)
    days = [first + timedelta(days=each) for each in range(count)]
    offered = {
        day: {kep.id: plans.on(kep, day).steps for kep in plans.keps.values()} for day in days
    }
    uses = [
        DayUse(day, by_day[day], _sum(taken.get(day.toordinal(), {}), offered[day]),
               sum(offered[day].values()))
        for day in days
    ]  # fmt: skip
    return Use(uses, _of_keps(plans, taken, offered, by_kep), by_theme, by_state)


def _of_keps(
    plans: Plans, taken: Mapping[int, Mapping[str, int]],
    offered: Mapping[date, Mapping[str, int]], appointments: Mapping[str, int],
) -> list[KepUse]:  # fmt: skip
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for day, steps in offered.items():
        for kep_id, count in steps.items():
            totals[kep_id][0] += min(count, taken.get(day.toordinal(), {}).get(kep_id, 0))
            totals[kep_id][1] += count
    return [
        KepUse(kep.id, kep.name, appointments.get(kep.id, 0),
               round(100 * totals[kep.id][0] / totals[kep.id][1]) if totals[kep.id][1] else 0)
        for kep in plans.keps.values()
    ]  # fmt: skip


def _sum(taken: Mapping[str, int], offered: Mapping[str, int]) -> int:
    """The gap after the last appointment of a day may lie behind its end: it is not counted."""
    return sum(min(count, offered.get(kep_id, 0)) for kep_id, count in taken.items())
