"""When the employees of all ΚΕΠ can be met, kept in memory until an administrator changes it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.kep.availability import (
    Absence,
    Busy,
    Hours,
    KepPlan,
    Need,
    Shift,
    Window,
    longest_fit,
    need_of,
    windows_on,
)
from signaling.kep.config import KepConfig
from signaling.kep.values import Theme
from signaling.storage.models import (
    Kep,
    KepAbsence,
    KepEmployee,
    KepHours,
    KepPlanRevision,
    KepShift,
    KepSpecialDay,
    KepWorkstation,
    Municipality,
)

MAX_DAYS_REMEMBERED = 50_000
"""LIMIT: days of single ΚΕΠ whose windows are remembered; past it all are forgotten."""
MAX_OPEN_REMEMBERED = 2_000
"""LIMIT: of days and themes whose open ΚΕΠ are remembered, likewise."""


@dataclass(frozen=True)
class KepFacts:
    """What the rules know of one ΚΕΠ that takes appointments."""

    id: str
    name: str
    municipality_id: str
    serves_business: bool
    slot_minutes: int
    gap_minutes: int
    horizon_days: int
    plan: KepPlan


@dataclass(frozen=True)
class Wanted:
    """What somebody looks for."""

    theme: Theme
    municipality_id: str | None = None
    """Only a ΚΕΠ of this municipality. Theme 4 always has one (R71)."""
    kep_id: str | None = None


@dataclass(frozen=True)
class DayPlan:
    """Who can be met at one ΚΕΠ on one day."""

    windows: Sequence[Window]
    steps: int
    """Of all windows together."""
    room: int
    """Steps of the longest appointment while nothing is taken."""


class Room(NamedTuple):
    """What is left of a day at one ΚΕΠ."""

    steps: int
    """Of the longest appointment that fits."""
    gap: int
    """Steps that were reckoned with after it."""


@dataclass
class Plans:
    """All ΚΕΠ at one revision."""

    revision: int
    long_factor: float
    keps: Mapping[str, KepFacts]
    _days: dict[tuple[str, date], DayPlan] = field(default_factory=dict)
    _open: dict[tuple[date, Theme], Mapping[Need, frozenset[str]]] = field(default_factory=dict)

    def eligible(self, wanted: Wanted) -> list[KepFacts]:
        """Return the ΚΕΠ that may serve what is wanted."""
        if wanted.theme is Theme.MUNICIPAL and wanted.municipality_id is None:
            return []
        return [
            kep for kep in self.keps.values()
            if (wanted.kep_id is None or kep.id == wanted.kep_id)
            and (wanted.municipality_id is None or kep.municipality_id == wanted.municipality_id)
            and (wanted.theme is not Theme.BUSINESS or kep.serves_business)
        ]  # fmt: skip

    def need(self, kep: KepFacts, theme: Theme) -> Need:
        """Return how long an appointment is there (R70)."""
        factor = self.long_factor if theme is Theme.DISABILITY else 1.0
        return need_of(kep.slot_minutes, kep.gap_minutes, factor)

    def gap(self, kep: KepFacts) -> int:
        """Return the steps that are kept free after each appointment there."""
        return need_of(kep.slot_minutes, kep.gap_minutes).gap

    def on(self, kep: KepFacts, day: date) -> DayPlan:
        """Return who can be met on `day`."""
        found = self._days.get((kep.id, day))
        if found is None:
            if len(self._days) >= MAX_DAYS_REMEMBERED:
                self._days.clear()
            windows = windows_on(kep.plan, day)
            steps = sum(each.mask.bit_count() for each in windows)
            found = DayPlan(windows, steps, longest_fit(windows, {}, self.gap(kep)))
            self._days[kep.id, day] = found
        return found

    def open_on(self, day: date, theme: Theme) -> Mapping[Need, frozenset[str]]:
        """Return the ΚΕΠ that could give an appointment on `day` if nothing were taken, by what it
        takes there."""
        found = self._open.get((day, theme))
        if found is None:
            if len(self._open) >= MAX_OPEN_REMEMBERED:
                self._open.clear()
            ids: dict[Need, list[str]] = {}
            for kep in self.keps.values():
                need = self.need(kep, theme)
                if self.on(kep, day).room >= need.length:
                    ids.setdefault(need, []).append(kep.id)
            found = {need: frozenset(each) for need, each in ids.items()}
            self._open[day, theme] = found
        return found

    def room_left(self, kep_id: str, day: date, busy: Busy) -> Room | None:
        """Return what is left of a day; None: the ΚΕΠ takes no appointments."""
        kep = self.keps.get(kep_id)
        if kep is None:
            return None
        gap = self.gap(kep)
        return Room(longest_fit(self.on(kep, day).windows, busy, gap), gap)


class PlanStore:
    """Reads plans, and keeps them as long as they are good."""

    def __init__(self, config: KepConfig) -> None:
        self._config = config
        self._kept: Plans | None = None

    async def get(self, session: AsyncSession) -> Plans:
        """Return the plans as the session sees them."""
        revision = await session.scalar(_REVISION) or 0
        if self._kept is None or self._kept.revision != revision:
            self._kept = await load_plans(session, self._config, revision)
        return self._kept


_REVISION = select(KepPlanRevision.number)


async def hold_plans(session: AsyncSession) -> None:
    """Let nobody change the plans before the session's transaction ends."""
    await session.execute(_REVISION.with_for_update(read=True))


