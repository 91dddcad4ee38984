"""Cameras to their viewers through this service and through Janus: the same clients, the same run."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtest.agent import Agent
from loadtest.cast import Target, open_cast
from loadtest.media import prepare_loops
from loadtest.negotiation import Behaviour, connect_command, offered_streams
from loadtest.sdp import OfferedStream, OfferSpec, parse_answer, write_offer
from tests.bench.figures import Figure, median, step_forward
from tests.bench.janus_server import JanusApi, janus_server
from tests.bench.processor_time import cpu_seconds
from tests.support.real_service import real_service


@dataclass(frozen=True)
class Load:
    """So many rooms at once, each with one camera and its viewers."""

    rooms: int
    viewers: int

    def __str__(self) -> str:
        rooms = f"{self.rooms} rooms of " if self.rooms > 1 else ""
        return f"{rooms}1 → {self.viewers}"


FEW, MANY, BUSY = Load(1, 20), Load(1, 60), Load(2, 100)
"""A server that has little to do spends most of its time on waking: the bar is held where it works."""
LOOP = "video-720"
"""20 pictures a second of 8 packets of about 1,100 bytes."""
SETTLE_S = 2.0
MEASURE_S = 5.0
EVENT_TIMEOUT_S = 15.0
ROUNDS, ROUNDS_FOR_BAR = 3, 7
"""Of each, in turn: what else the machine does hits both alike. A packet costs up to a third more in one
round than in the next, so three are too few to hold a bar against."""
WANTED_RATIO = 15.0
CAMERA = Behaviour(sends_audio=False, video_layers=(LOOP,), shows_video=0)
VIEWER = Behaviour(sends_audio=False, shows_video=1)


@dataclass
class Side:
    """One server with its rooms full."""

    name: str
    pids: list[int]
    agent: Agent
    cameras: list[int]
    """The agent's numbers of the participants that send."""
    viewers: int
    """Of each camera."""
    profile: str
    """Of SRTP, as the server chose it."""


def measure_janus(progress: Callable[[str], None]) -> dict[str, Figure]:
    """Fill a room of both servers and let the cameras send in turn."""
    return asyncio.run(_measure(progress))


async def _measure(progress: Callable[[str], None]) -> dict[str, Figure]:
    costs: dict[Load, dict[str, float]] = {}
    profiles = {}
    for load in (FEW, MANY, BUSY):
        async with AsyncExitStack() as stack:
            sides = [await _janus(stack, load), await _ours(stack, load)]
            profiles = {side.name: side.profile for side in sides}
            progress(f"{load}: {profiles}")
            found: dict[str, list[float]] = {side.name: [] for side in sides}
            rounds = ROUNDS_FOR_BAR if load is BUSY else ROUNDS
            for number in range(1, rounds + 1):
                for side in sides:
                    found[side.name].append(await _cost_us(side))
                latest = ", ".join(f"{name} {each[-1]:.1f}" for name, each in found.items())
                progress(f"{load}, {number} of {rounds}: {latest} µs a packet")
        costs[load] = {name: median(each) for name, each in found.items()}
    return figures_of(costs, profiles)


def figures_of(costs: dict[Load, dict[str, float]], profiles: dict[str, str]) -> dict[str, Figure]:
    """Return the rows from load → server → µs a packet and server → SRTP profile."""
    how = f"CPU of all its processes for each packet to a viewer, {BUSY}, 720p, SRTP"
    ratios = {load: round(each["janus"] / each["ours"], 1) for load, each in costs.items()}
    return {
        "janus_cpu_per_packet": Figure(
            round(costs[BUSY]["janus"], 2), "µs", None, f"{how} ({profiles['janus']})"
        ),
        "our_cpu_per_packet": Figure(
            round(costs[BUSY]["ours"], 2), "µs", None, f"{how} ({profiles['ours']})"
        ),
        "cheaper_than_janus": Figure(
            ratios[BUSY], "times", WANTED_RATIO, f"the one by the other, {BUSY}", at_least=True
        ),
        "cheaper_than_janus_one": Figure(ratios[MANY], "times", None, f"the same, {MANY}"),
        "cheaper_than_janus_few": Figure(ratios[FEW], "times", None, f"the same, {FEW}"),
    }


async def _cost_us(side: Side) -> float:
    """Let the camera send for a while; return µs of CPU for each packet that viewers got."""
    _publish(side.agent, side.cameras, True)
    await asyncio.sleep(SETTLE_S)
    await side.agent.report(resets=True)
    before, started = cpu_seconds(side.pids), time.monotonic()
    await asyncio.sleep(MEASURE_S)
    totals = (await side.agent.report(resets=True))["statistics"]["totals"]
    used, seconds = cpu_seconds(side.pids) - before, time.monotonic() - started
    _publish(side.agent, side.cameras, False)
    packets = int(totals["packets_received"])
    wanted = totals["packets_sent"] * side.viewers
    if packets < 0.95 * wanted or not packets:
        raise RuntimeError(
            f"{side.name}: {packets} of {wanted} packets in {seconds:.0f} s: no figure"
        )
    return used / packets * 1e6


def _publish(agent: Agent, cameras: list[int], is_active: bool) -> None:
    for camera in cameras:
        agent.send(command="publish", id=camera, mid="cam", is_active=is_active)


