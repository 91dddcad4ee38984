"""Cameras sent in every video codec, by simulcast and by SVC, are seen to move in real browsers; RED is
heard by who cannot take it.

Firefox has no H.264 here: its decoder is downloaded at run time, and nothing is in a test.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.browser.conftest import Stage
from tests.support.browser import Capture, Sending, Viewport
from tests.support.chromium import running_chromium
from tests.support.participant import Inbound, Participant, Sight, assert_decoded, perceive

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(120),
]

CAPTURE = Capture(960, 540, 10)
"""The smallest picture that Chromium still sends in three encodings."""
CAPTURE_OF_EVEN_LAYERS = Capture(1024, 576, 10)
"""H.264 has no odd heights: its 135 lines would be 134, not enough for a tile that takes 135."""
SMALL_CAPTURE = Capture(320, 180, 5)
SMALL = Viewport(240, 480)
LARGE = Viewport(1600, 1000)
LOWEST, HIGHEST = range(130, 148), range(536, 580)
"""Heights of the lowest and of the highest of three layers, as an encoder may round them."""
CODECS = ("VP8", "H264", "VP9", "AV1")
FIREFOX_CODECS = ("VP8", "VP9", "AV1")
SCALABILITY = [
    ("VP9", "L3T3_KEY"), ("VP9", "L3T3"), ("AV1", "L3T3_KEY"), ("AV1", "L3T3"), ("AV1", "L1T3"),
]  # fmt: skip


async def enter_viewer(stage: Stage, room: str, browser: str) -> Participant:
    """Let somebody in who sends little and shows the others in small tiles."""
    return await stage.enter(room, browser, "Βασίλης", viewport=SMALL, capture=SMALL_CAPTURE)


async def shows(viewer: Participant, sender: Participant, codec: str, heights: range) -> Inbound:
    """Wait until the viewer's picture of `sender` is of this codec and height, and moves."""

    def stream(seen: Sight) -> Inbound | None:
        found = seen.video_of(sender.id)
        is_meant = (
            found is not None
            and found.codec == f"video/{codec}"
            and found.frame_height in heights
            and found.frames_decoded > 0
        )
        return found if is_meant else None

    what = f"{codec} of {heights.start} to {heights.stop - 1} lines"
    first = stream(await viewer.wait(lambda seen: stream(seen) is not None, what, deadline_s=30))
    assert first is not None

    def is_moving(seen: Sight) -> bool:
        now = stream(seen)
        return now is not None and now.frames_decoded > first.frames_decoded + 10

    moving = stream(await viewer.wait(is_moving, f"{what} moves", deadline_s=30))
    assert moving is not None
    return moving


def assert_unbroken(before: Inbound, after: Inbound, *, switches: int = 2) -> None:
    """The stream went on through switches: one SSRC, and no frame that could not be decoded."""
    assert after.ssrc == before.ssrc
    assert after.pli_count <= before.pli_count + 1, "who cannot decode asks for a keyframe"
    assert_decoded(before, after, switches=switches)


async def bytes_a_second(viewer: Participant, sender: Participant) -> float:
    """Return what the sender's picture costs the viewer, over 2 s."""
    counts = []
    for wait_s in (0.0, 2.0):
        await asyncio.sleep(wait_s)
        seen = await viewer.see()
        stream = seen.video_of(sender.id) if seen is not None else None
        assert stream is not None
        counts.append(stream.bytes_received)
    return (counts[1] - counts[0]) / 2


@pytest.mark.parametrize("codec", CODECS)
async def test_every_codec_is_seen_by_every_browser_across_layers(stage: Stage, codec: str) -> None:
    room = stage.service.new_room()
    capture = CAPTURE_OF_EVEN_LAYERS if codec == "H264" else CAPTURE
    sender = await stage.enter(room, "chromium", "Άννα", capture=capture, sending=Sending(codec))
    other = "firefox" if codec in FIREFOX_CODECS else "chromium"
    viewers = await asyncio.gather(
        *(enter_viewer(stage, room, browser) for browser in ("chromium", other))
    )

    async def follow_the_tile(viewer: Participant) -> None:
        before = await shows(viewer, sender, codec, LOWEST)
        await viewer.window.resize(LARGE)
        await shows(viewer, sender, codec, HIGHEST)
        await viewer.window.resize(SMALL)
        assert_unbroken(before, await shows(viewer, sender, codec, LOWEST))

    await asyncio.gather(*map(follow_the_tile, viewers))


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_one_stream_carries_people_of_different_codecs_in_turn(
    stage: Stage, browser: str
) -> None:
    codecs = CODECS if browser == "chromium" else FIREFOX_CODECS
    room = stage.service.new_room()
    viewer = await enter_viewer(stage, room, browser)
    streams: list[Inbound] = []
    async with own_machines(stage, len(codecs)) as stages:
        senders = await asyncio.gather(
            *(
                each.enter(room, "chromium", codec, capture=SMALL_CAPTURE, sending=Sending(codec))
                for each, codec in zip(stages, codecs, strict=True)
            )
        )
        await asyncio.gather(*(sender.press("microphone") for sender in senders))
        await viewer.press("microphone")
        await viewer.press("view")
        for sender, codec in [*zip(senders, codecs, strict=True), (senders[0], codecs[0])]:
            await sender.press("microphone")
            streams.append(await follows(viewer, sender, codec))
            await sender.press("microphone")
    assert len({stream.ssrc for stream in streams}) == 1
    assert_unbroken(streams[0], streams[-1], switches=len(codecs))


