"""From a scenario to the timed list of what happens. Pure: the same seed gives the same plan.

Times are seconds since the start of the run. The plan is open-loop: it never waits for the service,
so that a slow service is seen as slow and not spared (coordinated omission).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from loadtest.scenario import Camera, Group, Link, Order, Scenario
from sfu.values import TrackSource


@dataclass(frozen=True)
class Seat:
    """One participant to be."""

    number: int
    """From 1, in the order they join."""
    room: int
    """From 0."""
    group: Group
    link: Link | None = None
    """Its bad network."""
    shares_screen: bool = False
    """It will share a screen."""
    starts_muted: bool = False
    """It comes with the microphone off."""


@dataclass(frozen=True)
class Join:
    """Somebody comes."""

    seat: Seat


@dataclass(frozen=True)
class Leave:
    """Somebody leaves."""

    number: int


@dataclass(frozen=True)
class Mute:
    """Somebody mutes or unmutes a source."""

    number: int
    source: TrackSource
    muted: bool


Action = Join | Leave | Mute


@dataclass(frozen=True)
class Step:
    """Something that happens."""

    at_s: float
    action: Action


@dataclass(frozen=True)
class Plan:
    """All that happens."""

    rooms: int
    steps: tuple[Step, ...]
    """By time."""
    joined_at_s: float
    """The last join of the ramp."""
    ends_at_s: float

    @property
    def seats(self) -> list[Seat]:
        """Return everybody who joins at any time."""
        return [step.action.seat for step in self.steps if isinstance(step.action, Join)]

    @property
    def most_at_once(self) -> int:
        """How many are in at the fullest moment."""
        now = most = 0
        for step in self.steps:
            now += isinstance(step.action, Join) - isinstance(step.action, Leave)
            most = max(most, now)
        return most


def make_plan(scenario: Scenario) -> Plan:
    """Return what happens in `scenario`."""
    random = Random(scenario.seed)
    places = _places(scenario, random)
    links = _links(scenario, places, random)
    seats = [
        Seat(
            number=index + 1,
            room=room,
            group=group,
            link=links[index],
            starts_muted=scenario.floor.every_s > 0 and group.microphone,
        )
        for index, (room, group) in enumerate(places)
    ]
    seats = _with_screens(scenario, seats)
    interval_s = _interval_s(scenario, len(seats))
    joined_at_s = interval_s * (len(seats) - 1)
    ends_at_s = joined_at_s + scenario.hold_s
    steps = [Step(index * interval_s, Join(seat)) for index, seat in enumerate(seats)]
    joined = {step.action.seat.number: step.at_s for step in steps if isinstance(step.action, Join)}
    steps += _audio_only(scenario, seats, joined, random)
    steps += _screens(scenario, seats, joined_at_s)
    steps += _churn(scenario, seats, joined_at_s, random)
    steps += _floor(scenario, seats, joined, ends_at_s, random)
    # A stable sort: what is planned for one instant keeps its order.
    kept = sorted((step for step in steps if step.at_s < ends_at_s), key=lambda step: step.at_s)
    return Plan(scenario.room_count, tuple(kept), joined_at_s, ends_at_s)


def _places(scenario: Scenario, random: Random) -> list[tuple[int, Group]]:
    """Return (room, group) of everybody, in the order they come."""
    rooms = range(scenario.room_count)
    places = []
    for group in scenario.groups:
        # A share of few rooms is one room, not none: what is in a scenario is seen in it.
        wanted = math.ceil(group.share_of_rooms * len(rooms) - 1e-9)
        chosen = rooms if wanted == len(rooms) else sorted(random.sample(rooms, wanted))
        for room in chosen:
            places += [(room, group)] * scenario.per_room(group)
    if scenario.ramp.order is Order.ROOMS:
        places.sort(key=lambda place: place[0])
    elif scenario.ramp.order is Order.RANDOM:
        random.shuffle(places)
    return places


def _links(
    scenario: Scenario, places: Sequence[tuple[int, Group]], random: Random
) -> list[Link | None]:
    """Return each participant's bad network, or None."""
    links: list[Link | None] = [None] * len(places)
    for link in scenario.links:
        possible = [
            index
            for index, (_, group) in enumerate(places)
            if links[index] is None and (not link.groups or group.name in link.groups)
        ]
        wanted = math.ceil(link.share * len(places) - 1e-9)
        for index in random.sample(possible, min(wanted, len(possible))):
            links[index] = link
    return links


