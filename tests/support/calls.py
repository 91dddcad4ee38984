"""A room on a running worker, with participants that are aiortc peers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from aiortc import MediaStreamTrack

from sfu import rpc_messages as messages
from sfu.client import SfuClient
from sfu.values import ConnectionQuality, Grants, Kind, Role, TrackSource, TransportState, VideoWish
from tests.support.aiortc_peer import AiortcPeer, Bars, Tone
from tests.support.rooms import digest
from tests.support.waiting import PATIENCE_S

ROOM = "plenary"


@dataclass
class Call:
    """A running worker with a room, and a control plane."""

    socket_path: Path
    tasks: asyncio.TaskGroup
    events: list[messages.Events] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._start_client()

    def _start_client(self) -> None:
        self.client = SfuClient(
            self.socket_path,
            on_event=self.events.append,
            on_state=lambda connected, info, restarted: None,
        )
        self._client_task = self.tasks.create_task(self.client.run())

    async def new_client(self) -> SfuClient:
        self._start_client()
        await self.until(lambda: self.client.is_connected)
        return self.client

    def stop_client(self) -> None:
        """End the control plane's connection as its death would: nothing is said."""
        self._client_task.cancel()

    async def until(self, condition: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - no event announces an arbitrary condition
                await asyncio.sleep(0.02)

    async def enter(
        self,
        name: str,
        peer: AiortcPeer,
        *,
        grey: int = 60,
        video: int = 1,
        grants: Grants | None = None,
        sound: MediaStreamTrack | None = None,
        picture: MediaStreamTrack | None = None,
    ) -> None:
        """Join, send the tracks (default: a tone, a picture of that grey), wait until connected."""
        await self.client.join(
            ROOM,
            name,
            subject=f"subject-{name}",
            display_name=name,
            role=Role.MEMBER,
            grants=grants or Grants(),
            secret_digest=digest(name),
        )
        peer.send(sound or Tone(), TrackSource.MICROPHONE)
        peer.send(picture or Bars(grey), TrackSource.CAMERA)
        peer.receive(Kind.AUDIO, 3)
        peer.receive(Kind.VIDEO, video)
        await self.negotiate(name, peer)
        await self.until(lambda: self.state_of(name) is TransportState.CONNECTED)

    async def negotiate(self, name: str, peer: AiortcPeer) -> None:
        sdp = await peer.offer()
        await peer.accept(await self.client.negotiate(ROOM, name, sdp, peer.tracks))

    def state_of(self, name: str) -> TransportState | None:
        states = [
            event.state
            for event in self.events
            if isinstance(event, messages.TransportChanged) and event.participant == name
        ]
        return states[-1] if states else None

    def qualities(self) -> dict[str, ConnectionQuality]:
        """Return what was last told of each participant's connection."""
        told = [event for event in self.events if isinstance(event, messages.QualityChanged)]
        return {each.participant: each for event in told for each in event.participants}

    async def show(self, viewer: str, mid: str, publisher: str | None) -> None:
        wish = VideoWish(mid=mid, participant=publisher, speaker=publisher is None)
        await self.client.set_layout(ROOM, viewer, [wish])
