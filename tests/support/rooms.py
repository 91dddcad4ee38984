"""A room driven in virtual time, with what it told its engine and its control plane kept apart."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from sfu import rpc_messages as messages
from sfu.negotiation import Negotiator
from sfu.participant import TransportEvent
from sfu.room import Room, RoomConfig
from sfu.room_outputs import (
    AddTransport,
    JoinTimed,
    Output,
    RemoveTransport,
    RestartIce,
    SetForwarding,
    SetMedia,
    SetSource,
)
from sfu.values import Grants, Role, RoomClass, StreamSource, TrackSource, VideoWish
from tests.support.samples import (
    CONFIG,
    audio_section,
    minimal_offer,
    seeded_bytes,
    video_section,
)

T = TypeVar("T")


SPEAKER = VideoWish(mid="v0", speaker=True)
"""The speaker, on the first m-line."""


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def offer_of(
    sources: Sequence[TrackSource], *, audio: int = 3, video: int = 4, identity: str = "0A"
) -> tuple[str, dict[str, TrackSource]]:
    """Return an offer that sends `sources` and receives that many streams, and its tracks.

    Mids: m microphone, c camera, s screen, a0…, v0…. Another `identity` is another connection.
    """
    mids = {TrackSource.MICROPHONE: "m", TrackSource.CAMERA: "c", TrackSource.SCREEN: "s"}
    sections = [
        audio_section(mids[source])
        if source is TrackSource.MICROPHONE
        else video_section(mids[source])
        for source in sources
    ]
    sections += [audio_section(f"a{i}", direction="recvonly") for i in range(audio)]
    sections += [video_section(f"v{i}", direction="recvonly") for i in range(video)]
    sdp = minimal_offer(*sections).replace("0A:0A:0A", f"{identity}:{identity}:{identity}")
    return sdp, {mids[source]: source for source in sources}


@dataclass
class RoomDriver:
    """`do` takes what a `handle_*` returned and sorts it; `now` moves only when told."""

    room_class: RoomClass = RoomClass.COUNCIL
    capacity: int = 500
    now: float = 1000.0
    outputs: list[Output] = field(default_factory=list)
    engine: dict[tuple[str, str], SetSource] = field(default_factory=dict)
    """What each (viewer, m-line) carries by the commands given."""
    transports: set[str] = field(default_factory=set)
    allowed: dict[tuple[str, str], bool] = field(default_factory=dict)
    told: dict[str, list[StreamSource]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        random = seeded_bytes(1)
        config = RoomConfig("plenary", self.room_class, "Plenary", self.capacity)
        self.room = Room(config, lambda: Negotiator(CONFIG, random))

    def do(self, outputs: list[Output]) -> list[Output]:
        """Apply as a worker would, checking that no command names what the engine does not have."""
        for output in outputs:
            match output:
                case AddTransport(participant=participant):
                    assert participant not in self.transports
                    self.transports.add(participant)
                case RemoveTransport(participant=participant):
                    self.transports.remove(participant)
                    self.engine = {k: v for k, v in self.engine.items() if k[0] != participant}
                    self.allowed = {k: v for k, v in self.allowed.items() if k[0] != participant}
                case SetMedia(participant=participant, subscribed=subscribed):
                    assert participant in self.transports
                    mids = {media.mid for media in subscribed}
                    self.engine = {
                        k: v for k, v in self.engine.items() if k[0] != participant or k[1] in mids
                    }
                case SetForwarding(participant=participant, mid=mid, is_allowed=is_allowed):
                    assert participant in self.transports
                    self.allowed[participant, mid] = is_allowed
                case SetSource(participant=participant, mid=mid, publisher=publisher):
                    assert participant in self.transports
                    assert publisher is None or publisher in self.transports
                    self.engine[participant, mid] = output
                case RestartIce(participant=participant):
                    assert participant in self.transports
                case messages.SourcesChanged(participant=participant, sources=sources):
                    self.told[participant] = sources
                case JoinTimed() | messages.Event():
                    pass
        self.outputs += outputs
        return outputs

    def take(self, kind: type[T]) -> list[T]:
        """Return and forget the outputs of one kind so far."""
        found: list[T] = [output for output in self.outputs if isinstance(output, kind)]
        self.outputs = [output for output in self.outputs if not isinstance(output, kind)]
        return found

    def join(
        self, participant: str, *, subject: str | None = None, grants: Grants | None = None
    ) -> None:
        join = messages.Join(
            room="plenary",
            participant=participant,
            subject=subject or f"subject-{participant}",
            display_name=participant.title(),
            role=Role.MEMBER,
            grants=grants or Grants(),
            secret_digest=digest(participant),
        )
        self.do(self.room.handle_join(join, self.now))

    def offer(
        self,
        participant: str,
        sources: Sequence[TrackSource] = (TrackSource.MICROPHONE, TrackSource.CAMERA),
        *,
        video: int = 4,
        identity: str = "0A",
    ) -> str:
        sdp, tracks = offer_of(sources, video=video, identity=identity)
        answer, outputs = self.room.handle_offer(participant, sdp, tracks)
        self.do(outputs)
        return answer

    def connect(self, participant: str) -> None:
        self.transport(participant, TransportEvent.ICE_CONNECTED)
        self.transport(participant, TransportEvent.KEYS_READY)

    def transport(self, participant: str, event: TransportEvent) -> None:
        self.do(self.room.handle_transport(participant, event, self.now))

    def enter(self, *participants: str) -> None:
        """Join, offer and connect, each in turn."""
        for participant in participants:
            self.join(participant)
            self.offer(participant)
            self.connect(participant)

    def layout(self, participant: str, *wishes: VideoWish) -> None:
        self.do(self.room.handle_layout(participant, list(wishes)))

    def wait(self, seconds: float) -> None:
        """Let time pass, waking the room when it asked to be."""
        until = self.now + seconds
        while (due := self.room.next_timeout()) is not None and due <= until:
            self.now = max(self.now, due)
            self.do(self.room.handle_timeout(self.now))
        self.now = until

    def shown(self, viewer: str, mid: str) -> str | None:
        """Return whom the engine was told to carry there."""
        command = self.engine.get((viewer, mid))
        return command.publisher if command is not None else None

    def after(self, outputs_of: Callable[[], object]) -> list[Output]:
        """Return only what the call produced."""
        self.outputs.clear()
        outputs_of()
        return self.outputs