@contextlib.asynccontextmanager
async def own_machines(stage: Stage, count: int) -> AsyncIterator[list[Stage]]:
    """Start a Chromium more for each of `count` people.

    Windows of one Chromium share its fake camera. Each drops other frames to come to its own rate,
    and once five windows hold all of the camera's few buffers it stands still for all of them.
    """
    async with contextlib.AsyncExitStack() as stack:
        running = [await stack.enter_async_context(running_chromium()) for _ in range(count)]
        yield [Stage(stage.service, {"chromium": each}, stage.windows) for each in running]


async def follows(viewer: Participant, speaker: Participant, codec: str) -> Inbound:
    """Wait until the viewer's speaker m-line carries the speaker in this codec and moves."""

    def stream(seen: Sight) -> Inbound | None:
        found = seen.on_mid(seen.assignment.get("speaker"))
        is_meant = (
            found is not None
            and found.participant == speaker.id
            and found.codec == f"video/{codec}"
        )
        return found if is_meant else None

    first = stream(await viewer.wait(lambda seen: stream(seen) is not None, f"follows {codec}"))
    assert first is not None

    def is_moving(seen: Sight) -> bool:
        now = stream(seen)
        return now is not None and now.frames_decoded > first.frames_decoded + 8

    moving = stream(await viewer.wait(is_moving, f"{codec} moves"))
    assert moving is not None
    return moving


@pytest.mark.parametrize(("codec", "mode"), SCALABILITY)
async def test_svc_viewers_get_the_layers_their_tiles_need(
    stage: Stage, codec: str, mode: str
) -> None:
    room = stage.service.new_room()
    sending = Sending(codec, mode)
    sender = await stage.enter(room, "chromium", "Άννα", capture=CAPTURE, sending=sending)
    await sender.wait(lambda seen: sending_mode(seen) == mode, f"sends {mode}")
    viewers = await asyncio.gather(
        *(enter_viewer(stage, room, browser) for browser in ("chromium", "firefox"))
    )
    has_layers = mode.startswith("L3")
    low = LOWEST if has_layers else HIGHEST

    async def follow_the_tile(viewer: Participant) -> None:
        before = await shows(viewer, sender, codec, low)
        cheap = await bytes_a_second(viewer, sender) if has_layers else 0.0
        await viewer.window.resize(LARGE)
        await shows(viewer, sender, codec, HIGHEST)
        if has_layers:
            assert cheap * 2 < await bytes_a_second(viewer, sender)
        await viewer.window.resize(SMALL)
        assert_unbroken(before, await shows(viewer, sender, codec, low))

    await asyncio.gather(*map(follow_the_tile, viewers))


def sending_mode(seen: Sight) -> str | None:
    modes = {each.scalability_mode for each in seen.outbound if each.kind == "video"}
    return modes.pop() if len(modes) == 1 else None


async def test_red_is_heard_by_who_cannot_take_it(stage: Stage) -> None:
    room = stage.service.new_room()
    speaker, with_red, without = await stage.enter_all(
        room,
        ("chromium", "Άννα", "member"),
        ("chromium", "Βασίλης", "member"),
        ("firefox", "Γιώργος", "member"),
    )
    assert await speaker.probe("agreedCodec", "audio") == "audio/red"
    for listener in (with_red, without):
        await perceive(listener, speaker.id, sees=False)

    sizes = [await bytes_a_packet(listener, speaker) for listener in (with_red, without)]
    # The same sound: twice to who takes RED, once to who does not.
    assert sizes[1] * 1.3 < sizes[0], sizes


async def bytes_a_packet(listener: Participant, speaker: Participant) -> float:
    """Return the mean size of the packets of the speaker's voice."""
    seen = await listener.wait(
        lambda seen: (
            (stream := seen.audio_of(speaker.id)) is not None and stream.packets_received > 200
        ),
        "200 packets of a voice",
    )
    stream = seen.audio_of(speaker.id)
    assert stream is not None
    return stream.bytes_received / stream.packets_received
