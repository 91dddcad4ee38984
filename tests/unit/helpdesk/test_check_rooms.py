"""Rooms of the check: a bounded number, gone a minute later, whoever is still in them."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from sfu import rpc_messages as rpc
from sfu.values import RoomClass
from signaling.helpdesk.check_rooms import LIFETIME_S, CheckRooms, TooManyChecks
from signaling.room_session import RoomDescription
from signaling.rooms import RoomTable


@dataclass
class World:
    """A room table and what was asked of the worker."""

    table: RoomTable = field(default_factory=lambda: RoomTable([]))
    asked: list[rpc.Request] = field(default_factory=list)

    def rooms(self, max_rooms: int = 3) -> CheckRooms:
        return CheckRooms(self.table, max_rooms, self.asked.append)


def test_a_room_is_unlisted_of_class_council_and_forgotten_after_a_minute() -> None:
    world = World()
    rooms = world.rooms()
    room = rooms.open("a", 100.0).room
    assert not world.table.is_listed(room)
    described = world.table.describe(room)
    assert described is not None and described.room_class is RoomClass.COUNCIL
    rooms.handle_timeout(100.0 + LIFETIME_S - 0.1)
    assert world.table.describe(room) is not None
    rooms.handle_timeout(100.0 + LIFETIME_S)
    assert world.table.describe(room) is None and len(rooms) == 0
    assert world.asked == []


def test_a_room_with_people_is_closed_first_and_asked_again_until_it_is_gone() -> None:
    world = World()
    rooms = world.rooms()
    room = rooms.open("a", 0.0).room
    entry = world.table.entry(room)
    assert entry is not None
    entry.worker = "council"
    for _ in range(2):
        rooms.handle_timeout(LIFETIME_S)
    closing = rpc.CloseRoom(room=room, reason="time_over")
    assert world.asked == [closing, closing] and world.table.describe(room) is not None
    world.table.handle_event(rpc.RoomClosed(room=room, reason="time_over"))
    rooms.handle_timeout(LIFETIME_S + 1)
    assert world.table.describe(room) is None


def test_no_more_than_allowed_run_at_once() -> None:
    rooms = World().rooms(max_rooms=2)
    rooms.open("a", 0.0)
    rooms.open("b", 10.0)
    with pytest.raises(TooManyChecks) as refusal:
        rooms.open("c", 20.0)
    assert refusal.value.retry_after_s == LIFETIME_S - 20
    rooms.handle_timeout(LIFETIME_S)
    rooms.open("c", LIFETIME_S)


def test_rooms_of_a_process_that_died_are_closed_too() -> None:
    world = World()
    world.table.add(RoomDescription("check-old", RoomClass.COUNCIL, "x"))
    world.table.add(RoomDescription("a-sitting", RoomClass.COUNCIL, "x"))
    rooms = world.rooms()
    rooms.handle_timeout(5.0)
    rooms.handle_timeout(5.0 + LIFETIME_S)
    assert world.table.describe("check-old") is None
    assert world.table.describe("a-sitting") is not None
