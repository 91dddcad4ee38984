"""A person in a room, in a real browser, on the real page.

It enters through the lobby and presses the page's controls. What it sees and hears comes from the
page's read-only `window.synedrion` and the browser's own WebRTC statistics.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec

from tests.support.browser import DEADLINE_S, Window, eventually

_PROBE = Path(__file__).with_name("room_probe.js").read_text(encoding="utf-8")


async def probe(window: Window, function: str, *arguments: Any) -> Any:
    """Return what a function of room_probe.js returns in the window's page."""
    return await window.call(f"(...values) => {_PROBE}.{function}(...values)", *arguments)


class Inbound(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One received RTP stream. Counters since the transport began, 0 if a browser has none."""

    mid: str
    kind: str
    ssrc: int
    participant: str | None = None
    """Whom the server says the m-line carries now."""
    source: str | None = None
    codec: str | None = None
    """`video/VP8` and the like, of the latest packet."""
    packets_received: int = 0
    bytes_received: int = 0
    packets_lost: int = 0
    frames_decoded: int = 0
    key_frames_decoded: int = 0
    frames_dropped: int = 0
    freeze_count: int = 0
    frame_height: int = 0
    total_audio_energy: float = 0.0
    total_samples_duration: float = 0.0
    pli_count: int = 0


class Outbound(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One sent RTP stream: with simulcast one of each rid."""

    kind: str
    rid: str | None = None
    codec: str | None = None
    """`video/VP8` and the like."""
    scalability_mode: str | None = None
    packets_sent: int = 0
    frames_encoded: int = 0
    frame_height: int = 0


class Track(msgspec.Struct, frozen=True):
    """A track somebody offers."""

    source: str
    is_muted: bool
    is_blocked: bool


class Person(msgspec.Struct, frozen=True):
    """Somebody in the room."""

    participant: str
    display_name: str
    tracks: tuple[Track, ...]
    hand_raised_order: int | None
    is_connected: bool


class ChatEntry(msgspec.Struct, frozen=True):
    """A message shown."""

    participant: str
    text: str


class Sight(msgspec.Struct, frozen=True):
    """What one participant sees at one moment."""

    link: str
    self: Annotated[str, msgspec.Meta(min_length=1)]
    participants: tuple[Person, ...]
    speakers: tuple[str, ...]
    chat: tuple[ChatEntry, ...]
    media_state: str
    connection: str
    ice_ufrag: str
    """Of the offer in force."""
    assignment: dict[str, str]
    inbound: tuple[Inbound, ...]
    outbound: tuple[Outbound, ...]

    def video_of(self, participant: str, source: str = "camera") -> Inbound | None:
        """Return the stream that carries the participant's picture now."""
        return self._carrying("video", participant, source)

    def audio_of(self, participant: str) -> Inbound | None:
        """Return the stream that carries the participant's voice now."""
        return self._carrying("audio", participant, "microphone")

    def person(self, participant: str) -> Person | None:
        """Return what is known of the participant."""
        return next((each for each in self.participants if each.participant == participant), None)

    def on_mid(self, mid: str | None) -> Inbound | None:
        """Return the stream of an m-line."""
        return next((each for each in self.inbound if each.mid == mid), None)

    def _carrying(self, kind: str, participant: str, source: str) -> Inbound | None:
        wanted = (kind, participant, source)
        return next(
            (each for each in self.inbound if (each.kind, each.participant, each.source) == wanted),
            None,
        )


class Participant:
    """Drives the page of one person."""

    def __init__(self, window: Window, name: str) -> None:
        self.window = window
        self.name = name
        self.id = ""
        """Participant id, known after `enter`."""

    async def probe(self, function: str, *arguments: Any) -> Any:
        """Return what a function of room_probe.js returns in this page."""
        return await probe(self.window, function, *arguments)

    async def enter(
        self, address: str, *, role: str = "member", wants_devices: bool = True
    ) -> None:
        """Open the room at `address`, pass the lobby, wait until the media flows."""
        await self.window.open(address)
        await self.wait_for_lobby(wants_devices=wants_devices)
        await self.probe("enter", self.name, role)
        sight = await self.wait(lambda seen: seen.connection == "connected", "media connected")
        self.id = sight.self

    async def wait_for_lobby(self, *, wants_devices: bool = True) -> None:
        """Wait until the lobby shows the camera."""

        async def is_ready() -> bool:
            return bool(await self.probe("lobbyIsReady", wants_devices))

        await eventually(is_ready, bool, f"lobby of {self.name} ready")

    async def see(self) -> Sight | None:
        """Return what is seen now; None while not in a call."""
        seen: Any = await self.probe("sight")
        return None if seen is None else msgspec.convert(seen, Sight, strict=False)

    async def wait(
        self, is_met: Callable[[Sight], bool], what: str, *, deadline_s: float = DEADLINE_S
    ) -> Sight:
        """Return the first sight that `is_met` holds for; see `browser.eventually`."""
        seen = await eventually(
            self.see,
            lambda sight: sight is not None and is_met(sight),
            f"{self.name} ({self.window.browser}): {what}",
            deadline_s=deadline_s,
        )
        assert seen is not None
        return seen

    async def press(self, control: str) -> None:
        """Press a control of the toolbar, such as `microphone`, `view` or `leave`."""
        await self.probe("press", control)

    async def say(self, text: str) -> None:
        """Send a chat message; the panel must be open."""
        await self.probe("say", text)

    async def forbid_microphone(self, name: str) -> None:
        """As a moderator, take the microphone of who is called `name` away."""
        await self.press("participants")

        async def is_open() -> bool:
            return bool(await self.probe("openActions", name))

        await eventually(is_open, bool, f"actions on {name}")
        await self.probe("forbidMicrophone")
        await self.press("participants")

    async def start_watch(self) -> None:
        """Begin to measure stalls of the video streams received by the present transport."""
        await self.probe("startWatch")

    async def stop_watch(self) -> list[float]:
        """Return each stream's longest time without a packet since `start_watch`, in ms."""
        stalls: list[float] = await self.probe("stopWatch")
        return stalls


def assert_decoded(before: Inbound, after: Inbound, *, switches: int) -> None:
    """Most pictures were decoded between two looks at a stream that was switched so often."""
    decoded = after.frames_decoded - before.frames_decoded
    assert decoded > 10
    # Who cannot decode drops all that comes; who waits for a core now and then some of it.
    assert after.frames_dropped - before.frames_dropped <= max(5 * switches, decoded)
    # One while a keyframe is under way, short ones of encoders that wait for a core; not for good.
    assert after.freeze_count - before.freeze_count <= 1 + switches + decoded // 10


async def see_and_hear_each_other(
    people: list[Participant], *, deadline_s: float = DEADLINE_S
) -> None:
    """Wait until everybody's picture moves and voice sounds at everybody else, from now on.

    Raises:
        AssertionError: somebody does not see or hear somebody.
    """
    await asyncio.gather(
        *(
            perceive(viewer, other.id, deadline_s=deadline_s)
            for viewer in people
            for other in people
            if viewer is not other
        )
    )


async def perceive(
    viewer: Participant, other: str, *, sees: bool = True, hears: bool = True,
    deadline_s: float = DEADLINE_S,
) -> None:  # fmt: skip
    """Wait until `viewer` sees `other` move and hears it, counted from now."""
    base = await viewer.see()

    def frames(sight: Sight | None) -> int:
        stream = sight.video_of(other) if sight else None
        return stream.frames_decoded if stream else 0

    def energy(sight: Sight | None) -> float:
        stream = sight.audio_of(other) if sight else None
        return stream.total_audio_energy if stream else 0.0

    first = await viewer.wait(
        lambda sight: (not sees or frames(sight) > 0) and (not hears or energy(sight) > 0),
        f"sees and hears {other} at all (before: {base!r})",
        deadline_s=deadline_s,
    )
    await viewer.wait(
        lambda sight: (
            (not sees or frames(sight) > frames(first) + 5)
            and (not hears or energy(sight) > energy(first))
        ),
        f"goes on to see and hear {other}",
        deadline_s=deadline_s,
    )
