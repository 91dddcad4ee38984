"""When appointments can begin, and who gets them (R42, R62–R65). Pure.

Times of one day are bit masks (`day_steps`). An appointment takes its length and the gap after it,
of its employee and of the workstation; the length itself must lie in a shift and in the opening
hours, the gap need not.
"""

from __future__ import annotations

import functools
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from signaling.kep.config import STEP_MIN
from signaling.kep.day_steps import bits, midnight_step, span_mask
from signaling.kep.holidays import holidays_of

Hours = tuple[int, int]
"""From, to: minutes after midnight."""
Busy = Mapping[str, int]
"""Employee or workstation → bits taken on a day."""


@dataclass(frozen=True)
class Need:
    """How much of an employee's time an appointment takes, in steps."""

    length: int
    gap: int


@dataclass(frozen=True)
class Shift:
    """When an employee takes appointments, and where."""

    employee_id: str
    workstation_id: str
    weekday: int
    starts_min: int
    ends_min: int
    first_day: date
    last_day: date | None = None

    def holds_on(self, day: date) -> bool:
        """Return whether `day` is one of its days."""
        return (
            day.weekday() == self.weekday
            and self.first_day <= day
            and (self.last_day is None or day <= self.last_day)
        )


@dataclass(frozen=True)
class Absence:
    """Days on which an employee is away."""

    employee_id: str
    first_day: date
    last_day: date


@dataclass(frozen=True)
class KepPlan:
    """When the employees of one ΚΕΠ can be met."""

    kep_id: str
    hours: Mapping[int, Hours]
    """By weekday, Monday 0."""
    special: Mapping[date, Hours | None]
    """Dates with hours of their own; None: closed. They go before weekdays and holidays."""
    shifts: Sequence[Shift]
    absences: Sequence[Absence]

    def hours_on(self, day: date) -> Hours | None:
        """Return the opening hours of a date; None: closed."""
        if day in self.special:
            return self.special[day]
        if day in holidays_of(day.year):
            return None
        return self.hours.get(day.weekday())


@dataclass(frozen=True)
class Window:
    """When on one day an employee can be in a call, at one workstation."""

    employee_id: str
    workstation_id: str
    mask: int


@dataclass(frozen=True)
class Candidate:
    """An employee who could take an appointment."""

    kep_id: str
    employee_id: str
    workstation_id: str
    minutes_that_day: int
    """Taken already, gaps included."""
    assigned_at: datetime | None
    """When they were last given one."""


def need_of(slot_minutes: int, gap_minutes: int, factor: float = 1.0) -> Need:
    """Return what an appointment takes; a longer one is rounded up to whole steps."""
    length = -(-round(slot_minutes * factor * 1000) // (STEP_MIN * 1000))
    return Need(length, gap_minutes // STEP_MIN)


def windows_on(plan: KepPlan, day: date) -> list[Window]:
    """Return when the employees of a ΚΕΠ can be in calls on `day`."""
    hours = plan.hours_on(day)
    if hours is None:
        return []
    open_mask = span_mask(day, *hours)
    away = {each.employee_id for each in plan.absences if each.first_day <= day <= each.last_day}
    found = []
    for shift in plan.shifts:
        if shift.employee_id not in away and shift.holds_on(day):
            mask = span_mask(day, shift.starts_min, shift.ends_min) & open_mask
            if mask:
                found.append(Window(shift.employee_id, shift.workstation_id, mask))
    return found


@functools.lru_cache(maxsize=65536)
def possible_starts(window: int, busy: int, need: Need) -> int:
    """Return the bits at which an appointment can begin: all of its length in `window`, nothing of
    length and gap in `busy`."""
    beyond = window.bit_length() + need.length + need.gap
    free = bits(0, beyond) & ~busy
    return _runs(window & free, need.length) & _runs(free, need.length + need.gap)


@functools.lru_cache(maxsize=65536)
def offered_starts(window: int, busy: int, need: Need) -> int:
    """Return those of the possible starts that are offered: packed from the front of each free
    stretch, so that no time between two appointments is lost."""
    left, offered = possible_starts(window, busy, need), 0
    while left:
        first = (left & -left).bit_length() - 1
        offered |= 1 << first
        left &= ~bits(0, first + need.length + need.gap)
    return offered


def longest_fit(windows: Iterable[Window], busy: Busy, gap: int) -> int:
    """Return the steps of the longest appointment that fits somewhere; 0: none does."""
    return max((_longest_in(each.mask, _busy_of(each, busy), gap) for each in windows), default=0)


@functools.lru_cache(maxsize=65536)
def _longest_in(window: int, busy: int, gap: int) -> int:
    # What is shorter fits wherever something longer does.
    lengths = range(1, window.bit_count() + 1)
    return bisect_left(
        lengths, True, key=lambda length: not possible_starts(window, busy, Need(length, gap))
    )


def offered_on(windows: Iterable[Window], busy: Busy, need: Need) -> int:
    """Return the bits at which at least one of the employees can be met."""
    offered = 0
    for window in windows:
        offered |= offered_starts(window.mask, _busy_of(window, busy), need)
    return offered


def fitting_windows(windows: Iterable[Window], busy: Busy, need: Need, bit: int) -> list[Window]:
    """Return who could take an appointment that begins at `bit`."""
    return [
        window
        for window in windows
        if possible_starts(window.mask, _busy_of(window, busy), need) >> bit & 1
    ]


def choose_order(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return whom to give an appointment, first choice first: who has fewest minutes that day,
    then who was given one longest ago."""
    return sorted(candidates, key=lambda each: (
        each.minutes_that_day, each.assigned_at or _NEVER, each.employee_id,
    ))  # fmt: skip


def minutes_of(mask: int) -> int:
    """Return the time that bits stand for."""
    return mask.bit_count() * STEP_MIN


def starts_of(day: date, offered: int, from_step: int) -> list[int]:
    """Return offered bits of `day` as steps since 1970, those before `from_step` left out."""
    midnight, found = midnight_step(day), []
    while offered:
        lowest = offered & -offered
        step = midnight + lowest.bit_length() - 1
        if step >= from_step:
            found.append(step)
        offered ^= lowest
    return found


def _busy_of(window: Window, busy: Busy) -> int:
    return busy.get(window.employee_id, 0) | busy.get(window.workstation_id, 0)


def _runs(mask: int, length: int) -> int:
    """Return the bits with which `length` set bits in a row begin. O(log length)."""
    have = 1
    while have < length:
        shift = min(have, length - have)
        mask &= mask >> shift
        have += shift
    return mask


_NEVER = datetime.min.replace(tzinfo=UTC)
