"""Quarters of an hour: which a sitting touches, what a room needs, the next time that fits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.scheduling.quarters import Need, Span, need_of, next_fit, span_of, start_of

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("opens", "closes", "quarters"),
    [(0, 15, 1), (0, 16, 2), (-1, 15, 2), (1, 14, 1), (0, 60, 4), (7, 67, 5)],
)
def test_span_has_every_quarter_that_is_touched(opens: int, closes: int, quarters: int) -> None:
    opens_at, closes_at = NOON + timedelta(minutes=opens), NOON + timedelta(minutes=closes)
    span = span_of(opens_at, closes_at)
    assert len(span) == quarters
    assert start_of(span.first) <= opens_at and start_of(span.end) >= closes_at


@pytest.mark.parametrize(
    ("people", "streams"), [(1, 0), (2, 4), (3, 12), (4, 24), (100, 800), (500, 4000)]
)
def test_need_grows_with_the_room_and_is_linear_in_large_ones(people: int, streams: int) -> None:
    assert need_of(people, 5) == Need(people, streams)


def slow_next_fit(full: set[int], earliest: int, length: int, horizon: int) -> int | None:
    for candidate in range(earliest, horizon):
        if not full & set(range(candidate, candidate + length)):
            return candidate
    return None


@given(
    st.sets(st.integers(0, 60)), st.integers(0, 40), st.integers(1, 12), st.integers(0, 60)
)  # fmt: skip
def test_next_fit_is_the_first_that_is_free(
    full: set[int], earliest: int, length: int, further: int
) -> None:
    horizon = earliest + further
    found = next_fit(sorted(full), earliest, length, horizon)
    assert found == slow_next_fit(full, earliest, length, horizon)


def test_ninety_full_days_are_searched_in_one_pass() -> None:
    quarters = range(90 * 96)
    reads = iter(quarters)
    assert next_fit(reads, 0, 12, 90 * 96) is None
    assert next(reads, None) is None, "each was read once, the last too"
    assert next_fit([each for each in quarters if each != 5000], 0, 1, 90 * 96) == 5000


def test_an_empty_span_has_no_length() -> None:
    assert len(Span(5, 5)) == 0
