"""One simulated participant: the public protocol in Python, its media in the load agent."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import msgspec

from loadtest.agent import Agent
from loadtest.expectation import Expectation
from loadtest.media import LAYERS, VOICE, codec_of
from loadtest.sdp import Answer, OfferedStream, OfferSpec, parse_answer, write_offer
from sfu.values import Encryption, ParticipantInfo, TrackSource, VideoWish
from signaling import messages

JOIN_TIMEOUT_S = 15.0
"""Each step of a join."""
RIDS = ("l", "m", "h")


class JoinFailed(Exception):
    """The participant did not get in; the text says at which step and why."""


@dataclass(frozen=True)
class Behaviour:
    """What a participant sends and shows."""

    sends_audio: bool = True
    video_layers: tuple[str, ...] = ()
    """Loops it sends, smallest first: one is a single stream, several are simulcast."""
    shows_video: int = 1
    """Receive-only video m-lines."""
    max_height: int = 720
    """Of each of them."""
    voice: str = VOICE
    """The loop it speaks."""
    screen: str = "video-720"
    """The loop it shares once it shares its screen."""
    has_h264: bool = False
    """Takes H.264 beside VP8; needed to send it."""
    has_red: bool = False
    """Sends and takes redundant sound, if the service does."""
    srtp: str = "all"
    """Profiles to offer: "all", "aead_aes_128_gcm" or "aes128_cm_sha1_80"."""
    up: Mapping[str, float] = field(default_factory=dict)
    """The agent's `LinkSpec` for what it sends; empty is a perfect link."""
    down: Mapping[str, float] = field(default_factory=dict)
    """The same for what it receives."""
    role: str = "member"

    @classmethod
    def simulcast(cls, shows_video: int, role: str = "member") -> Behaviour:
        """Return one that sends all three layers."""
        layers = tuple(layer.name for layer in LAYERS)
        return cls(video_layers=layers, shows_video=shows_video, role=role)


@dataclass
class JoinTimes:
    """Seconds of the monotonic clock; 0 until it happened."""

    opened_s: float = 0.0
    """The WebSocket began to be opened."""
    joined_s: float = 0.0
    answered_s: float = 0.0
    connected_s: float = 0.0
    """ICE and DTLS done."""
    first_media_s: float = 0.0
    """The first media packet was in the kernel."""


