"""The life of rooms in a worker, in virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sfu import rpc_messages as messages
from sfu.config import MediaConfig, WorkerConfig
from sfu.errors import UnknownRoom, WrongWorkerClass
from sfu.negotiation import Negotiator
from sfu.room import RESUME_WINDOW_S
from sfu.room_host import EMPTY_ROOM_S, RoomGone, RoomHost, RoomOpened
from sfu.values import Grants, Role, RoomClass
from tests.support.rooms import digest

CLOSED = messages.RoomClosed(room="plenary", reason="empty")


class Driver:
    """A host and its clock."""

    def __init__(self) -> None:
        config = WorkerConfig("council-0", RoomClass.COUNCIL, Path("w.sock"), media=MediaConfig())
        self.host = RoomHost(
            config, "incarnation", lambda: Negotiator.__new__(Negotiator)
        )  # nobody offers
        self.now = 1000.0

    def do(self, request: messages.Request) -> list[Any]:
        return list(self.host.handle_request(request, self.now)[1])

    def open(self) -> list[Any]:
        return self.do(
            messages.OpenRoom(room="plenary", room_class=RoomClass.COUNCIL, title="Plenary")
        )

    def join(self, participant: str) -> None:
        self.do(
            messages.Join(
                room="plenary",
                participant=participant,
                subject=participant,
                display_name=participant,
                role=Role.MEMBER,
                grants=Grants(),
                secret_digest=digest(participant),
            )
        )

    def wait(self, seconds: float, tick_s: float = 0.25) -> list[Any]:
        """Let time pass in ticks; quarters of a second are exact in binary."""
        outputs: list[Any] = []
        end = self.now + seconds
        while self.now < end:
            self.now += tick_s
            outputs += self.host.handle_timeout(self.now)
        return outputs


def test_a_room_that_nobody_joins_is_closed_and_may_be_opened_again() -> None:
    driver = Driver()
    assert driver.open() == [RoomOpened("plenary")]

    assert driver.wait(EMPTY_ROOM_S - 0.25) == []
    assert driver.wait(0.25) == [("plenary", [CLOSED]), RoomGone("plenary")]

    with pytest.raises(UnknownRoom):
        driver.join("anna")
    assert driver.open() == [RoomOpened("plenary")]
    driver.join("anna")


def test_an_occupied_room_stays_and_the_time_runs_from_the_last_who_left() -> None:
    driver = Driver()
    driver.open()
    driver.wait(EMPTY_ROOM_S / 2)
    driver.join("anna")
    assert driver.wait(10 * EMPTY_ROOM_S) == []

    driver.do(messages.Leave(room="plenary", participant="anna", reason="left"))
    assert driver.wait(EMPTY_ROOM_S) == []  # counted from the first tick that saw it empty
    assert RoomGone("plenary") in driver.wait(0.25)


def test_who_may_still_resume_keeps_the_room() -> None:
    driver = Driver()
    driver.open()
    driver.join("anna")
    driver.do(messages.Detach(room="plenary", participant="anna"))

    outputs = driver.wait(RESUME_WINDOW_S + EMPTY_ROOM_S - 0.25)

    left = messages.ParticipantLeft(room="plenary", participant="anna", reason="lost")
    assert outputs == [("plenary", [left])]
    assert RoomGone("plenary") in driver.wait(0.25)


def test_opening_an_empty_room_again_gives_it_its_full_time() -> None:
    """A join opens first: the room cannot be closed between the two calls."""
    driver = Driver()
    driver.open()
    driver.wait(EMPTY_ROOM_S - 0.25)

    assert driver.open() == []

    assert driver.wait(EMPTY_ROOM_S - 0.25) == []
    driver.join("anna")
    assert driver.wait(EMPTY_ROOM_S) == []


def test_a_short_visit_between_two_ticks_counts() -> None:
    driver = Driver()
    driver.open()
    driver.wait(EMPTY_ROOM_S - 0.5)
    driver.join("anna")
    driver.wait(0.25)
    driver.do(messages.Leave(room="plenary", participant="anna", reason="left"))

    assert driver.wait(EMPTY_ROOM_S) == []


def test_a_refused_opening_leaves_nothing_behind() -> None:
    driver = Driver()
    request = messages.OpenRoom(room="kep-1", room_class=RoomClass.KEP, title="")

    with pytest.raises(WrongWorkerClass):
        driver.do(request)

    assert driver.host._empty_since == {}
    assert len(driver.host) == 0
