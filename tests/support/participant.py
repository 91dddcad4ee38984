"""A person in a room, in a real browser, on the real page: enters through the lobby, presses its controls, sees and hears.

What it sees comes from the page's read-only `window.synedrion` and the browser's own WebRTC statistics.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec

from tests.support.browser import DEADLINE_S, Window, eventually

ENTER = """async (name, role) => {
  document.querySelector('#name').value = name;
  document.querySelector('#role').value = role;
  document.querySelector('.lobby-join').click();
}"""
LOBBY_IS_READY = """async (wantsDevices) => {
  const join = document.querySelector('.lobby-join');
  const shown = document.querySelector('.preview-video');
  return join !== null && !join.disabled && (!wantsDevices || shown?.srcObject?.active === true);
}"""
SIGHT = """async () => {
  const { peerConnection, state, link, assignment } = window.synedrion;
  if (state === null || peerConnection === null) return null;
  const report = [...(await peerConnection.getStats()).values()];
  const mids = new Map(peerConnection.getTransceivers().flatMap(({ mid, receiver }) => [[receiver.track.id, mid]]));
  const streams = (type) => report.filter((each) => each.type === type && (type === 'outbound-rtp' || each.packetsReceived));
  const carries = (mid) => {
    const { participant = null, source = null } = state.sources.get(mid) ?? {};
    return { participant, source };
  };
  return {
    link,
    self: state.self,
    participants: [...state.participants.values()],
    speakers: [...state.speakers],
    chat: state.chat,
    media_state: state.mediaState,
    connection: peerConnection.connectionState,
    local_sdp: peerConnection.currentLocalDescription?.sdp ?? '',
    assignment: Object.fromEntries(assignment),
    inbound: streams('inbound-rtp').map((each) => {
      const mid = each.mid ?? mids.get(each.trackIdentifier);
      return { ...each, mid, ...carries(mid) };
    }),
    outbound: streams('outbound-rtp'),
  };
}"""
START_WATCH = """async () => {
  const { peerConnection } = window.synedrion;
  const watch = { last: new Map(), longest: new Map(), isOn: true };
  window.watchOfStalls = watch;
  const look = async () => {
    if (!watch.isOn) return;
    const now = performance.now();
    for (const each of (await peerConnection.getStats()).values()) {
      if (each.type !== 'inbound-rtp' || each.kind !== 'video') continue;
      const last = watch.last.get(each.ssrc);
      if (last === undefined || last.packets !== each.packetsReceived) {
        watch.last.set(each.ssrc, { packets: each.packetsReceived, at: now });
      } else {
        watch.longest.set(each.ssrc, Math.max(watch.longest.get(each.ssrc) ?? 0, now - last.at));
      }
    }
    setTimeout(look, 40);
  };
  await look();
}"""
STOP_WATCH = """async () => {
  const watch = window.watchOfStalls;
  watch.isOn = false;
  return [...watch.last].filter(([, last]) => last.packets > 0).map(([ssrc]) => watch.longest.get(ssrc) ?? 0);
}"""


class Inbound(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One received RTP stream. Counters since the transport began; 0 where a browser does not count."""

    mid: str
    kind: str
    ssrc: int
    participant: str | None = None
    """Whom the server says the m-line carries now."""
    source: str | None = None
    packets_received: int = 0
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
    local_sdp: str
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

    async def enter(
        self, address: str, *, role: str = "member", wants_devices: bool = True
    ) -> None:
        """Open the room at `address`, pass the lobby, wait until the media flows."""
        await self.window.open(address)
        await self.wait_for_lobby(wants_devices=wants_devices)
        await self.window.call(ENTER, self.name, role)
        sight = await self.wait(lambda seen: seen.connection == "connected", "media connected")
        self.id = sight.self

    async def wait_for_lobby(self, *, wants_devices: bool = True) -> None:
        """Wait until the lobby shows the camera."""

        async def is_ready() -> bool:
            return bool(await self.window.call(LOBBY_IS_READY, wants_devices))

        await eventually(is_ready, bool, f"lobby of {self.name} ready")

    async def see(self) -> Sight | None:
        """Return what is seen now; None while not in a call."""
        seen: Any = await self.window.call(SIGHT)
        return None if seen is None else msgspec.convert(seen, Sight, strict=False)

    async def wait(
        self, is_met: Any, what: str, *, deadline_s: float = DEADLINE_S
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
        """Press a control of the toolbar: `microphone`, `camera`, `screen`, `hand`, `chat`, `view`, `leave`."""
        await self.window.call(f"async () => document.querySelector('.control-{control}').click()")

    async def say(self, text: str) -> None:
        """Send a chat message; the panel must be open."""
        await self.window.call(
            """async (text) => {
              document.querySelector('#chat-input').value = text;
              document.querySelector('.chat-send').click();
            }""",
            text,
        )

    async def start_watch(self) -> None:
        """Begin to measure stalls of the video streams received by the present transport."""
        await self.window.call(START_WATCH)

    async def stop_watch(self) -> list[float]:
        """Return each stream's longest time without a packet since `start_watch`, in milliseconds."""
        stalls: list[float] = await self.window.call(STOP_WATCH)
        return stalls


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
        lambda sight: (not sees or frames(sight) > frames(first) + 5)
        and (not hears or energy(sight) > energy(first)),
        f"goes on to see and hear {other}",
        deadline_s=deadline_s,
    )
