"""People in real browsers see and hear each other through the real service."""

from __future__ import annotations

import asyncio

import pytest

from tests.browser.conftest import Stage
from tests.support.browser import PHONE, Capture, Viewport
from tests.support.participant import (
    Inbound,
    Participant,
    Sight,
    assert_decoded,
    perceive,
    see_and_hear_each_other,
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(120),
]

SIMULCAST = Capture(960, 540, 10)
"""The smallest picture that Chromium still sends in three encodings."""
HEIGHTS = (135, 270, 540)
"""What the page's three encodings make of it."""


async def test_three_participants_see_and_hear_each_other(stage: Stage) -> None:
    room = stage.service.new_room()
    people = await stage.enter_all(
        room,
        ("chromium", "Άννα", "chair"),
        ("firefox", "Βασίλης", "member"),
        ("chromium", "Γιώργος", "member"),
    )
    await see_and_hear_each_other(people)
    for person in people:
        sight = await person.wait(lambda seen: len(seen.participants) == 3, "three people")
        for other in people:
            if other is not person:
                stream = sight.video_of(other.id)
                assert stream is not None
                assert 0 < stream.frame_height <= 360


async def test_firefox_participants_alone_see_and_hear_each_other(stage: Stage) -> None:
    room = stage.service.new_room()
    people = await stage.enter_all(
        room, ("firefox", "Άννα", "member"), ("firefox", "Βασίλης", "member")
    )
    await see_and_hear_each_other(people)


async def test_citizen_and_employee_meet_in_a_kep_room(stage: Stage) -> None:
    people = await stage.enter_all(
        stage.service.kep_room, ("chromium", "Πολίτης", "citizen"), ("firefox", "ΚΕΠ", "employee")
    )
    await see_and_hear_each_other(people)
    for person in people:
        is_offered = await person.probe("isOffered", "chat")
        assert not is_offered


async def test_who_comes_late_sees_at_once_and_who_leaves_is_gone(stage: Stage) -> None:
    room = stage.service.new_room()
    early = await stage.enter_all(
        room, ("chromium", "Άννα", "member"), ("firefox", "Βασίλης", "member")
    )
    await see_and_hear_each_other(early)
    late = await stage.enter(room, "chromium", "Γιώργος")
    await asyncio.gather(
        *(perceive(late, person.id, deadline_s=5) for person in early),
        *(perceive(person, late.id, deadline_s=5) for person in early),
    )
    await late.press("leave")
    for person in early:
        await person.wait(
            lambda seen: seen.person(late.id) is None, "the leaver gone", deadline_s=5
        )
    await see_and_hear_each_other(early)


@pytest.mark.parametrize("publishing", ["chromium", "firefox"])
async def test_simulcast_layer_follows_the_size_of_the_tile(stage: Stage, publishing: str) -> None:
    room = stage.service.new_room()
    publisher = await stage.enter(room, publishing, "Άννα", capture=SIMULCAST)
    small = Viewport(240, 480)
    viewer = await stage.enter(room, "chromium", "Βασίλης", viewport=small)

    async def receives(height: int) -> Sight:
        def is_so(seen: Sight) -> bool:
            stream = seen.video_of(publisher.id)
            return stream is not None and stream.frame_height == height

        return await viewer.wait(is_so, f"{height} lines", deadline_s=15)

    await receives(HEIGHTS[0])
    await viewer.window.resize(Viewport(1600, 1000))
    await viewer.press("view")
    await receives(HEIGHTS[2])
    await viewer.window.resize(small)
    await viewer.press("view")
    before = (await receives(HEIGHTS[0])).video_of(publisher.id)
    assert before is not None
    await perceive(viewer, publisher.id)
    after = (await receives(HEIGHTS[0])).video_of(publisher.id)
    assert after is not None
    # Every switch keeps the stream: one SSRC, one decoder, no error that needs another keyframe.
    assert after.ssrc == before.ssrc
    assert after.frames_dropped - before.frames_dropped <= 5
    assert after.pli_count <= before.pli_count + 1


@pytest.mark.parametrize("viewing", ["chromium", "firefox"])
async def test_speaker_view_switches_without_a_decoder_error(stage: Stage, viewing: str) -> None:
    room = stage.service.new_room()
    viewer, first, second = await stage.enter_all(
        room,
        (viewing, "Θεατής", "member"),
        ("firefox", "Άννα", "member"),
        ("chromium", "Βασίλης", "member"),
    )
    await asyncio.gather(viewer.press("microphone"), second.press("microphone"))
    await viewer.wait(lambda seen: seen.speakers == (first.id,), "the first one speaks")
    await viewer.press("view")
    before = await _follows(viewer, first)
    for speaker, silent in ((second, first), (first, second)):
        await asyncio.gather(silent.press("microphone"), speaker.press("microphone"))
        await _follows(viewer, speaker)
    after = await _follows(viewer, first)
    old, new = _speaker_stream(before), _speaker_stream(after)
    assert old is not None
    assert new is not None
    assert new.ssrc == old.ssrc
    assert_decoded(old, new, switches=2)