async def tell_changed(session: AsyncSession) -> None:
    """Let everybody read the plans again. To be called with every change to them.

    It comes last: two administrators wait here for each other."""
    await session.execute(update(KepPlanRevision).values(number=KepPlanRevision.number + 1))


async def load_plans(session: AsyncSession, config: KepConfig, revision: int) -> Plans:
    """Return what the tables say of ΚΕΠ, employees and workstations that are active."""
    hours = await _hours(session)
    closed, special = await _special_days(session)
    shifts, absences = await _shifts(session), await _absences(session)
    rows = await session.scalars(
        select(Kep)
        .join(Municipality, Municipality.id == Kep.municipality_id)
        .where(Kep.is_active, Municipality.is_active)
        .order_by(Kep.name_key)
    )
    keps = {
        row.id: KepFacts(
            row.id, row.name, row.municipality_id, row.serves_business,
            config.slot_minutes if row.slot_minutes is None else row.slot_minutes,
            config.gap_minutes if row.gap_minutes is None else row.gap_minutes,
            config.horizon_days if row.horizon_days is None else row.horizon_days,
            KepPlan(
                row.id, hours[row.id], closed | special[row.id], shifts[row.id], absences[row.id]
            ),
        )
        for row in rows
    }  # fmt: skip
    return Plans(revision, config.long_factor, keps)


async def _hours(session: AsyncSession) -> Mapping[str, dict[int, Hours]]:
    found: dict[str, dict[int, Hours]] = defaultdict(dict)
    for row in await session.scalars(select(KepHours)):
        found[row.kep_id][row.weekday] = (row.opens_min, row.closes_min)
    return found


async def _special_days(
    session: AsyncSession,
) -> tuple[dict[date, Hours | None], Mapping[str, dict[date, Hours | None]]]:
    """Return those of all ΚΕΠ, and those of each."""
    everywhere: dict[date, Hours | None] = {}
    own: dict[str, dict[date, Hours | None]] = defaultdict(dict)
    for row in await session.scalars(select(KepSpecialDay)):
        is_closed = row.opens_min is None or row.closes_min is None
        hours = None if is_closed else (row.opens_min or 0, row.closes_min or 0)
        (everywhere if row.kep_id is None else own[row.kep_id])[row.day] = hours
    return everywhere, own


async def _shifts(session: AsyncSession) -> Mapping[str, list[Shift]]:
    rows = await session.execute(
        select(KepShift, KepEmployee.kep_id)
        .join(KepEmployee, KepEmployee.id == KepShift.employee_id)
        .join(KepWorkstation, KepWorkstation.id == KepShift.workstation_id)
        .where(KepEmployee.is_active, KepWorkstation.is_active)
        .order_by(KepShift.starts_min, KepShift.id)
    )
    found: dict[str, list[Shift]] = defaultdict(list)
    for row, kep_id in rows:
        found[kep_id].append(
            Shift(
                row.employee_id, row.workstation_id, row.weekday, row.starts_min, row.ends_min,
                row.first_day, row.last_day,
            )
        )  # fmt: skip
    return found


async def _absences(session: AsyncSession) -> Mapping[str, list[Absence]]:
    rows = await session.execute(
        select(KepAbsence, KepEmployee.kep_id).join(
            KepEmployee, KepEmployee.id == KepAbsence.employee_id
        )
    )
    found: dict[str, list[Absence]] = defaultdict(list)
    for row, kep_id in rows:
        found[kep_id].append(Absence(row.employee_id, row.first_day, row.last_day))
    return found
