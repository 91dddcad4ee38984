"""A sitting that comes again keeps its time on the clock."""

from __future__ import annotations

from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.scheduling.recurrence import Recurrence, Rhythm, list_days, list_starts
from signaling.scheduling.wall_time import nearest_utc, to_wall


@pytest.mark.parametrize(
    ("first", "rhythm", "expected"),
    [
        (date(2026, 3, 10), Rhythm.ONCE, ["2026-03-10"]),
        (date(2026, 3, 10), Rhythm.WEEKLY, ["2026-03-10", "2026-03-17", "2026-03-24"]),
        (date(2026, 3, 10), Rhythm.FORTNIGHTLY, ["2026-03-10", "2026-03-24", "2026-04-07"]),
        (date(2026, 1, 31), Rhythm.MONTHLY_BY_DATE, ["2026-01-31", "2026-02-28", "2026-03-31"]),
        (date(2025, 11, 15), Rhythm.MONTHLY_BY_DATE, ["2025-11-15", "2025-12-15", "2026-01-15"]),
        (date(2026, 3, 10), Rhythm.MONTHLY_BY_WEEKDAY, ["2026-03-10", "2026-04-14", "2026-05-12"]),
        # The fifth Tuesday; April has four, June has five.
        (date(2026, 3, 31), Rhythm.MONTHLY_BY_WEEKDAY, ["2026-03-31", "2026-04-28", "2026-05-26"]),
        (date(2026, 6, 30), Rhythm.MONTHLY_BY_WEEKDAY, ["2026-06-30", "2026-07-28", "2026-08-25"]),
    ],
)
def test_days(first: date, rhythm: Rhythm, expected: list[str]) -> None:
    assert [day.isoformat() for day in list_days(first, Recurrence(rhythm, 3))] == expected


def test_clock_time_stays_when_the_clocks_change() -> None:
    first = date(2026, 3, 17)
    starts = list_starts(first, time(18, 0), nearest_utc(first, time(18, 0)),
                         Recurrence(Rhythm.WEEKLY, 4))  # fmt: skip
    assert [to_wall(each).hour for each in starts] == [18, 18, 18, 18]
    assert [each.hour for each in starts] == [16, 16, 15, 15]


def test_an_hour_that_does_not_exist_is_moved_on() -> None:
    first = date(2026, 3, 22)
    starts = list_starts(first, time(3, 30), nearest_utc(first, time(3, 30)),
                         Recurrence(Rhythm.WEEKLY, 3))  # fmt: skip
    assert [to_wall(each).strftime("%H:%M") for each in starts] == ["03:30", "04:30", "03:30"]


@given(
    st.dates(date(2000, 1, 1), date(2100, 1, 1)),
    st.sampled_from(Rhythm),
    st.integers(1, 52),
)
def test_days_ascend_and_keep_their_weekday_or_date(
    first: date, rhythm: Rhythm, count: int
) -> None:
    days = list_days(first, Recurrence(rhythm, count))
    assert days[0] == first and len(days) == (1 if rhythm is Rhythm.ONCE else count)
    assert sorted(set(days)) == list(days)
    if rhythm is Rhythm.MONTHLY_BY_DATE:
        assert all(day.day == first.day or day.day >= 28 for day in days)
    else:
        assert {day.weekday() for day in days} == {first.weekday()}
