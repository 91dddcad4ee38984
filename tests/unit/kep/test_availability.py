"""Free times: nothing overlaps, the gap is kept, hours are kept, also when clocks change."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.kep.availability import (
    Absence,
    Candidate,
    KepPlan,
    Need,
    Shift,
    Window,
    choose_order,
    fitting_windows,
    longest_fit,
    minutes_of,
    need_of,
    offered_on,
    offered_starts,
    possible_starts,
    starts_of,
    windows_on,
)
from signaling.kep.day_steps import bits, midnight_step, moment_of, span_mask, step_of
from signaling.kep.holidays import holidays_of, orthodox_easter

ATHENS = ZoneInfo("Europe/Athens")
MONDAY = date(2026, 1, 12)
SHIFT = Shift("anna", "desk-1", 0, 8 * 60, 14 * 60 + 30, date(2026, 1, 1))
SLOT = need_of(20, 10)
LONG = need_of(20, 10, 1.5)


def plan(*shifts: Shift, **changes: object) -> KepPlan:
    values = {
        "kep_id": "kep", "hours": {each: (480, 870) for each in range(5)}, "special": {},
        "shifts": shifts or (SHIFT,), "absences": (),
    }  # fmt: skip
    return KepPlan(**(values | changes))  # type: ignore[arg-type]


def clock_times(
    kep: KepPlan, day: date, need: Need, busy: dict[str, int] | None = None
) -> list[str]:
    offered = offered_on(windows_on(kep, day), busy or {}, need)
    steps = starts_of(day, offered, 0)
    return [f"{moment_of(step).astimezone(ATHENS):%H:%M}" for step in steps]


def test_day_of_opening_hours_has_thirteen_appointments() -> None:
    times = clock_times(plan(), MONDAY, SLOT)
    assert len(times) == 13 and times[0] == "08:00" and times[-1] == "14:00"


def test_long_theme_takes_half_an_hour() -> None:
    assert Need(6, 2) == LONG
    assert clock_times(plan(), MONDAY, LONG)[:2] == ["08:00", "08:40"]


def test_slots_pack_behind_what_is_taken() -> None:
    busy = {"anna": span_mask(MONDAY, 480, 520)}
    assert clock_times(plan(), MONDAY, SLOT, busy)[:2] == ["08:40", "09:10"]


def test_gap_before_what_is_taken_is_kept() -> None:
    # 08:20 is taken: 08:00 to 08:20 would leave no gap.
    busy = {"anna": span_mask(MONDAY, 500, 530)}
    assert clock_times(plan(), MONDAY, SLOT, busy)[0] == "08:50"


def test_workstation_taken_by_a_colleague_is_not_free() -> None:
    kep = plan(SHIFT, Shift("vera", "desk-1", 0, 480, 870, date(2026, 1, 1)))
    busy = {"anna": bits(96, 6), "desk-1": bits(96, 6)}
    assert clock_times(kep, MONDAY, SLOT, busy)[0] == "08:30"
    other_desk = plan(SHIFT, Shift("vera", "desk-2", 0, 480, 870, date(2026, 1, 1)))
    assert clock_times(other_desk, MONDAY, SLOT, busy)[0] == "08:00"


@pytest.mark.parametrize(
    ("day", "why"),
    [
        (date(2026, 1, 17), "Saturday"),
        (date(2026, 1, 6), "Epiphany"),
        (date(2026, 2, 23), "Clean Monday"),
        (date(2026, 1, 13), "no shift on Tuesdays"),
        (date(2026, 1, 19), "the employee is away"),
        (date(2026, 1, 26), "closed"),
    ],
)
def test_days_without_appointments(day: date, why: str) -> None:
    kep = plan(
        absences=(Absence("anna", date(2026, 1, 18), date(2026, 1, 20)),),
        special={date(2026, 1, 26): None},
    )
    assert windows_on(kep, day) == [], why


def test_special_day_opens_on_a_holiday_with_its_own_hours() -> None:
    kep = plan(special={date(2026, 2, 23): (600, 660)})
    assert clock_times(kep, date(2026, 2, 23), SLOT) == ["10:00", "10:30"]


def test_shift_has_a_first_and_a_last_day() -> None:
    kep = plan(Shift("anna", "d", 0, 480, 870, MONDAY, MONDAY))
    assert windows_on(kep, MONDAY) and not windows_on(kep, MONDAY + timedelta(7))
    assert not windows_on(kep, MONDAY - timedelta(7))


@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25), MONDAY])
def test_opening_hours_are_wall_clock_on_days_when_clocks_change(day: date) -> None:
    shift = Shift("anna", "d", day.weekday(), 480, 870, date(2026, 1, 1))
    kep = plan(shift, hours={day.weekday(): (480, 870)})
    times = clock_times(kep, day, SLOT)
    assert len(times) == 13 and times[0] == "08:00" and times[-1] == "14:00"


@pytest.mark.parametrize(("day", "steps"), [
    (date(2026, 3, 29), 276), (date(2026, 10, 25), 300), (MONDAY, 288)])  # fmt: skip
def test_day_has_as_many_steps_as_it_is_long(day: date, steps: int) -> None:
    assert midnight_step(day + timedelta(1)) - midnight_step(day) == steps
    # The night itself: every step of the day is in one of the two halves, none in both.
    assert span_mask(day, 0, 1440) == bits(0, steps)
    assert span_mask(day, 0, 240) & span_mask(day, 240, 1440) == 0


@given(
    taken=st.lists(st.tuples(st.integers(0, 120), st.sampled_from([SLOT, LONG])), max_size=60),
    start=st.integers(470, 560), end=st.integers(600, 900),
)  # fmt: skip
def test_any_order_of_bookings_keeps_length_gap_and_hours(
    taken: list[tuple[int, Need]], start: int, end: int
) -> None:
    """Book whatever possible start comes; what is booked never meets, and is always inside."""
    kep = plan(Shift("anna", "d", 0, start, end, date(2026, 1, 1)))
    [window] = windows_on(kep, MONDAY)
    booked: list[tuple[int, Need]] = []
    busy = 0
    for offset, need in taken:
        possible = starts_of(MONDAY, possible_starts(window.mask, busy, need), 0)
        if not possible:
            continue
        step = possible[offset % len(possible)] - midnight_step(MONDAY)
        assert fitting_windows([window], {"anna": busy}, need, step) == [window]
        busy |= bits(step, need.length + need.gap)
        booked.append((step, need))
    booked.sort(key=lambda each: each[0])
    for (first, need), (second, _) in itertools.pairwise(booked):
        assert first + need.length + need.gap <= second
    for step, need in booked:
        opens, closes = max(start, 480), min(end, 870)
        assert opens <= step * 5 and (step + need.length) * 5 <= closes
    assert minutes_of(busy) == sum((need.length + need.gap) * 5 for _, need in booked)


@given(window=st.integers(0, 2**160), busy=st.integers(0, 2**170),
       length=st.integers(1, 12), gap=st.integers(0, 6))  # fmt: skip
def test_bit_arithmetic_is_what_the_rule_says(
    window: int, busy: int, length: int, gap: int
) -> None:
    need = Need(length, gap)
    expected = sum(
        1 << start
        for start in range(window.bit_length())
        if all(window >> (start + each) & 1 for each in range(length))
        and not any(busy >> (start + each) & 1 for each in range(length + gap))
    )
    assert possible_starts(window, busy, need) == expected
    offered = offered_starts(window, busy, need)
    assert offered & ~expected == 0 and (offered == 0) == (expected == 0)


@given(
    windows=st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 20), st.integers(0, 12)), max_size=4
    ),
    busy=st.dictionaries(st.sampled_from("abcd"), st.integers(0, (1 << 34) - 1)),
    gap=st.integers(0, 4),
)
def test_longest_that_fits_is_the_last_length_at_which_a_time_is_offered(
    windows: list[tuple[str, int, int]], busy: dict[str, int], gap: int
) -> None:
    shifts = [Window(who, "d", bits(first, count)) for who, first, count in windows]
    longest = longest_fit(shifts, busy, gap)
    for length in range(1, 15):
        assert (length <= longest) is bool(offered_on(shifts, busy, Need(length, gap))), length


def test_who_has_least_that_day_is_chosen_then_who_waited_longest() -> None:
    now = datetime(2026, 1, 12, tzinfo=UTC)
    rows = [
        Candidate("k", "busy", "d", 60, None),
        Candidate("k", "recent", "d", 30, now),
        Candidate("k", "earlier", "d", 30, now - timedelta(hours=1)),
        Candidate("k", "never", "d", 30, None),
    ]
    order = [each.employee_id for each in choose_order(rows)]
    assert order == ["never", "earlier", "recent", "busy"]


def test_past_times_are_left_out_without_moving_the_others() -> None:
    [window] = windows_on(plan(), MONDAY)
    nine = step_of(datetime(2026, 1, 12, 9, 5, tzinfo=ATHENS))
    offered = offered_starts(window.mask, 0, SLOT)
    first = starts_of(MONDAY, offered, nine)[0]
    assert f"{moment_of(first).astimezone(ATHENS):%H:%M}" == "09:30"


@pytest.mark.parametrize(
    ("year", "easter"),
    [(2020, date(2020, 4, 19)), (2021, date(2021, 5, 2)), (2024, date(2024, 5, 5)),
     (2025, date(2025, 4, 20)), (2026, date(2026, 4, 12)), (2027, date(2027, 5, 2)),
     (2030, date(2030, 4, 28))],
)  # fmt: skip
def test_orthodox_easter(year: int, easter: date) -> None:
    assert orthodox_easter(year) == easter
    assert holidays_of(year)[easter + timedelta(days=50)] == "Αγίου Πνεύματος"
    assert holidays_of(year)[easter - timedelta(days=48)] == "Καθαρά Δευτέρα"
