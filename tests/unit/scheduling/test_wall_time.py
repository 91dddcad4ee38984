"""Times as they are written in Greece, when the clocks change too."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.scheduling.wall_time import (
    AmbiguousTime,
    NoSuchTime,
    day_bounds,
    nearest_utc,
    parse_date,
    parse_time,
    to_utc,
    to_wall,
)

SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("day", "clock", "moment"),
    [
        (date(2026, 1, 15), time(18, 0), utc(2026, 1, 15, 16, 0)),
        (date(2026, 7, 15), time(18, 0), utc(2026, 7, 15, 15, 0)),
        (SPRING, time(2, 59), utc(2026, 3, 29, 0, 59)),
        (SPRING, time(4, 0), utc(2026, 3, 29, 1, 0)),
        (AUTUMN, time(2, 59), utc(2026, 10, 24, 23, 59)),
        (AUTUMN, time(4, 0), utc(2026, 10, 25, 2, 0)),
    ],
)
def test_ordinary_times(day: date, clock: time, moment: datetime) -> None:
    assert to_utc(day, clock) == moment
    assert to_wall(moment).time() == clock


@pytest.mark.parametrize("minute", [0, 30, 59])
def test_the_hour_in_march_does_not_exist_and_is_not_guessed(minute: int) -> None:
    with pytest.raises(NoSuchTime) as raised:
        to_utc(SPRING, time(3, minute))
    assert to_wall(raised.value.later).time() == time(4, minute)
    assert nearest_utc(SPRING, time(3, minute)) == raised.value.later


@pytest.mark.parametrize("minute", [0, 30, 59])
def test_the_hour_in_october_is_there_twice_and_must_be_chosen(minute: int) -> None:
    with pytest.raises(AmbiguousTime) as raised:
        to_utc(AUTUMN, time(3, minute))
    first, second = raised.value.first, raised.value.second
    assert second - first == timedelta(hours=1)
    assert to_utc(AUTUMN, time(3, minute), second=False) == first == utc(2026, 10, 25, 0, minute)
    assert to_utc(AUTUMN, time(3, minute), second=True) == second
    assert to_wall(first).time() == to_wall(second).time() == time(3, minute)


@given(st.datetimes(datetime(1996, 1, 1), datetime(2090, 1, 1)))
def test_every_time_is_one_moment_or_none_or_two(naive: datetime) -> None:
    naive = naive.replace(second=0, microsecond=0)
    try:
        moments = [to_utc(naive.date(), naive.time())]
    except AmbiguousTime as error:
        moments = [error.first, error.second]
    except NoSuchTime as error:
        moments = []
        assert to_wall(error.later).replace(tzinfo=None) > naive
    for moment in moments:
        assert to_wall(moment).replace(tzinfo=None) == naive


def test_days_have_23_24_or_25_hours() -> None:
    for day, hours in ((SPRING, 23), (AUTUMN, 25), (date(2026, 5, 1), 24)):
        begin, end = day_bounds(day, 1)
        assert end - begin == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["2026-03-10", "10/3/2026", "10.03.2026", " 2026-03-10 "])
def test_dates_as_browsers_and_people_write_them(text: str) -> None:
    assert parse_date(text) == date(2026, 3, 10)


@pytest.mark.parametrize(
    "text", ["", "2026-13-01", "31/2/2026", "2026-3-1", "αύριο", "2026-03-10T10:00", "٢٠٢٦-٠٣-١٠"]
)
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_date(text)


@pytest.mark.parametrize("text", ["18:00", "18.00", "18:00:00"])
def test_times_as_browsers_and_people_write_them(text: str) -> None:
    assert parse_time(text) == time(18, 0)


@pytest.mark.parametrize("text", ["", "25:00", "18", "6μμ", "18:60", "18:00+02:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_time(text)
