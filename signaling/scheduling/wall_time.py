"""What people write as date and time in Greece, as moments in UTC. Pure.

Twice a year the clocks change: an hour in March does not exist, one in October happens twice.
Neither is guessed at: the person is asked.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

ATHENS_NAME = "Europe/Athens"
ATHENS = ZoneInfo(ATHENS_NAME)

_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})|(\d{1,2})[/.](\d{1,2})[/.](\d{4})", re.ASCII)
_TIME = re.compile(r"(\d{1,2})[:.](\d{2})(?::00)?", re.ASCII)


class NoSuchTime(Exception):
    """The clocks jump over this time."""

    def __init__(self, later: datetime) -> None:
        super().__init__("time_missing_hour")
        self.later = later
        """What a clock that was not changed would call it: the time an hour later."""


class AmbiguousTime(Exception):
    """The clocks show this time twice."""

    def __init__(self, first: datetime, second: datetime) -> None:
        super().__init__("time_ambiguous")
        self.first = first
        """In summer time."""
        self.second = second
        """An hour later, in winter time."""


def parse_date(text: str) -> date:
    """Return a date written 2026-03-10 (as browsers send it) or 10/3/2026.

    Raises:
        ValueError: it is none.
    """
    match = _DATE.fullmatch(text.strip())
    if match is None:
        raise ValueError("not a date")
    year, month, day = match.group(1, 2, 3) if match[1] else match.group(6, 5, 4)
    return date(int(year), int(month), int(day))


def parse_time(text: str) -> time:
    """Return a time written 18:00 or 18.00.

    Raises:
        ValueError: it is none.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise ValueError("not a time")
    return time(int(match[1]), int(match[2]))


def to_utc(day: date, clock: time, *, second: bool | None = None) -> datetime:
    """Return the moment at which clocks in Greece show `day` and `clock`.

    `second` chooses, where there are two, the later one; None: nothing was chosen.

    Raises:
        NoSuchTime, AmbiguousTime: see above.
        OverflowError: the calendar ends.
    """
    naive = datetime.combine(day, clock)
    first = naive.replace(tzinfo=ATHENS, fold=0)
    later = naive.replace(tzinfo=ATHENS, fold=1)
    if first.utcoffset() == later.utcoffset():
        return first.astimezone(UTC)
    # PEP 495: in a gap, fold=0 has the offset before the change, so its wall time moves on.
    if first.astimezone(UTC).astimezone(ATHENS).replace(tzinfo=None) != naive:
        raise NoSuchTime(first.astimezone(UTC))
    if second is None:
        raise AmbiguousTime(first.astimezone(UTC), later.astimezone(UTC))
    return (later if second else first).astimezone(UTC)


def nearest_utc(day: date, clock: time) -> datetime:
    """Return the moment, or the next best where nobody can be asked: the hour that is missing is
    moved on, of two the first is taken."""
    try:
        return to_utc(day, clock, second=False)
    except NoSuchTime as error:
        return error.later


def to_wall(moment: datetime) -> datetime:
    """Return what clocks in Greece show."""
    return moment.astimezone(ATHENS)


def day_bounds(first: date, days: int) -> tuple[datetime, datetime]:
    """Return the moments between which clocks in Greece show these days."""
    midnight = time(0, 0)
    return nearest_utc(first, midnight), nearest_utc(first + timedelta(days=days), midnight)
