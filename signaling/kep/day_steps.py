"""A day in Athens as steps of five minutes, one bit each. Pure.

Bits are counted from the day's own midnight, so that a day on which clocks change is simply
shorter or longer.
"""

from __future__ import annotations

import functools
from datetime import UTC, date, datetime, timedelta

from signaling.kep.config import STEP_MIN
from signaling.rendering import ATHENS

STEP_S = STEP_MIN * 60
DAY_MIN = 24 * 60


@functools.lru_cache(maxsize=4096)
def midnight_step(day: date) -> int:
    """Return the step with which `day` begins, counted since 1970, UTC."""
    return step_of(datetime(day.year, day.month, day.day, tzinfo=ATHENS))


def step_of(moment: datetime) -> int:
    """Return the step that `moment` lies in."""
    return int(moment.timestamp()) // STEP_S


def moment_of(step: int) -> datetime:
    """Return when a step begins, in UTC."""
    return datetime.fromtimestamp(step * STEP_S, UTC)


def day_of(step: int) -> date:
    """Return the date in Athens."""
    return moment_of(step).astimezone(ATHENS).date()


def span_mask(day: date, starts_min: int, ends_min: int) -> int:
    """Return the bits between two wall-clock times of `day`, in minutes after midnight."""
    first = -(-_offset_s(day, starts_min) // STEP_S)
    return bits(first, _offset_s(day, ends_min) // STEP_S - first)


def bits(first: int, count: int) -> int:
    """Return `count` bits from `first` on."""
    return ((1 << count) - 1) << first if count > 0 else 0


def _offset_s(day: date, minutes: int) -> int:
    """Return seconds between midnight and a wall-clock time of the day."""
    days, rest = divmod(minutes, DAY_MIN)
    that_day = day + timedelta(days=days)
    wall = datetime(that_day.year, that_day.month, that_day.day, tzinfo=ATHENS) + timedelta(
        minutes=rest
    )
    return int(wall.timestamp()) - midnight_step(day) * STEP_S
