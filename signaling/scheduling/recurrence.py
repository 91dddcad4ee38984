"""A sitting that comes again: the days on which it does. Pure.

The time on the clock in Greece stays, whatever the clocks do in between.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from signaling.scheduling.wall_time import nearest_utc

MAX_OCCURRENCES = 52
DAYS_A_WEEK = 7


class Rhythm(StrEnum):
    """How often."""

    ONCE = "once"
    WEEKLY = "weekly"
    FORTNIGHTLY = "fortnightly"
    MONTHLY_BY_DATE = "monthly_by_date"
    """The 15th of each month; the 31st is the last day where there is none."""
    MONTHLY_BY_WEEKDAY = "monthly_by_weekday"
    """The second Tuesday of each month; the fifth is the last where there is none."""


@dataclass(frozen=True)
class Recurrence:
    """How often, and how many times in all."""

    rhythm: Rhythm = Rhythm.ONCE
    count: int = 1

    @property
    def times(self) -> int:
        """How many sittings there are."""
        return 1 if self.rhythm is Rhythm.ONCE else self.count


def list_days(first: date, recurrence: Recurrence) -> Sequence[date]:
    """Return the days, the first one first.

    Raises:
        OverflowError: the calendar ends.
    """
    return [_nth_day(first, recurrence.rhythm, index) for index in range(recurrence.times)]


def list_starts(first: date, clock: time, first_start: datetime, recurrence: Recurrence
                ) -> Sequence[datetime]:  # fmt: skip
    """Return the moments in UTC. `first_start` is what was chosen for the first day; on a later
    day an hour that does not exist is moved on, and of two the first is taken."""
    days = list_days(first, recurrence)
    return [first_start, *(nearest_utc(day, clock) for day in days[1:])]


def _nth_day(first: date, rhythm: Rhythm, index: int) -> date:
    match rhythm:
        case Rhythm.ONCE | Rhythm.WEEKLY:
            return first + timedelta(weeks=index)
        case Rhythm.FORTNIGHTLY:
            return first + timedelta(weeks=2 * index)
        case Rhythm.MONTHLY_BY_DATE:
            year, month = _month_after(first, index)
            return date(year, month, min(first.day, calendar.monthrange(year, month)[1]))
        case Rhythm.MONTHLY_BY_WEEKDAY:
            return _same_weekday(first, *_month_after(first, index))


def _same_weekday(first: date, year: int, month: int) -> date:
    weekday_of_first_day, length = calendar.monthrange(year, month)
    day = 1 + (first.weekday() - weekday_of_first_day) % DAYS_A_WEEK
    day += (first.day - 1) // DAYS_A_WEEK * DAYS_A_WEEK
    return date(year, month, day if day <= length else day - DAYS_A_WEEK)


def _month_after(first: date, months: int) -> tuple[int, int]:
    total = first.year * 12 + first.month - 1 + months
    return total // 12, total % 12 + 1
