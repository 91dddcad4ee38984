"""A participant made of aiohttp and aiortc: the public WebSocket protocol and real UDP, no browser.

It publishes a tone and a small picture and notes when each RTP packet arrives; nothing is decoded.
"""

from __future__ import annotations

import asyncio
import contextlib
import fractions
import itertools
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import av
import numpy as np
from aiortc import AudioStreamTrack, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from aiortc.mediastreams import AUDIO_PTIME

REPLY_TIMEOUT_S = 10.0
SAMPLE_RATE = 48_000
FRAMES_PER_SECOND = 15
VIDEO_CLOCK_RATE = 90_000


class Tone(AudioStreamTrack):
    """A sine of 500 Hz: silence would not be forwarded."""

    async def recv(self) -> av.AudioFrame:
        """Return the next 20 ms."""
        silence = await super().recv()
        assert isinstance(silence, av.AudioFrame)
        samples = int(SAMPLE_RATE * AUDIO_PTIME)
        wave = 8000 * np.sin(np.arange(samples) * (2 * np.pi * 500 / SAMPLE_RATE))
        frame = av.AudioFrame.from_ndarray(
            wave.astype(np.int16).reshape(1, -1), format="s16", layout="mono"
        )
        assert silence.pts is not None
        frame.sample_rate = SAMPLE_RATE
        frame.pts = silence.pts * SAMPLE_RATE // silence.sample_rate
        frame.time_base = fractions.Fraction(1, SAMPLE_RATE)
        return frame


class Picture(VideoStreamTrack):
    """A small picture whose grey changes."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers = itertools.count()
        self._started_s = time.monotonic()

    async def recv(self) -> av.VideoFrame:
        """Return the next frame when it is due."""
        number = next(self._numbers)
        await asyncio.sleep(self._started_s + number / FRAMES_PER_SECOND - time.monotonic())
        frame = av.VideoFrame.from_ndarray(
            np.full((120, 160, 3), number % 256, dtype=np.uint8), format="rgb24"
        )
        frame.pts = number * VIDEO_CLOCK_RATE // FRAMES_PER_SECOND
        frame.time_base = fractions.Fraction(1, VIDEO_CLOCK_RATE)
        return frame


class RtcPeer:
    """One participant. Use `rtc_peer` to make one."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.id = ""
        """Participant id, after `join`."""
        self.connection = RTCPeerConnection()
        self.arrivals_s: list[float] = []
        """Monotonic time of every RTP packet received."""
        self._socket = socket
        self._ids = itertools.count(1)
        self._replies: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def request(self, message_type: str, **fields: Any) -> dict[str, Any]:
        """Return the reply.

        Raises:
            AssertionError: the server answered with an error.
        """
        request_id = next(self._ids)
        reply = asyncio.get_running_loop().create_future()
        self._replies[request_id] = reply
        await self._socket.send_json({"type": message_type, "id": request_id, **fields})
        async with asyncio.timeout(REPLY_TIMEOUT_S):
            message: dict[str, Any] = await reply
        assert message["type"] != "error", message
        return message

    async def read(self) -> None:
        """Read until the socket ends. To be run in a task."""
        async for frame in self._socket:
            message = frame.json()
            waiting = self._replies.pop(message.get("id"), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)

    async def join(self, token: str) -> None:
        """Enter and negotiate: send sound and picture, receive as much as is offered."""
        joined = await self.request("join", token=token)
        self.id = joined["participant"]
        connection = self.connection
        connection.addTransceiver(Tone(), direction="sendonly")
        connection.addTransceiver(Picture(), direction="sendonly")
        for _ in range(joined["audio_streams"]):
            connection.addTransceiver("audio", direction="recvonly")
        connection.addTransceiver("video", direction="recvonly")
        await connection.setLocalDescription(await connection.createOffer())
        for transceiver in connection.getTransceivers():
            # In place of decoding: the packet is decrypted, its time is all we want.
            vars(transceiver.receiver.transport)["_handle_rtp_data"] = self._note_arrival
        microphone, camera = [each.mid for each in connection.getTransceivers()][:2]
        answer = await self.request(
            "offer",
            sdp=connection.localDescription.sdp,
            tracks={microphone: "microphone", camera: "camera"},
        )
        await connection.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))

    async def watch(self, participant: str) -> None:
        """Ask for the participant's picture on the one video m-line."""
        mid = connection_mids(self.connection)[-1]
        await self.request("layout", video=[{"mid": mid, "participant": participant}])

    def send_raw(self, datagram: bytes) -> None:
        """Send bytes as they are from the validated address of this participant."""
        transport = self.connection.getTransceivers()[0].receiver.transport
        component = transport.transport._connection
        pair = component._nominated[1]
        pair.protocol.transport.sendto(datagram, tuple(pair.remote_addr))

    def longest_gap_s(self, since_s: float, until_s: float) -> float:
        """Return the longest time without any RTP packet in the interval."""
        inside = [at for at in self.arrivals_s if since_s <= at <= until_s]
        times = [since_s, *inside, until_s]
        return max(later - earlier for earlier, later in itertools.pairwise(times))

    async def _note_arrival(self, data: bytes, arrival_time_ms: int) -> None:
        self.arrivals_s.append(time.monotonic())


def connection_mids(connection: RTCPeerConnection) -> list[str]:
    """Return the mids of all m-lines in order."""
    return [str(each.mid) for each in connection.getTransceivers()]


@contextlib.asynccontextmanager
async def rtc_peer(base: str, room: str, name: str) -> AsyncIterator[RtcPeer]:
    """Let a member into a demo room of the service at `base`; it leaves with the block."""
    async with aiohttp.ClientSession(headers={"Origin": base}) as http:
        wanted = {"room": room, "display_name": name, "role": "member"}
        async with http.post(f"{base}/api/v1/demo/tokens", json=wanted) as answer:
            assert answer.status == 200, await answer.text()
            token = (await answer.json())["token"]
        async with http.ws_connect(f"{base}/ws") as socket:
            peer = RtcPeer(socket)
            reader = asyncio.create_task(peer.read())
            try:
                await peer.join(token)
                yield peer
            finally:
                await peer.connection.close()
                reader.cancel()