async def _ours(stack: AsyncExitStack, load: Load) -> Side:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="synedrion-bench-")))
    halls = [f"hall-{number}" for number in range(load.rooms)]
    service = await stack.enter_async_context(real_service(folder, halls))
    step_forward(service.pids())
    cast = await stack.enter_async_context(
        open_cast(Target(service.url, agent_address="127.0.0.1"))
    )
    cameras = [await cast.join(hall, CAMERA) for hall in halls]
    audience = [await cast.join(hall, VIEWER) for hall in halls for _ in range(load.viewers)]
    await cast.wait_for_media(audience)
    failures = [each.failure for each in cast.participants if each.failure]
    if failures:
        raise RuntimeError(f"our service: {failures[0]}")
    numbers = [camera.number for camera in cameras]
    _publish(cast.agent, numbers, False)
    return Side("ours", service.pids(), cast.agent, numbers, load.viewers, cameras[0].srtp_profile)


async def _janus(stack: AsyncExitStack, load: Load) -> Side:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="synedrion-bench-")))
    pid, api = await stack.enter_async_context(janus_server(folder))
    step_forward([pid])
    agent = Agent()
    stack.push_async_callback(agent.stop)
    await agent.start(prepare_loops())
    host = await api.attach()
    cameras, profile = list(range(1, load.rooms + 1)), ""
    for camera in cameras:
        # A camera's number is its room's, and viewers follow the last camera.
        room = {"request": "create", "room": camera, "publishers": 1, "videocodec": "vp8",
                "bitrate": 0, "fir_freq": 0}  # fmt: skip
        await api.message(host, room)
        profile, feed = await _janus_camera(api, agent, camera)
        first = load.rooms + 1 + (camera - 1) * load.viewers
        viewers = range(first, first + load.viewers)
        await asyncio.gather(*(_janus_viewer(api, agent, (camera, feed), each) for each in viewers))
    _publish(agent, cameras, False)
    return Side("janus", [pid], agent, cameras, load.viewers, profile)


async def _janus_camera(api: JanusApi, agent: Agent, number: int) -> tuple[str, int]:
    """Let a participant send in the room of its number; return its SRTP profile and its feed."""
    handle = await api.attach()
    joined = await api.message(handle, {"request": "join", "ptype": "publisher", "room": number})
    events = agent.add(number, number)
    ready = await _event(events, "ready")
    streams = offered_streams(CAMERA)
    # Our clients begin the handshake, as with a server that is always passive.
    offer = write_offer(_spec(ready, streams)).replace("a=setup:actpass", "a=setup:active")
    reply = await api.message(handle, {"request": "publish"}, {"type": "offer", "sdp": offer})
    answer = parse_answer(reply["jsep"]["sdp"])
    agent.send(**connect_command(number, answer, streams, CAMERA))
    connected = await _event(events, "connected")
    return connected["profile"], joined["plugindata"]["data"]["id"]


async def _janus_viewer(api: JanusApi, agent: Agent, watched: tuple[int, int], number: int) -> None:
    """Let participant `number` watch a feed of a room, until its first picture."""
    room, feed = watched
    handle = await api.attach()
    body = {"request": "join", "ptype": "subscriber", "room": room, "streams": [{"feed": feed}]}
    offer = (await api.message(handle, body))["jsep"]["sdp"]
    events = agent.add(number, room)
    answer = answer_to(offer, await _event(events, "ready"))
    await api.message(handle, {"request": "start"}, {"type": "answer", "sdp": answer})
    agent.send(**connect_command(number, parse_answer(offer), (), VIEWER))
    await _event(events, "first_media")


def answer_to(offer: str, ready: dict[str, Any]) -> str:
    """Return the answer of who only receives: the offer's own lines, turned round."""
    mine = {
        "a=ice-ufrag:": ready["ice_ufrag"],
        "a=ice-pwd:": ready["ice_pwd"],
        "a=fingerprint:": f"sha-256 {ready['fingerprint']}",
        "a=setup:": "active",
    }
    servers = ("a=ssrc", "a=msid:", "a=candidate:", "a=end-of-candidates", "a=ice-lite")
    lines = []
    for line in offer.split("\r\n"):
        if line.startswith(servers):
            continue
        own = next((f"{key}{value}" for key, value in mine.items() if line.startswith(key)), line)
        lines.append("a=recvonly" if own == "a=sendonly" else own)
    return "\r\n".join(lines)


def _spec(ready: dict[str, Any], send: tuple[OfferedStream, ...]) -> OfferSpec:
    return OfferSpec(
        ice_ufrag=ready["ice_ufrag"],
        ice_pwd=ready["ice_pwd"],
        fingerprint=ready["fingerprint"],
        send=send,
        receive_audio=0,
        receive_video=0,
    )


async def _event(events: asyncio.Queue[dict[str, Any]], wanted: str) -> dict[str, Any]:
    """Return the next event of that kind; a failure ends the run."""
    async with asyncio.timeout(EVENT_TIMEOUT_S):
        while True:
            event = await events.get()
            if event["event"] == wanted:
                return event
            if event["event"] == "failed":
                raise RuntimeError(f"janus: a client failed: {event['reason']}")
