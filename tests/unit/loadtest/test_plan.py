"""A plan says who does what when: the same seed, the same plan."""

from __future__ import annotations

from collections import Counter

import pytest

from loadtest.plan import Join, Leave, Mute, Plan, make_plan
from loadtest.scenario_file import read_scenario
from sfu.values import TrackSource


def plan_of(name: str, *changes: str) -> Plan:
    return make_plan(read_scenario(name, changes))


@pytest.mark.parametrize("name", ["kep_peak", "council", "churn", "lossy"])
def test_a_seed_is_one_plan(name: str) -> None:
    assert plan_of(name) == plan_of(name)
    assert plan_of(name, "seed=99") != plan_of(name)


def test_the_national_peak_is_870_calls_within_a_minute_a_few_with_an_interpreter() -> None:
    plan = plan_of("kep_peak")
    roles = Counter(seat.group.role.value for seat in plan.seats)
    assert (roles["citizen"], roles["employee"], roles["interpreter"]) == (870, 870, 27)
    assert 59 < plan.joined_at_s < 60
    per_room = Counter(seat.room for seat in plan.seats)
    assert set(per_room.values()) == {2, 3} and len(per_room) == 870


def test_half_of_the_calls_go_on_with_sound_alone_after_their_last_join() -> None:
    plan = plan_of("kep_peak", "scale=0.1")
    seats = {seat.number: seat for seat in plan.seats}
    muted = [step for step in plan.steps if isinstance(step.action, Mute)]
    rooms = {seats[step.action.number].room for step in muted if isinstance(step.action, Mute)}
    assert len(rooms) == 44
    assert all(
        isinstance(step.action, Mute) and step.action.source is TrackSource.CAMERA for step in muted
    )
    for step in muted:
        assert isinstance(step.action, Mute)
        room = seats[step.action.number].room
        last = max(
            other.at_s
            for other in plan.steps
            if isinstance(other.action, Join) and other.action.seat.room == room
        )
        assert step.at_s == pytest.approx(last + 20)


def test_joins_are_evenly_spaced_whatever_the_service_does() -> None:
    plan = plan_of("smoke", "ramp.joins_per_s=4.0")
    times = [step.at_s for step in plan.steps if isinstance(step.action, Join)]
    assert times == [0, 0.25, 0.5, 0.75, 1.0, 1.25]
    assert (plan.joined_at_s, plan.ends_at_s) == (1.25, 6.25)


@pytest.mark.parametrize(
    ("order", "rooms"),
    [("rooms", [0, 0, 0, 1, 1, 1]), ("groups", [0, 0, 0, 1, 1, 1])],
)
def test_orders_of_one_group(order: str, rooms: list[int]) -> None:
    assert [seat.room for seat in plan_of("smoke", f"ramp.order={order}").seats] == rooms


def test_one_speaks_at_a_time() -> None:
    plan = plan_of("council", "scale=0.2")
    open_now: set[int] = set()
    most = 0
    for step in plan.steps:
        if isinstance(step.action, Mute) and step.action.source is TrackSource.MICROPHONE:
            (open_now.discard if step.action.muted else open_now.add)(step.action.number)
            most = max(most, len(open_now))
    assert most == 1
    speakers = {
        step.action.number
        for step in plan.steps
        if isinstance(step.action, Mute) and not step.action.muted
        and step.action.source is TrackSource.MICROPHONE
    }  # fmt: skip
    assert len(speakers) > 3
    may_speak = {"chair", "councillors"}
    assert {seat.group.name for seat in plan.seats if seat.number in speakers} <= may_speak


def test_the_chair_shares_a_screen_for_a_while() -> None:
    plan = plan_of("council")
    sharing = [seat for seat in plan.seats if seat.shares_screen]
    assert [seat.group.name for seat in sharing] == ["chair"]
    screens = [
        (round(step.at_s - plan.joined_at_s, 6), step.action.muted)
        for step in plan.steps
        if isinstance(step.action, Mute) and step.action.source is TrackSource.SCREEN
    ]
    assert screens == [(10.0, False), (70.0, True)]


def test_churn_replaces_who_is_in_longest_and_never_overfills_a_room() -> None:
    plan = plan_of("churn", "hold_s=120.0")
    leaving = [step.action.number for step in plan.steps if isinstance(step.action, Leave)]
    # 40 in two minutes, the last at the very end of the run.
    assert leaving == list(range(1, 40))
    assert plan.most_at_once == 32
    room_of = {seat.number: seat.room for seat in plan.seats}
    people = Counter[int]()
    for step in plan.steps:
        if isinstance(step.action, Join):
            people[step.action.seat.room] += 1
        elif isinstance(step.action, Leave):
            people[room_of[step.action.number]] -= 1
        assert max(people.values()) <= 8


def test_links_are_shared_out_by_the_seed() -> None:
    plan = plan_of("lossy")
    links = Counter(seat.link.name if seat.link else None for seat in plan.seats)
    assert links == {"busy wireless": 4, "narrow mobile": 4, None: 8}


def test_nothing_happens_after_the_end() -> None:
    for name in ("council", "churn", "kep_peak"):
        plan = plan_of(name, "hold_s=5.0")
        assert max(step.at_s for step in plan.steps) < plan.ends_at_s
        assert list(plan.steps) == sorted(plan.steps, key=lambda step: step.at_s)
