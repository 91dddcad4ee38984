"""The queue of a room in virtual time; what may never happen is tried by a state machine."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sfu.values import Role
from signaling.clock import Instant
from signaling.door.values import (
    KNOCK_TRANSITIONS,
    Caller,
    Dismiss,
    DoorLimits,
    DoorOutput,
    Issue,
    KnockState,
    KnockStep,
    Outcome,
    QueueChanged,
    Tell,
    WaitingState,
    Window,
)
from signaling.door.waiting_room import WaitingRoom
from signaling.errors import ErrorCode, RequestError
from tests.support.door_parts import caller

LIMITS = DoorLimits(places=5)
WINDOW = Window(1_000.0, 5_000.0)
EARLIER = Window(100.0, 5_000.0)


def at(seconds: float) -> Instant:
    return Instant(seconds, seconds)


INSIDE = at(1_500.0)


def room() -> WaitingRoom:
    made = WaitingRoom(LIMITS)
    made.handle_attendance(True, INSIDE)
    return made


def issued(outputs: list[DoorOutput]) -> list[str]:
    return [each.caller.subject for each in outputs if isinstance(each, Issue)]


def told(outputs: list[DoorOutput]) -> dict[str, tuple[WaitingState, int]]:
    return {
        each.knock: (each.told.state, each.told.position)
        for each in outputs
        if isinstance(each, Tell)
    }


def refusal(code: ErrorCode) -> pytest.RaisesExc[RequestError]:
    return pytest.RaisesExc(RequestError, check=lambda error: error.code is code)


def test_who_knocks_waits_in_order() -> None:
    door = room()

    first = door.handle_knock("a", caller("anna", window=WINDOW), INSIDE)
    second = door.handle_knock("b", caller("babis", window=WINDOW), INSIDE)

    assert told(first) == {"a": (WaitingState.WAITING, 1)}
    assert told(second) == {"b": (WaitingState.WAITING, 2)}
    assert issued(first + second) == []
    assert QueueChanged() in first


def test_admission_gives_one_token_and_moves_the_others_up() -> None:
    door = room()
    for knock, name in (("a", "anna"), ("b", "babis")):
        door.handle_knock(knock, caller(name, window=WINDOW), INSIDE)

    outputs = door.handle_admit(["a"], INSIDE)

    assert issued(outputs) == ["anna"]
    assert told(outputs) == {"b": (WaitingState.WAITING, 1)}
    assert door.handle_admit(["a"], INSIDE) == []


def test_who_comes_early_is_queued_and_not_admitted_when_the_door_opens() -> None:
    door = room()
    early = door.handle_knock("a", caller("anna", window=WINDOW), at(500.0))
    assert told(early) == {"a": (WaitingState.EARLY, 1)}
    with refusal(ErrorCode.TOO_EARLY):
        door.check_admit("a", at(999.0))
    assert door.handle_admit(["a"], at(999.0)) == []

    opened = door.handle_timeout(at(1_000.0))
    host = door.handle_knock(
        "c", caller("chair", role=Role.CHAIR, window=EARLIER, at_once=True), at(1_001.0)
    )

    assert issued(opened) == [] and issued(host) == ["chair"]
    assert told(opened) == {"a": (WaitingState.WAITING, 1)}
    assert [each.caller.subject for each in door.knocks] == ["anna"]


def test_who_runs_the_meeting_enters_when_the_own_window_opens_and_not_before() -> None:
    door = room()
    chair = caller("chair", role=Role.CHAIR, window=EARLIER, at_once=True)

    assert issued(door.handle_knock("c", chair, at(50.0))) == []
    assert door.next_timeout(at(50.0)) == 100.0
    assert issued(door.handle_timeout(at(99.0))) == []
    assert issued(door.handle_timeout(at(100.0))) == ["chair"]


def test_the_door_is_no_place_to_wait_for_days() -> None:
    far = Window(100_000.0, 200_000.0)
    with refusal(ErrorCode.TOO_EARLY):
        room().handle_knock("a", caller("anna", window=far), INSIDE)


def test_nobody_enters_after_the_window() -> None:
    door = room()
    door.handle_knock("a", caller("anna", window=WINDOW), INSIDE)

    outputs = door.handle_timeout(at(5_000.0))

    assert Dismiss("a", Outcome.TOO_LATE) in outputs and issued(outputs) == []
    with refusal(ErrorCode.TOO_LATE):
        door.handle_knock("b", caller("babis", window=WINDOW), at(5_000.0))


def test_an_extension_moves_the_end_for_who_waits() -> None:
    door = room()
    door.handle_knock("a", caller("anna", window=WINDOW), INSIDE)
    door.handle_windows({Role.MEMBER: Window(1_000.0, 9_000.0)}, at(4_000.0))

    assert not any(isinstance(each, Dismiss) for each in door.handle_timeout(at(5_000.0)))
    assert issued(door.handle_admit(["a"], at(5_001.0))) == ["anna"]


def test_admit_all_takes_the_known_and_leaves_guests() -> None:
    door = room()
    for name, is_known in (("anna", True), ("guest", False), ("babis", True)):
        door.handle_knock(name, caller(name, window=WINDOW, is_known=is_known), INSIDE)

    assert [each.id for each in door.admissible(INSIDE)] == ["anna", "babis"]


def test_the_refused_is_told_why_and_not_heard_for_a_while() -> None:
    door = room()
    anna = caller("anna", window=WINDOW)
    door.handle_knock("a", anna, INSIDE)

    assert door.handle_refuse("a", "Εκτός", INSIDE)[0] == Dismiss("a", Outcome.REFUSED, "Εκτός", 60)
    with refusal(ErrorCode.KNOCK_LATER):
        door.handle_knock("b", anna, at(1_559.0))
    door.handle_knock("b", anna, at(1_560.0))
    again = door.handle_refuse("b", "", at(1_560.0))
    assert again[0] == Dismiss("b", Outcome.REFUSED, "", 120), "each further pause is twice as long"


def test_the_removed_is_not_heard_for_a_while_even_who_needs_nobodys_leave() -> None:
    door = room()
    door.handle_removed("chair", INSIDE)
    with refusal(ErrorCode.KNOCK_LATER):
        door.handle_knock("c", caller("chair", window=EARLIER, at_once=True), INSIDE)


def test_a_lost_socket_keeps_the_place_for_30_s() -> None:
    door = room()
    for knock, name in (("a", "anna"), ("b", "babis")):
        door.handle_knock(knock, caller(name, window=WINDOW), INSIDE)
    door.handle_lost("a", INSIDE)

    back = door.handle_knock("x", caller("anna", window=WINDOW), at(1_529.0))
    assert told(back) == {"a": (WaitingState.WAITING, 1)}

    door.handle_lost("a", at(1_530.0))
    assert told(door.handle_timeout(at(1_560.0))) == {"b": (WaitingState.WAITING, 1)}
    assert [each.id for each in door.knocks] == ["b"]


def test_who_is_admitted_while_away_enters_on_return_once() -> None:
    door = room()
    anna = caller("anna", window=WINDOW)
    door.handle_knock("a", anna, INSIDE)
    door.handle_lost("a", INSIDE)

    assert issued(door.handle_admit(["a"], INSIDE)) == []
    assert issued(door.handle_admit(["a"], INSIDE)) == []
    assert issued(door.handle_knock("a", anna, at(1_510.0))) == ["anna"]
    assert issued(door.handle_knock("b", anna, at(1_511.0))) == []


def test_who_is_moved_back_has_a_place_and_needs_an_admission_again() -> None:
    door = room()
    anna = caller("anna", window=WINDOW)
    door.handle_moved_back("a", anna, INSIDE)

    assert issued(door.handle_knock("a", anna, at(1_501.0))) == []
    assert door.knocks[0].state is KnockState.WAITING


def test_without_anybody_to_admit_the_waiting_are_told_so() -> None:
    door = WaitingRoom(LIMITS)
    outputs = door.handle_knock("a", caller("anna", window=WINDOW), INSIDE)
    assert told(outputs) == {"a": (WaitingState.UNATTENDED, 1)}
    assert told(door.handle_attendance(True, INSIDE)) == {"a": (WaitingState.WAITING, 1)}
    assert door.handle_attendance(True, INSIDE) == []


def test_a_full_waiting_room_takes_nobody_more() -> None:
    door = room()
    for number in range(LIMITS.places):
        door.handle_knock(str(number), caller(f"p{number}", window=WINDOW), INSIDE)
    with refusal(ErrorCode.WAITING_ROOM_FULL):
        door.handle_knock("x", caller("anna", window=WINDOW), INSIDE)


def test_every_end_is_final_and_every_step_is_in_the_table() -> None:
    ends = {KnockState.ADMITTED, KnockState.REFUSED, KnockState.GONE}
    assert not any(state in ends for state, _ in KNOCK_TRANSITIONS)
    assert {step for _, step in KNOCK_TRANSITIONS} == set(KnockStep)


@dataclass
class Person:
    caller: Caller
    has_socket: bool = False
    is_admitted: bool = False
    """A moderator has admitted this knock."""
    pause_until_s: float = 0.0
    tokens: int = 0
    admissions: int = 0


NAMES = ("anna", "babis", "guest", "chair")


class Door(RuleBasedStateMachine):
    """Anything in any order: knocks, losses, decisions, moved windows, time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = at(0.0)
        self.window = WINDOW
        self.door = WaitingRoom(LIMITS)
        self.drawn = 0
        self.people = {
            name: Person(
                caller(name, window=WINDOW, is_known=name != "guest", at_once=name == "chair")
            )
            for name in NAMES
        }

    def take(self, outputs: list[DoorOutput]) -> None:
        for output in outputs:
            if isinstance(output, Issue):
                person = self.people[output.caller.subject]
                assert person.is_admitted or person.caller.enters_at_once, "never by itself"
                assert person.pause_until_s <= self.now.monotonic_s, "refused and yet inside"
                assert self.window.has_opened(self.now) and not self.window.is_over(self.now)
                assert person.has_socket, "a token for nobody"
                if not person.caller.enters_at_once:
                    person.admissions += 1
                    person.tokens += 1
                person.is_admitted = person.has_socket = False
            if isinstance(output, Dismiss):
                for person in self.people.values():
                    if person.has_socket and self.door.knock_of(person.caller.subject) is None:
                        person.has_socket = person.is_admitted = False
        for person in self.people.values():
            if self.door.knock_of(person.caller.subject) is None:
                person.is_admitted = False

    @rule(name=st.sampled_from(NAMES))
    def knock(self, name: str) -> None:
        person = self.people[name]
        self.drawn += 1
        person.caller = replace(person.caller, window=self.window)
        was, person.has_socket = person.has_socket, True
        try:
            self.take(self.door.handle_knock(f"k{self.drawn}", person.caller, self.now))
        except RequestError:
            person.has_socket = was

    @rule(name=st.sampled_from(NAMES))
    def lose(self, name: str) -> None:
        found = self.door.knock_of(name)
        if found is not None:
            self.people[name].has_socket = False
            self.take(self.door.handle_lost(found.id, self.now))

    @rule(name=st.sampled_from(NAMES))
    def leave(self, name: str) -> None:
        found = self.door.knock_of(name)
        if found is not None and self.people[name].has_socket:
            self.people[name].has_socket = False
            self.take(self.door.handle_leave(found.id, self.now))

    @rule(name=st.sampled_from(NAMES))
    def admit(self, name: str) -> None:
        found = self.door.knock_of(name)
        if found is None:
            return
        try:
            self.door.check_admit(found.id, self.now)
        except RequestError:
            assert self.door.handle_admit([found.id], self.now) == []
            return
        self.people[name].is_admitted = True
        self.take(self.door.handle_admit([found.id], self.now))

    @rule()
    def admit_all(self) -> None:
        known = self.door.admissible(self.now)
        assert all(each.caller.is_known for each in known)
        for each in known:
            self.people[each.caller.subject].is_admitted = True
        self.take(self.door.handle_admit([each.id for each in known], self.now))

    @rule(name=st.sampled_from(NAMES))
    def refuse(self, name: str) -> None:
        found = self.door.knock_of(name)
        if found is None:
            return
        person = self.people[name]
        outputs = self.door.handle_refuse(found.id, "", self.now)
        (pause,) = [each.retry_after_s for each in outputs if isinstance(each, Dismiss)]
        assert pause
        person.pause_until_s = self.now.monotonic_s + pause
        person.has_socket = person.is_admitted = False
        self.take(outputs)

    @rule(name=st.sampled_from(NAMES))
    def move_back(self, name: str) -> None:
        person = self.people[name]
        self.drawn += 1
        self.take(self.door.handle_moved_back(f"k{self.drawn}", person.caller, self.now))

    @rule(seconds=st.sampled_from((1.0, 20.0, 31.0, 400.0, 1500.0)))
    def wait(self, seconds: float) -> None:
        end = self.now.monotonic_s + seconds
        while (due := self.door.next_timeout(self.now)) is not None and due <= end:
            assert due >= self.now.monotonic_s
            self.now = at(due)
            before = len(self.door.knocks), due
            self.take(self.door.handle_timeout(self.now))
            after = self.door.next_timeout(self.now)
            assert after is None or after > due or len(self.door.knocks) < before[0], "a busy loop"
        self.now = at(end)

    @precondition(lambda self: self.window.closes_s < 20_000)
    @rule()
    def extend(self) -> None:
        self.window = Window(self.window.opens_s, self.window.closes_s + 2_000)
        for person in self.people.values():
            person.caller = replace(person.caller, window=self.window)
        self.take(self.door.handle_windows({Role.MEMBER: self.window}, self.now))

    @invariant()
    def one_place_each_and_one_token_per_admission(self) -> None:
        subjects = [each.caller.subject for each in self.door.knocks]
        assert len(subjects) == len(set(subjects)) <= LIMITS.places
        for person in self.people.values():
            assert person.tokens == person.admissions


Door.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, suppress_health_check=list(HealthCheck)
)
TestDoor = Door.TestCase
