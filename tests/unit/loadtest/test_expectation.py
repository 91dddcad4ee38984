"""What the judge is told to expect follows from the roster and the layout."""

from __future__ import annotations

from typing import Any

import pytest

from loadtest.expectation import Expectation, layer_height, name_of, number_of
from sfu.values import ParticipantInfo, Role, TrackInfo, TrackSource

MICROPHONE = TrackInfo(source=TrackSource.MICROPHONE)
CAMERA = TrackInfo(source=TrackSource.CAMERA)


def person(number: int, *tracks: TrackInfo, name: str | None = None) -> ParticipantInfo:
    return ParticipantInfo(
        participant=f"p{number}",
        display_name=name or name_of(number),
        role=Role.MEMBER,
        tracks=tracks,
    )


def expectation(*others: ParticipantInfo) -> Expectation:
    made = Expectation(me="p1")
    for each in (person(1, MICROPHONE, CAMERA), *others):
        made.note(each)
    return made


def wish(who: int, **more: Any) -> dict[str, Any]:
    return {"mid": "v0", "participant": f"p{who}", "max_height": 360, **more}


@pytest.mark.parametrize(
    ("max_height", "height"), [(90, 180), (240, 180), (241, 360), (720, 720), (2160, 720)]
)
def test_the_layer_is_the_smallest_that_is_sharp_enough(max_height: int, height: int) -> None:
    assert layer_height(max_height, (180, 360, 720)) == height


def test_names_and_numbers_are_told_apart_from_those_of_people() -> None:
    assert number_of(name_of(12)) == 12
    assert [number_of(name) for name in ("Άννα", "load-", "load-x", "12")] == [None] * 4


def test_who_is_wished_for_and_sends_ought_to_come_oneself_never() -> None:
    command = expectation(person(2, MICROPHONE, CAMERA)).command(1, [wish(2)])
    assert command == {
        "command": "expect",
        "id": 1,
        "video": [
            {"mid": "v0", "source": "camera", "is_muted": False, "publisher": 2, "height": 360}
        ],
        "audio": [2],
    }


@pytest.mark.parametrize("change", [{"is_muted": True}, {"is_blocked": True}])
def test_the_muted_and_the_blocked_need_not_come(change: dict[str, bool]) -> None:
    microphone = TrackInfo(source=TrackSource.MICROPHONE, **change)
    camera = TrackInfo(source=TrackSource.CAMERA, **change)
    command = expectation(person(2, microphone, camera)).command(1, [wish(2)])
    assert command["audio"] == []
    assert command["video"] == [{"mid": "v0", "source": "camera", "is_muted": True, "publisher": 2}]


def test_with_more_voices_than_streams_nobodys_silence_is_a_fault() -> None:
    others = [person(number, MICROPHONE) for number in range(2, 6)]
    assert expectation(*others[:3]).command(1, [])["audio"] == [2, 3, 4]
    assert expectation(*others).command(1, [])["audio"] == []


def test_paused_tiles_expect_nothing_and_speakers_and_browsers_anybody() -> None:
    others = expectation(person(2, CAMERA), person(3, CAMERA, name="Βασίλης"))
    assert others.command(1, [wish(2, max_height=0)])["video"] == []
    anybody = [{"mid": "v0", "source": "camera", "is_muted": True}]
    assert others.command(1, [{"mid": "v0", "speaker": True}])["video"] == anybody
    assert others.command(1, [wish(3)])["video"] == anybody


def test_who_left_is_not_expected() -> None:
    others = expectation(person(2, MICROPHONE, CAMERA))
    others.forget("p2")
    command = others.command(1, [wish(2)])
    assert command["audio"] == [] and "publisher" not in command["video"][0]
