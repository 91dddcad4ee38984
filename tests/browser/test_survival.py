"""Calls survive the death of the processes around them."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.browser.conftest import Stage
from tests.support.participant import Sight, perceive, see_and_hear_each_other

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(120),
]

LONGEST_STALL_MS = 1000
"""Of a picture every 100 ms, on a machine whose two cores encode and decode three calls."""
MEDIA_BACK_S = 5.0


async def test_media_goes_on_while_the_control_plane_dies_and_comes_back(stage: Stage) -> None:
    service = stage.service
    people = await stage.enter_all(
        service.new_room(),
        ("chromium", "Άννα", "member"),
        ("firefox", "Βασίλης", "member"),
        ("chromium", "Γιώργος", "chair"),
    )
    await see_and_hear_each_other(people)
    raised = people[0]
    await raised.press("hand")
    for person in people:
        await person.wait(lambda seen: _has_hand(seen, raised.id), "the hand")
        await person.probe("rememberTransport")
    await asyncio.gather(*(person.start_watch() for person in people))

    service.kill(service.control_plane_id())
    for person in people:
        await person.wait(lambda seen: seen.link == "lost", "the lost link", deadline_s=5)
    await service.wait_until_ready()
    resumed = [
        await person.wait(lambda seen: seen.link == "connected", "resumed", deadline_s=15)
        for person in people
    ]

    stalls = [stall for person in people for stall in await person.stop_watch()]
    assert len(stalls) >= 6
    assert max(stalls) < LONGEST_STALL_MS
    for person, seen in zip(people, resumed, strict=True):
        assert seen.self == person.id
        assert _has_hand(seen, raised.id)
        assert {each.participant for each in seen.participants} == {each.id for each in people}
        assert all(each.is_connected for each in seen.participants if each.participant == person.id)
        assert await person.probe("isSameTransport")
    await see_and_hear_each_other(people)
    # The room was adopted whole: somebody new finds it as it is.
    late = await stage.enter(_room_of(stage), "chromium", "Δήμητρα")
    await asyncio.gather(*(perceive(late, person.id) for person in people))


async def test_media_is_back_by_itself_soon_after_a_worker_dies(stage: Stage) -> None:
    service = stage.service
    people = await stage.enter_all(
        service.new_room(), ("chromium", "Άννα", "member"), ("firefox", "Βασίλης", "member")
    )
    await see_and_hear_each_other(people)
    for person in people:
        await person.probe("rememberTransport")

    killed_at = time.monotonic()
    service.kill(service.worker_id("council"))

    async def sees_again(viewer_index: int) -> float:
        viewer, other = people[viewer_index], people[1 - viewer_index]

        def is_back(seen: Sight) -> bool:
            # Ids are new: the room's state died with the worker.
            return any(
                each.kind == "video"
                and each.participant not in (None, viewer.id)
                and each.frames_decoded > 0
                for each in seen.inbound
            )

        while await viewer.probe("isSameTransport"):
            assert time.monotonic() - killed_at < 20, f"{viewer.name} made no new transport"
            await asyncio.sleep(0.05)
        await viewer.wait(is_back, f"{other.name} again")
        return time.monotonic() - killed_at

    back_s = await asyncio.gather(*(sees_again(index) for index in range(2)))
    assert max(back_s) <= MEDIA_BACK_S
    await service.wait_until_ready()
    for person in people:
        person.id = (await person.wait(lambda seen: len(seen.participants) == 2, "both again")).self
    await see_and_hear_each_other(people)


async def test_a_lost_socket_is_resumed_and_media_never_stops(stage: Stage) -> None:
    people = await stage.enter_all(
        stage.service.new_room(), ("chromium", "Άννα", "member"), ("firefox", "Βασίλης", "member")
    )
    await see_and_hear_each_other(people)
    await asyncio.gather(*(person.start_watch() for person in people))
    for person in people:
        await person.window.call("() => window.synedrion.loseSocket()")
    for person in people:
        seen = await person.wait(lambda seen: seen.link == "connected", "resumed", deadline_s=15)
        assert seen.self == person.id
    await see_and_hear_each_other(people)
    stalls = [stall for person in people for stall in await person.stop_watch()]
    assert max(stalls) < LONGEST_STALL_MS


def _has_hand(seen: Sight, participant: str) -> bool:
    person = seen.person(participant)
    return person is not None and person.hand_raised_order == 1


def _room_of(stage: Stage) -> str:
    return f"{stage.service.base}/rooms/council-{stage.service.rooms_given}"