@dataclass
class Participant:
    """One person. `join()`, then it follows the room by itself until `leave()`."""

    number: int
    """Unique over all agents: the publisher of its marks."""
    room_number: int
    name: str
    behaviour: Behaviour
    agent: Agent
    http: aiohttp.ClientSession
    url: str
    times: JoinTimes = field(default_factory=JoinTimes)
    had_company: bool = False
    """Somebody was in the room already: the wait for media is the server's, not for people."""
    srtp_profile: str = ""
    """As the server chose it."""
    failure: str | None = None
    """Why it is of no more use."""
    errors: list[str] = field(default_factory=list)
    """Codes of error replies and of unexpected ends."""

    def __post_init__(self) -> None:
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._last_id = 0
        self._replies: dict[int, asyncio.Future[messages.ServerMessage]] = {}
        self._others: dict[str, ParticipantInfo] = {}
        self._expectation = Expectation()
        self._expected: dict[str, Any] = {}
        self._spec: OfferSpec | None = None
        """Of the last offer."""
        self._me = ""
        self._wishes: list[dict[str, Any]] = []
        self._has_answer = False
        self._is_leaving = False
        self.first_media = asyncio.Event()
        """It got media, or failed: nobody waits for the failed."""
        self.connected = asyncio.Event()
        """Its media transport is up, or it failed."""

    async def join(self, token: str) -> None:
        """Enter the room and start the media.

        Raises:
            JoinFailed: the text names the step.
        """
        behaviour = self.behaviour
        events = self.agent.add(
            self.number,
            self.room_number,
            srtp=behaviour.srtp,
            up=behaviour.up,
            down=behaviour.down,
        )
        ready = await self._step("agent", events.get())
        if ready["event"] != "ready":
            raise JoinFailed(f"agent: {ready.get('reason')}")
        self._tasks.append(asyncio.create_task(self._follow_agent(events)))
        self.times.opened_s = time.monotonic()
        self._socket = await self._step(
            "open", self.http.ws_connect(f"{self.url}/ws", headers={"Origin": self.url})
        )
        self._tasks.append(asyncio.create_task(self._read()))
        # Its media mean nothing to anybody: to the server they look as sealed ones do.
        joined = await self._request(messages.Join, token=token, encryption=Encryption.ON)
        assert isinstance(joined, messages.Joined)
        self.times.joined_s = time.monotonic()
        self._me = joined.participant
        self.had_company = any(
            each.participant != self._me and each.tracks for each in joined.participants
        )
        self._others |= {each.participant: each for each in joined.participants}
        self._expectation = Expectation(self._me, joined.audio_streams)
        for each in joined.participants:
            self._expectation.note(each)
        self._tasks.append(asyncio.create_task(self._ping(joined.ping_interval_s)))
        await self._negotiate(ready, joined)
        await self._wish()

    async def leave(self) -> None:
        """Leave for good."""
        self._is_leaving = True
        if self._socket is not None and not self._socket.closed:
            with contextlib.suppress(JoinFailed, ConnectionError):
                await self._request(messages.Leave)
            await self._socket.close()
        self.agent.remove(self.number)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def publish(self, mid: str, *, is_active: bool) -> None:
        """Pause or go on sending on `mid`: "mic" or "cam"."""
        self.agent.send(command="publish", id=self.number, mid=mid, is_active=is_active)

    async def mute(self, mid: str, *, muted: bool) -> None:
        """Tell the room that "mic" or "cam" is muted, or not, and do it."""
        if not muted:
            self.publish(mid, is_active=True)
        await self._request(messages.Mute, source=_SOURCES[mid], muted=muted)
        if muted:
            self.publish(mid, is_active=False)

    async def share_screen(self) -> None:
        """Offer again, with a screen.

        Raises:
            JoinFailed: the text names the step.
        """
        assert self._spec is not None, "join() first"
        screen = OfferedStream("scr", "video", (), ((_new_ssrc(), _new_ssrc()),))
        self._spec = replace(self._spec, later=(screen,))
        answer = await self._offer(self._spec)
        sent = self._connect_command(answer, (*self._spec.send, screen))
        fields = {name: sent[name] for name in ("id", "send", "receive")}
        self.agent.send(command="renegotiate", **fields)

    # ---- joining

    async def _negotiate(self, ready: dict[str, Any], joined: messages.Joined) -> None:
        streams = self._streams()
        spec = OfferSpec(
            ice_ufrag=ready["ice_ufrag"],
            ice_pwd=ready["ice_pwd"],
            fingerprint=ready["fingerprint"],
            send=streams,
            receive_audio=joined.audio_streams,
            receive_video=min(self.behaviour.shows_video, joined.max_video_streams),
            has_h264=self.behaviour.has_h264,
            has_red=self.behaviour.has_red,
        )
        self._spec = spec
        answer = await self._offer(spec)
        self.times.answered_s = time.monotonic()
        self.agent.send(**self._connect_command(answer, streams))
        self._has_answer = True

    async def _offer(self, spec: OfferSpec) -> Answer:
        tracks = {stream.mid: _SOURCES[stream.mid] for stream in (*spec.send, *spec.later)}
        reply = await self._request(messages.Offer, sdp=write_offer(spec), tracks=tracks)
        assert isinstance(reply, messages.Answer)
        return parse_answer(reply.sdp)

    def _streams(self) -> tuple[OfferedStream, ...]:
        streams = []
        if self.behaviour.sends_audio:
            streams.append(OfferedStream("mic", "audio", ssrcs=((_new_ssrc(), None),)))
        layers = self.behaviour.video_layers
        if layers:
            ssrcs = tuple((_new_ssrc(), _new_ssrc()) for _ in layers)
            rids = RIDS[: len(layers)] if len(layers) > 1 else ()
            streams.append(OfferedStream("cam", "video", rids, ssrcs))
        return tuple(streams)

    def _connect_command(self, answer: Answer, streams: Sequence[OfferedStream]) -> dict[str, Any]:
        return {
            "command": "connect",
            "id": self.number,
            "ice_ufrag": answer.ice_ufrag,
            "ice_pwd": answer.ice_pwd,
            "fingerprint": answer.fingerprint,
            # The agent's sockets are IPv4 unless it was told otherwise.
            "candidates": [f"{host}:{port}" for host, port in answer.candidates if ":" not in host],
            "send": [self._sent(answer, stream) for stream in streams],
            "receive": [
                media.receive_command()
                for media in answer.media
                if media.direction == "sendonly" and media.ssrc is not None
            ],
        }

    def _sent(self, answer: Answer, stream: OfferedStream) -> dict[str, Any]:
        media = answer.by_mid(stream.mid)
        behaviour = self.behaviour
        loops = {
            "mic": (behaviour.voice,),
            "cam": behaviour.video_layers,
            "scr": (behaviour.screen,),
        }[stream.mid]
        codec = codec_of(loops[0])
        payload_type = media.payload_types.get(codec)
        if media.direction != "recvonly" or payload_type is None:
            raise JoinFailed(f"answer: the server does not take {codec} on {stream.mid}")
        if stream.rids and media.rids != stream.rids:
            raise JoinFailed(f"answer: offered rids {stream.rids}, answered {media.rids}")
        rids: Sequence[str | None] = stream.rids or [None]
        return {
            "mid": stream.mid,
            "kind": stream.kind,
            "source": _SOURCES[stream.mid],
            "payload_type": payload_type,
            "rtx_payload_type": media.rtx.get(payload_type),
            "red_payload_type": media.payload_types.get("red"),
            "extensions": media.extensions,
            "encodings": [
                {"rid": rid, "ssrc": ssrc, "rtx_ssrc": rtx_ssrc, "media": loop}
                for rid, (ssrc, rtx_ssrc), loop in zip(rids, stream.ssrcs, loops, strict=True)
            ],
        }

    # ---- following the room

    async def _wish(self) -> None:
        """Ask for screens, then the cameras, of the first others: each on an m-line of its own."""
        wanted = [
            (other.participant, source)
            for source in (TrackSource.SCREEN, TrackSource.CAMERA)
            for other in self._others.values()
            if other.participant != self._me
            and any(track.source is source for track in other.tracks)
        ]
        wishes = [
            {
                "mid": f"v{index}",
                "participant": who,
                "source": source,
                "max_height": self.behaviour.max_height,
            }
            for index, (who, source) in enumerate(wanted[: self.behaviour.shows_video])
        ]
        if wishes != self._wishes and self._has_answer:
            self._wishes = wishes
            video = msgspec.convert(wishes, list[VideoWish])
            with contextlib.suppress(JoinFailed):
                await self._request(messages.Layout, video=video)
        self._expect()

    def _expect(self) -> None:
        """Tell the judge what ought to come now, if that changed."""
        expected = self._expectation.command(self.number, self._wishes)
        if expected != self._expected and self._has_answer:
            self._expected = expected
            self.agent.send(**expected)

    async def _read(self) -> None:
        assert self._socket is not None
        background: set[asyncio.Task[None]] = set()
        async for frame in self._socket:
            if frame.type is not aiohttp.WSMsgType.TEXT:
                break
            message = _DECODER.decode(frame.data)
            reply = self._replies.pop(getattr(message, "id", None) or 0, None)
            if reply is not None and not reply.done():
                reply.set_result(message)
            if self._handle(message):
                task = asyncio.create_task(self._wish())
                background.add(task)
                task.add_done_callback(background.discard)
        if not self._is_leaving:
            self._fail(f"the socket was closed ({self._socket.close_code})")

    def _handle(self, message: messages.ServerMessage) -> bool:
        """Take a message; tell whether who can be shown may have changed."""
        match message:
            case (
                messages.ParticipantJoined(participant=info)
                | messages.ParticipantUpdated(participant=info)
            ):
                self._others[info.participant] = info
                self._expectation.note(info)
                return True
            case messages.ParticipantLeft(participant=participant):
                self._others.pop(participant, None)
                self._expectation.forget(participant)
                return True
            case messages.Error(code=code):
                self.errors.append(code)
            case messages.MediaLost() | messages.Kicked() | messages.RoomClosed():
                self._fail(type(message).__name__)
        return False

    async def _follow_agent(self, events: asyncio.Queue[dict[str, Any]]) -> None:
        while True:
            event = await events.get()
            if event["event"] == "connected":
                self.times.connected_s = event["at_us"] / 1e6
                self.srtp_profile = event["profile"]
                self.connected.set()
            elif event["event"] == "first_media" and not self.first_media.is_set():
                self.times.first_media_s = event["at_us"] / 1e6
                self.first_media.set()
            elif event["event"] == "failed":
                self._fail(str(event["reason"]))

    def _fail(self, reason: str) -> None:
        self.failure = self.failure or reason
        self.connected.set()
        self.first_media.set()
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(JoinFailed(reason))

    async def _ping(self, interval_s: float) -> None:
        while True:
            await asyncio.sleep(interval_s)
            with contextlib.suppress(JoinFailed, ConnectionError):
                await self._request(messages.Ping)

    async def _request(self, kind: type[messages.ClientMessage], **fields: Any) -> Any:
        assert self._socket is not None
        self._last_id += 1
        reply: asyncio.Future[messages.ServerMessage] = asyncio.get_running_loop().create_future()
        self._replies[self._last_id] = reply
        message = kind(id=self._last_id, **fields)
        name = kind.__name__.lower()
        try:
            await self._socket.send_str(msgspec.json.encode(message).decode())
        except ConnectionError as error:
            raise JoinFailed(f"{name}: {error}") from error
        answer = await self._step(name, reply)
        if isinstance(answer, messages.Error):
            raise JoinFailed(f"{name}: {answer.code} {answer.message}")
        return answer

    async def _step(self, name: str, awaitable: Any) -> Any:
        try:
            async with asyncio.timeout(JOIN_TIMEOUT_S):
                return await awaitable
        except TimeoutError:
            raise JoinFailed(f"{name}: no answer within {JOIN_TIMEOUT_S:.0f} s") from None
        except aiohttp.ClientError as error:
            raise JoinFailed(f"{name}: {error}") from error


def _new_ssrc() -> int:
    return secrets.randbelow(2**32 - 1) + 1


_SOURCES = {
    "mic": TrackSource.MICROPHONE,
    "cam": TrackSource.CAMERA,
    "scr": TrackSource.SCREEN,
}
"""Our mid → what it carries."""
_DECODER = msgspec.json.Decoder(messages.ServerMessages)