def _with_screens(scenario: Scenario, seats: Sequence[Seat]) -> list[Seat]:
    """Let the first of the screen's group in each room offer one."""
    sharing: dict[int, int] = {}
    for seat in seats:
        if seat.group.name == scenario.screen.group:
            sharing.setdefault(seat.room, seat.number)
    sharers = set(sharing.values())
    return [
        Seat(
            seat.number, seat.room, seat.group, seat.link, seat.number in sharers, seat.starts_muted
        )
        for seat in seats
    ]


def _interval_s(scenario: Scenario, people: int) -> float:
    ramp = scenario.ramp
    return 1 / ramp.joins_per_s if ramp.joins_per_s > 0 else ramp.within_s / people


def _audio_only(
    scenario: Scenario, seats: Sequence[Seat], joined: dict[int, float], random: Random
) -> Iterator[Step]:
    wanted = round(scenario.audio_only.share * scenario.room_count)
    chosen = set(random.sample(range(scenario.room_count), wanted))
    complete = {room: 0.0 for room in chosen}
    for seat in seats:
        if seat.room in chosen:
            complete[seat.room] = max(complete[seat.room], joined[seat.number])
    for seat in seats:
        if seat.room in chosen and seat.group.camera is not Camera.OFF:
            at_s = complete[seat.room] + scenario.audio_only.after_s
            yield Step(at_s, Mute(seat.number, TrackSource.CAMERA, True))


def _screens(scenario: Scenario, seats: Sequence[Seat], joined_at_s: float) -> Iterator[Step]:
    screen = scenario.screen
    for seat in seats:
        if seat.shares_screen:
            from_s = joined_at_s + screen.from_s
            yield Step(from_s, Mute(seat.number, TrackSource.SCREEN, False))
            yield Step(from_s + screen.for_s, Mute(seat.number, TrackSource.SCREEN, True))


def _churn(
    scenario: Scenario, seats: Sequence[Seat], joined_at_s: float, random: Random
) -> Iterator[Step]:
    """The one who is in longest leaves; another of its kind comes to the same room."""
    if scenario.churn.per_minute == 0:
        return
    waiting = [seat for seat in seats if seat.group.name == scenario.churn.group]
    interval_s = 60 / scenario.churn.per_minute
    number = len(seats)
    for index in range(1, math.floor(scenario.hold_s / interval_s) + 1):
        at_s = joined_at_s + index * interval_s
        leaving = waiting.pop(0)
        number += 1
        coming = Seat(
            number, leaving.room, leaving.group, leaving.link, False, leaving.starts_muted
        )
        waiting.append(coming)
        yield Step(at_s, Leave(leaving.number))
        # Not at the same instant: a room may be full.
        yield Step(at_s + random.uniform(0.1, 0.5) * interval_s, Join(coming))


def _floor(
    scenario: Scenario,
    seats: Sequence[Seat],
    joined: dict[int, float],
    ends_at_s: float,
    random: Random,
) -> Iterator[Step]:
    """In each room one speaks, then another; never the same twice in a row if there are two."""
    floor = scenario.floor
    if floor.every_s == 0:
        return
    for room in range(scenario.room_count):
        speaking: int | None = None
        for index in range(math.ceil(ends_at_s / floor.every_s)):
            at_s = index * floor.every_s + 1
            able = [
                seat.number
                for seat in seats
                if seat.room == room
                and seat.group.microphone
                and (not floor.groups or seat.group.name in floor.groups)
                and joined[seat.number] < at_s
                and seat.number != speaking
            ]
            if not able:
                continue
            if speaking is not None:
                yield Step(at_s, Mute(speaking, TrackSource.MICROPHONE, True))
            speaking = random.choice(able)
            yield Step(at_s, Mute(speaking, TrackSource.MICROPHONE, False))
