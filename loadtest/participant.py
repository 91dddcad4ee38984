"""One simulated participant: the public protocol in Python, its media in the load agent."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import aiohttp
import msgspec

from loadtest.agent import Agent
from loadtest.expectation import Expectation
from loadtest.negotiation import (
    SOURCES,
    Behaviour,
    UnusableAnswer,
    connect_command,
    offered_streams,
    screen_stream,
)
from loadtest.sdp import (
    Answer,
    BadAnswer,
    OfferedStream,
    OfferSpec,
    parse_answer,
    write_offer,
)
from sfu.values import Encryption, ParticipantInfo, TrackInfo, TrackSource, VideoWish
from signaling import messages

JOIN_TIMEOUT_S = 15.0
"""Each step of a join."""
LAYOUT_INTERVAL_S = 0.2
"""Wishes are sent at most so often, as the page does: a roster of hundreds changes many times a second."""


BUSY_CODE = "room_unavailable"
ATTEMPTS = 3
"""As the page: a service that is too busy is asked again when it says."""


class JoinFailed(Exception):
    """The participant did not get in; the text says at which step and why."""


class Busy(JoinFailed):
    """The service has no time now."""

    def __init__(self, reason: str, retry_after_s: int) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


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
    is_in: bool = False
    """Joined, and neither left nor failed."""
    was_in: bool = False
    """Joined at some time."""
    srtp_profile: str = ""
    """As the server chose it."""
    had_company: bool = False
    """Somebody was in the room already: the wait for media is the server's, not for people."""
    failure: str | None = None
    """Why it is of no more use."""
    errors: list[str] = field(default_factory=list)
    """Codes of error replies and of unexpected ends."""

    def __post_init__(self) -> None:
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._last_id = 0
        self._replies: dict[int, asyncio.Future[messages.ServerMessage]] = {}
        self._cameras: dict[str, None] = {}
        """Others who offer one, in the order they did."""
        self._screens: dict[str, None] = {}
        self._tracks: dict[str, tuple[TrackInfo, ...]] = {}
        self._me = ""
        self._wishes: list[dict[str, Any]] = []
        self._has_answer = False
        self._wants_layout = asyncio.Event()
        self._expectation = Expectation()
        self._expected: dict[str, Any] = {}
        self._spec: OfferSpec | None = None
        """Of the last offer."""
        self.has_left = False
        """It left, or is about to."""
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
        self._expectation = Expectation(self._me, joined.audio_streams)
        for each in joined.participants:
            self._note(each)
        self._tasks.append(asyncio.create_task(self._ping(joined.ping_interval_s)))
        await self._negotiate(ready, joined)
        self.is_in = self.was_in = self.failure is None
        await self._wish()
        self._tasks.append(asyncio.create_task(self._keep_wishing()))

    async def leave(self) -> None:
        """Leave for good."""
        self.has_left = True
        self.is_in = False
        if self._socket is not None and not self._socket.closed:
            if self.failure is None:
                with contextlib.suppress(JoinFailed, ConnectionError):
                    await self._request(messages.Leave)
            await self._socket.close()
        self.agent.remove(self.number)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def publish(self, mid: str, *, is_active: bool) -> None:
        """Pause or go on sending on `mid`: "mic", "cam" or "scr"."""
        self.agent.send(command="publish", id=self.number, mid=mid, is_active=is_active)

    async def mute(self, mid: str, *, muted: bool) -> None:
        """Tell the room that "mic", "cam" or "scr" is muted, or not, and do it."""
        if not self.is_in:
            return
        if not muted:
            self.publish(mid, is_active=True)
        with contextlib.suppress(JoinFailed, ConnectionError):
            await self._request(messages.Mute, source=SOURCES[mid], muted=muted)
        if muted:
            self.publish(mid, is_active=False)

    async def share_screen(self) -> None:
        """Offer again, with a screen; later `mute("scr", …)` pauses it and goes on.

        Raises:
            JoinFailed: the text names the step.
        """
        assert self._spec is not None, "join() first"
        screen = screen_stream()
        self._spec = replace(self._spec, later=(screen,))
        answer = await self._offer(self._spec)
        command = self._connect_command(answer, (*self._spec.send, screen))
        fields = {name: command[name] for name in ("id", "send", "receive")}
        self.agent.send(command="renegotiate", **fields)

    @property
    def has_screen(self) -> bool:
        """Whether it has offered a screen."""
        return self._spec is not None and bool(self._spec.later)

    # ---- joining

    async def _negotiate(self, ready: dict[str, Any], joined: messages.Joined) -> None:
        streams = offered_streams(self.behaviour)
        self._spec = OfferSpec(
            ice_ufrag=ready["ice_ufrag"],
            ice_pwd=ready["ice_pwd"],
            fingerprint=ready["fingerprint"],
            send=streams,
            receive_audio=joined.audio_streams,
            receive_video=min(self.behaviour.shows_video, joined.max_video_streams),
            has_h264=self.behaviour.has_h264,
            has_red=self.behaviour.has_red,
        )
        answer = await self._offer(self._spec)
        self.times.answered_s = time.monotonic()
        self.agent.send(**self._connect_command(answer, streams))
        self._has_answer = True
        for source in sorted(self.behaviour.muted):
            await self._request(messages.Mute, source=source, muted=True)

    async def _offer(self, spec: OfferSpec) -> Answer:
        tracks = {stream.mid: SOURCES[stream.mid] for stream in (*spec.send, *spec.later)}
        reply = await self._request(messages.Offer, sdp=write_offer(spec), tracks=tracks)
        assert isinstance(reply, messages.Answer)
        try:
            return parse_answer(reply.sdp)
        except BadAnswer as error:
            raise JoinFailed(f"answer: {error}") from error

    def _connect_command(self, answer: Answer, streams: Sequence[OfferedStream]) -> dict[str, Any]:
        try:
            return connect_command(self.number, answer, streams, self.behaviour)
        except (BadAnswer, UnusableAnswer) as error:
            raise JoinFailed(f"answer: {error}") from error

    # ---- following the room

    async def _wish(self) -> None:
        """Ask for what there is to see: a screen, who speaks, then the first cameras."""
        wanted: list[dict[str, Any]] = [
            {"participant": who, "source": TrackSource.SCREEN} for who in islice(self._screens, 1)
        ]
        if self.behaviour.shows_speaker:
            wanted.append({"speaker": True})
        room = max(0, self.behaviour.shows_video - len(wanted))
        wanted += [{"participant": who} for who in islice(self._cameras, room)]
        wishes = [
            {"mid": f"v{index}", "max_height": self.behaviour.max_height, **wish}
            for index, wish in enumerate(wanted[: self.behaviour.shows_video])
        ]
        if wishes != self._wishes and self._has_answer:
            self._wishes = wishes
            video = msgspec.convert(wishes, list[VideoWish])
            with contextlib.suppress(JoinFailed, ConnectionError):
                await self._request(messages.Layout, video=video)
        self._expect()

    def _expect(self) -> None:
        """Tell the judge what ought to come now, if that changed."""
        expected = self._expectation.command(self.number, self._wishes)
        if expected != self._expected and self._has_answer:
            self._expected = expected
            self.agent.send(**expected)

    async def _keep_wishing(self) -> None:
        while True:
            await self._wants_layout.wait()
            self._wants_layout.clear()
            await self._wish()
            await asyncio.sleep(LAYOUT_INTERVAL_S)

    def _note(self, info: ParticipantInfo) -> None:
        """Remember what there is of somebody; wish and expect anew soon."""
        if info.participant == self._me:
            return
        self._expectation.note(info)
        if self._tracks.get(info.participant, ()) == info.tracks:
            return
        self._tracks[info.participant] = info.tracks
        self._wants_layout.set()
        sources = {track.source: not track.is_muted for track in info.tracks}
        self._list(self._cameras, info.participant, TrackSource.CAMERA in sources)
        self._list(self._screens, info.participant, sources.get(TrackSource.SCREEN, False))

    def _list(self, pictures: dict[str, None], participant: str, is_there: bool) -> None:
        if is_there:
            pictures.setdefault(participant, None)
        else:
            pictures.pop(participant, None)

    async def _read(self) -> None:
        assert self._socket is not None
        async for frame in self._socket:
            if frame.type is not aiohttp.WSMsgType.TEXT:
                break
            message = _DECODER.decode(frame.data)
            reply = self._replies.pop(getattr(message, "id", None) or 0, None)
            if reply is not None and not reply.done():
                reply.set_result(message)
            self._handle(message)
        if not self.has_left:
            self._fail(f"the socket was closed ({self._socket.close_code})")
        self._fail_requests("the socket was closed")

    def _handle(self, message: messages.ServerMessage) -> None:
        match message:
            case (
                messages.ParticipantJoined(participant=info)
                | messages.ParticipantUpdated(participant=info)
            ):
                self._note(info)
            case messages.ParticipantLeft(participant=participant):
                self._list(self._cameras, participant, False)
                self._list(self._screens, participant, False)
                self._tracks.pop(participant, None)
                self._expectation.forget(participant)
                self._wants_layout.set()
            case messages.Error(code=code):
                self.errors.append(code)
            case messages.MediaLost() | messages.Kicked() | messages.RoomClosed():
                self._fail(type(message).__name__)

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
        if not self.has_left:  # whom we remove is closed by the server, as it should be
            self.failure = self.failure or reason
        self.is_in = False
        self.connected.set()
        self.first_media.set()
        self._fail_requests(reason)

    def _fail_requests(self, reason: str) -> None:
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(JoinFailed(reason))

    async def _ping(self, interval_s: float) -> None:
        while True:
            await asyncio.sleep(interval_s)
            with contextlib.suppress(JoinFailed, ConnectionError):
                await self._request(messages.Ping)

    async def _request(self, kind: type[messages.ClientMessage], **fields: Any) -> Any:
        for _ in range(ATTEMPTS - 1):
            try:
                return await self._ask(kind, **fields)
            except Busy as busy:
                self.errors.append(BUSY_CODE)
                await asyncio.sleep(busy.retry_after_s * random.uniform(1, 2))
        return await self._ask(kind, **fields)

    async def _ask(self, kind: type[messages.ClientMessage], **fields: Any) -> Any:
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
            reason = f"{name}: {answer.code} {answer.message}"
            if answer.code == BUSY_CODE and answer.retry_after_s is not None:
                raise Busy(reason, answer.retry_after_s)
            raise JoinFailed(reason)
        return answer

    async def _step(self, name: str, awaitable: Any) -> Any:
        try:
            async with asyncio.timeout(JOIN_TIMEOUT_S):
                return await awaitable
        except TimeoutError:
            raise JoinFailed(f"{name}: no answer within {JOIN_TIMEOUT_S:.0f} s") from None
        except aiohttp.ClientError as error:
            raise JoinFailed(f"{name}: {error}") from error


_DECODER = msgspec.json.Decoder(messages.ServerMessages)
