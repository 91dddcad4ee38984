"""An independent WebRTC stack as a participant: aiortc over loopback, with a tone and moving
bars."""

from __future__ import annotations

import asyncio
import contextlib
import fractions
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import aioice.ice
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, VideoStreamTrack
from av import AudioFrame, VideoFrame

from sfu.values import Kind, TrackSource

TONE_HZ = 440
PICTURE = (320, 240)


class Tone(AudioStreamTrack):
    """A sine of half amplitude, at the pace and in the blocks of aiortc's silent track."""

    async def recv(self) -> AudioFrame:
        silence = await super().recv()
        assert isinstance(silence, AudioFrame) and silence.pts is not None
        times = np.arange(silence.samples) + silence.pts
        wave = np.sin(2 * np.pi * TONE_HZ * times / silence.sample_rate) * 16000
        tone = AudioFrame.from_ndarray(wave.astype(np.int16).reshape(1, -1), layout="mono")
        tone.pts, tone.time_base = silence.pts, silence.time_base
        tone.sample_rate = silence.sample_rate
        return tone


class Bars(VideoStreamTrack):
    """A bright bar that moves; everything else has the grey level given."""

    def __init__(self, grey: int) -> None:
        super().__init__()
        self._grey = grey

    async def recv(self) -> VideoFrame:
        pts, time_base = await self.next_timestamp()
        width, height = PICTURE
        picture = np.full((height, width, 3), self._grey, np.uint8)
        at = (pts // 3000 * 4) % (width - 16)
        picture[:, at : at + 16] = 255
        frame = VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = pts, fractions.Fraction(time_base)
        return frame


@dataclass
class Received:
    """What one receive-only m-line gave so far."""

    frames: int = 0
    last: Any = None

    def grey(self) -> float:
        """Return the median brightness of the last picture."""
        return float(np.median(self.last.to_ndarray(format="gray")))

    def energy(self) -> float:
        """Return the mean square of the last block of sound, 0 to 1."""
        samples = self.last.to_ndarray().astype(np.float64) / 32768
        return float(np.mean(samples**2))


@dataclass
class AiortcPeer:
    """One client. `offer` and `accept` are the two halves of a negotiation."""

    connection: RTCPeerConnection
    tasks: asyncio.TaskGroup
    tracks: dict[str, TrackSource] = field(default_factory=dict)
    received: dict[str, Received] = field(default_factory=dict)
    _sending: list[tuple[RTCRtpTransceiver, TrackSource]] = field(default_factory=list)
    _readers: list[asyncio.Task[None]] = field(default_factory=list)

    def send(self, track: MediaStreamTrack, source: TrackSource) -> None:
        transceiver = self.connection.addTransceiver(track, direction="sendonly")
        self._sending.append((transceiver, source))

    def receive(self, kind: Kind, count: int) -> None:
        for _ in range(count):
            self.connection.addTransceiver(kind.value, direction="recvonly")

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        self.tracks = {str(transceiver.mid): source for transceiver, source in self._sending}
        return str(self.connection.localDescription.sdp)

    async def accept(self, answer: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        for transceiver in self.connection.getTransceivers():
            mid = str(transceiver.mid)
            if transceiver.direction == "recvonly" and mid not in self.received:
                record = self.received[mid] = Received()
                reader = self._read(transceiver.receiver.track, record)
                self._readers.append(self.tasks.create_task(reader))

    def mids(self, kind: Kind) -> list[str]:
        """Return the receive-only m-lines of `kind`, in order."""
        return [
            str(transceiver.mid)
            for transceiver in self.connection.getTransceivers()
            if transceiver.kind == kind.value and transceiver.direction == "recvonly"
        ]

    async def close(self) -> None:
        await self.connection.close()
        for reader in self._readers:
            reader.cancel()

    async def _read(self, track: MediaStreamTrack, record: Received) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                record.last = await track.recv()
                record.frames += 1


@contextlib.asynccontextmanager
async def aiortc_peers(count: int) -> AsyncIterator[list[AiortcPeer]]:
    """Yield peers that use 127.0.0.1 only; aioice leaves loopback out of its own accord."""
    with mock.patch.object(
        aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    ):
        async with asyncio.TaskGroup() as tasks:
            # With the balanced policy aiortc leaves a second video m-line on a transport that it
            # closed.
            configuration = RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
            peers = [AiortcPeer(RTCPeerConnection(configuration), tasks) for _ in range(count)]
            try:
                yield peers
            finally:
                for peer in peers:
                    await peer.close()
