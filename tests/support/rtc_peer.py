"""A participant made of aiohttp and aiortc: the public WebSocket protocol and real UDP, no browser.

It publishes a tone and a small picture and notes when each RTP packet arrives; nothing is decoded.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from sfu.values import Kind, TrackSource
from tests.support.aiortc_peer import AiortcPeer, Bars, Tone, aiortc_peers
from tests.support.waiting import PATIENCE_S


class RtcPeer:
    """One participant. Use `rtc_peer` to make one."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, media: AiortcPeer) -> None:
        self.id = ""
        """Participant id, after `join`."""
        self.connection = media.connection
        self.arrivals_s: list[float] = []
        """Monotonic time of every RTP packet received."""
        self._socket = socket
        self._media = media
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
        async with asyncio.timeout(PATIENCE_S):
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
        joined = await self.request("join", token=token, encryption="on")
        self.id = joined["participant"]
        self._media.send(Tone(), TrackSource.MICROPHONE)
        self._media.send(Bars(grey=90), TrackSource.CAMERA)
        self._media.receive(Kind.AUDIO, joined["audio_streams"])
        self._media.receive(Kind.VIDEO, 1)
        sdp = await self._media.offer()
        # In place of decoding: the packet is decrypted, its time is all we want.
        vars(self._transport)["_handle_rtp_data"] = self._note_arrival
        answer = await self.request("offer", sdp=sdp, tracks=self._media.tracks)
        await self._media.accept(answer["sdp"])

    async def watch(self, participant: str) -> None:
        """Ask for the participant's picture on the one video m-line."""
        [mid] = self._media.mids(Kind.VIDEO)
        await self.request("layout", video=[{"mid": mid, "participant": participant}])

    def send_raw(self, datagram: bytes) -> None:
        """Send bytes as they are from the validated address of this participant."""
        pair = self._transport.transport._connection._nominated[1]
        pair.protocol.transport.sendto(datagram, tuple(pair.remote_addr))

    def longest_gap_s(self, since_s: float, until_s: float) -> float:
        """Return the longest time without any RTP packet in the interval."""
        inside = [at for at in self.arrivals_s if since_s <= at <= until_s]
        times = [since_s, *inside, until_s]
        return max(later - earlier for earlier, later in itertools.pairwise(times))

    @property
    def _transport(self) -> Any:
        """The one DTLS transport of all m-lines."""
        return self.connection.getTransceivers()[0].receiver.transport

    async def _note_arrival(self, data: bytes, arrival_time_ms: int) -> None:
        self.arrivals_s.append(time.monotonic())


@contextlib.asynccontextmanager
async def rtc_peer(
    base: str, room: str, name: str, *, role: str = "member"
) -> AsyncIterator[RtcPeer]:
    """Let somebody into a demo room of the service at `base`; it leaves with the block."""
    async with aiohttp.ClientSession(headers={"Origin": base}) as http:
        wanted = {"room": room, "display_name": name, "role": role}
        async with http.post(f"{base}/api/v1/demo/tokens", json=wanted) as answer:
            assert answer.status == 200, await answer.text()
            token = (await answer.json())["token"]
        async with http.ws_connect(f"{base}/ws") as socket, aiortc_peers(1) as [media]:
            peer = RtcPeer(socket, media)
            reader = asyncio.create_task(peer.read())
            try:
                await peer.join(token)
                yield peer
            finally:
                reader.cancel()
