"""The calendar of the desk: which days a month or a week shows, and what is on each. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from signaling.scheduling.sitting_lists import SittingRow
from signaling.scheduling.wall_time import to_wall

SHOWN_A_DAY = 3
"""Sittings of one day of a month; the others are behind a link to the week."""
DAYS_A_WEEK = 7
FIRST_YEAR, LAST_YEAR = 2000, 2200

_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_WEEK = re.compile(r"(\d{4})-W(\d{2})", re.ASCII)


@dataclass(frozen=True)
class Day:
    """One cell."""

    date: date
    is_inside: bool
    """Of the month shown, not of the one before or after."""
    is_today: bool
    sittings: Sequence[SittingRow]

    @property
    def week(self) -> str:
        """What asks for its week."""
        return write_week(self.date)


@dataclass(frozen=True)
class Span:
    """What is shown: whole weeks."""

    first: date
    days: int
    is_month: bool
    month: date
    """First day of the month that is shown, or that the week begins in."""

    @property
    def previous(self) -> str:
        """What asks for the span before."""
        if self.is_month:
            return write_month(self.month - timedelta(days=1))
        return write_week(self.first - timedelta(days=DAYS_A_WEEK))

    @property
    def next(self) -> str:
        """What asks for the span after."""
        if self.is_month:
            return write_month(self.month + timedelta(days=31))
        return write_week(self.first + timedelta(days=DAYS_A_WEEK))

    @property
    def last(self) -> date:
        """Last day."""
        return self.first + timedelta(days=self.days - 1)


def month_span(text: str, today: date) -> Span:
    """Return the weeks that a month such as `2026-03` touches; this month if it is none."""
    month = _parse_month(text) or today.replace(day=1)
    first = month - timedelta(days=month.weekday())
    next_month = (month + timedelta(days=31)).replace(day=1)
    weeks = -(-(next_month - first).days // DAYS_A_WEEK)
    return Span(first, weeks * DAYS_A_WEEK, True, month)


def week_span(text: str, today: date) -> Span:
    """Return a week such as `2026-W11`; this week if it is none."""
    first = _parse_week(text) or today - timedelta(days=today.weekday())
    return Span(first, DAYS_A_WEEK, False, first.replace(day=1))


def lay_out(span: Span, rows: Sequence[SittingRow], today: date) -> Sequence[Sequence[Day]]:
    """Return weeks of days with their sittings."""
    by_day: defaultdict[date, list[SittingRow]] = defaultdict(list)
    for row in rows:
        by_day[to_wall(row.starts_at).date()].append(row)
    days = [span.first + timedelta(days=index) for index in range(span.days)]
    cells = [
        Day(each, not span.is_month or each.month == span.month.month, each == today, by_day[each])
        for each in days
    ]
    return [cells[start : start + DAYS_A_WEEK] for start in range(0, len(cells), DAYS_A_WEEK)]


def write_week(day: date) -> str:
    """Return the week of a day as `2026-W11` (ISO 8601)."""
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02}"


def write_month(day: date) -> str:
    """Return the month of a day as `2026-03`."""
    return f"{day.year:04}-{day.month:02}"


def _parse_month(text: str) -> date | None:
    match = _MONTH.fullmatch(text)
    if match is None or not FIRST_YEAR <= int(match[1]) <= LAST_YEAR:
        return None
    return date(int(match[1]), int(match[2]), 1) if 1 <= int(match[2]) <= 12 else None


def _parse_week(text: str) -> date | None:
    match = _WEEK.fullmatch(text)
    if match is None or not FIRST_YEAR <= int(match[1]) <= LAST_YEAR:
        return None
    try:
        return date.fromisocalendar(int(match[1]), int(match[2]), 1)
    except ValueError:
        return None
