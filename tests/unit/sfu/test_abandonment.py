"""A worker ends by itself when nobody has looked after it for too long, and not before."""

from __future__ import annotations

import pytest

from sfu.abandonment import Abandoned, Abandonment

STARTER, INIT = 4711, 1
AFTER_S = 300.0


@pytest.mark.parametrize(
    ("parent", "is_controlled"), [(STARTER, True), (STARTER, False), (INIT, True)]
)
def test_either_of_the_two_is_enough_for_ever(parent: int, is_controlled: bool) -> None:
    watch = Abandonment(AFTER_S, STARTER)
    for now_s in range(0, 10_000, 100):
        watch.check(parent, is_controlled, float(now_s))


def test_without_both_it_ends_when_the_time_is_over() -> None:
    watch = Abandonment(AFTER_S, STARTER)
    watch.check(STARTER, False, 900.0)
    watch.check(INIT, False, 1000.0)
    watch.check(INIT, False, 1000.0 + AFTER_S - 0.1)
    with pytest.raises(Abandoned):
        watch.check(INIT, False, 1000.0 + AFTER_S)


def test_a_control_plane_that_comes_back_begins_the_time_anew() -> None:
    watch = Abandonment(AFTER_S, STARTER)
    watch.check(INIT, False, 0.0)
    watch.check(INIT, True, AFTER_S - 1)
    watch.check(INIT, False, AFTER_S)
    watch.check(INIT, False, 2 * AFTER_S - 1)
    with pytest.raises(Abandoned):
        watch.check(INIT, False, 2 * AFTER_S)


def test_who_is_started_by_init_itself_is_looked_after() -> None:
    watch = Abandonment(AFTER_S, INIT)
    for now_s in range(0, 10_000, 100):
        watch.check(INIT, False, float(now_s))