async def _follows(viewer: Participant, speaker: Participant) -> Sight:
    """Wait until the viewer's speaker m-line carries the speaker and moves."""

    def is_followed(seen: Sight) -> bool:
        stream = _speaker_stream(seen)
        return stream is not None and stream.participant == speaker.id and stream.frames_decoded > 0

    first = await viewer.wait(is_followed, f"follows {speaker.name}", deadline_s=15)
    stream = _speaker_stream(first)
    assert stream is not None
    decoded = stream.frames_decoded

    def is_moving(seen: Sight) -> bool:
        stream = _speaker_stream(seen)
        return is_followed(seen) and stream is not None and stream.frames_decoded > decoded + 5

    return await viewer.wait(is_moving, f"sees {speaker.name} move", deadline_s=15)


def _speaker_stream(seen: Sight) -> Inbound | None:
    return seen.on_mid(seen.assignment.get("speaker"))


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_ice_restart_keeps_the_call_without_a_gap(stage: Stage, browser: str) -> None:
    room = stage.service.new_room()
    people = await stage.enter_all(
        room, (browser, "Άννα", "member"), ("chromium", "Βασίλης", "member")
    )
    await see_and_hear_each_other(people)
    restarting, other = people
    old = await restarting.wait(lambda seen: True, "sight")
    await asyncio.gather(*(person.start_watch() for person in people))
    # What the page does by itself when the network changes.
    await restarting.window.call("() => window.dispatchEvent(new Event('online'))")
    new = await restarting.wait(
        lambda seen: seen.ice_ufrag != old.ice_ufrag, "credentials of the new ICE session"
    )
    await see_and_hear_each_other(people)
    stalls = [stall for person in people for stall in await person.stop_watch()]
    assert stalls
    assert max(stalls) < 1000
    assert {each.ssrc for each in old.inbound} <= {each.ssrc for each in new.inbound}
    assert other.id in {each.participant for each in new.inbound}


async def test_a_participant_muted_by_the_server_is_inaudible_although_its_page_sends(
    stage: Stage,
) -> None:
    room = stage.service.new_room()
    chair, loud, witness = await stage.enter_all(
        room,
        ("chromium", "Πρόεδρος", "chair"),
        ("firefox", "Άννα", "member"),
        ("chromium", "Βασίλης", "member"),
    )
    await see_and_hear_each_other([chair, loud, witness])
    await chair.forbid_microphone(loud.name)
    await witness.wait(lambda seen: _is_blocked(seen, loud.id), "the grant taken away")
    # The page obeys and mutes itself; a page that does not must be inaudible too.
    await loud.probe("sendSoundAnyway")
    sent_before = await loud.wait(lambda seen: _audio_sent(seen) > 0, "sends audio")
    await loud.wait(
        lambda seen: _audio_sent(seen) > _audio_sent(sent_before) + 100,
        "sends 100 audio packets more",
    )
    # Those still hear each other, so the measure is alive.
    await asyncio.gather(
        perceive(chair, witness.id, sees=False), perceive(witness, chair.id, sees=False)
    )
    sights = [await person.wait(lambda seen: True, "sight") for person in (chair, witness)]
    assert [seen.audio_of(loud.id) for seen in sights] == [None, None]
    assert all(loud.id not in seen.speakers for seen in sights)
    counted = await stage.service.metrics()
    assert _drops(counted, "not_granted") >= 100


def _drops(counted: dict[str, float], reason: str) -> float:
    return sum(
        value
        for name, value in counted.items()
        if name.startswith("sfu_packets_dropped_total") and f'"{reason}"' in name
    )


def _is_blocked(seen: Sight, participant: str) -> bool:
    person = seen.person(participant)
    return person is not None and any(
        track.source == "microphone" and track.is_blocked for track in person.tracks
    )


def _audio_sent(seen: Sight) -> int:
    return sum(each.packets_sent for each in seen.outbound if each.kind == "audio")


@pytest.mark.parametrize("viewing", ["chromium", "firefox"])
async def test_a_screen_is_shared_by_one_more_offer_and_taken_back(
    stage: Stage, viewing: str
) -> None:
    room = stage.service.new_room()
    presenter, viewer = await stage.enter_all(
        room, ("chromium", "Άννα", "chair"), (viewing, "Βασίλης", "member")
    )
    await see_and_hear_each_other([presenter, viewer])

    def frames(seen: Sight) -> int:
        stream = seen.video_of(presenter.id, "screen")
        return stream.frames_decoded if stream else 0

    await presenter.press("screen")
    shown = await viewer.wait(lambda seen: frames(seen) > 0, "a screen")
    await viewer.wait(lambda seen: frames(seen) > frames(shown), "the screen goes on")
    await presenter.press("screen")
    await viewer.wait(lambda seen: seen.video_of(presenter.id, "screen") is None, "no screen")
    await see_and_hear_each_other([presenter, viewer])


async def test_a_phone_takes_part(stage: Stage) -> None:
    room = stage.service.new_room()
    desktop = await stage.enter(room, "chromium", "Άννα")
    phone = await stage.enter(room, "chromium", "Βασίλης", viewport=PHONE)
    await see_and_hear_each_other([desktop, phone])
    assert await phone.probe("overflow") == 0
    assert await phone.probe("unreachableControls") == 0
