"""Scenarios: who joins which room when, for how long, and what is told afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from loadtest.agent import Agent
from loadtest.media import prepare_loops
from loadtest.participant import Behaviour, JoinFailed, Participant
from loadtest.processes import ProcessUse, read_use
from loadtest.summary import find_faults, summarise_agents, summarise_times
from loadtest.tokens import DemoTokens, TokenCommand, TokenRefused, TokenSource

FIRST_MEDIA_TIMEOUT_S = 10.0
"""After this a participant that got no media counts as failed."""
SILENT_S = 1.0
"""A stream that had frames and has had none for so long at the end fell silent."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Target:
    """The service under test."""

    url: str
    """http:// or https://, without a slash at the end."""
    token_command: str | None = None
    """Prints a token; None uses the demo entrance."""
    server_pids: tuple[int, ...] = ()
    """Processes of the service on this machine, to be measured."""
    agent_address: str | None = None
    """What agents bind their sockets to."""


@dataclass(frozen=True)
class SmokeScenario:
    """A few small rooms in which everybody sends and shows everything."""

    rooms: tuple[str, ...]
    participants: int = 3
    """In each room."""
    seconds: float = 5.0
    """Of everybody being there."""
    join_interval_s: float = 0.1
    role: str = "member"


class Cast:
    """All participants of a run, and the agent that carries their media."""

    def __init__(
        self, target: Target, http: aiohttp.ClientSession, agent: Agent, tokens: TokenSource
    ) -> None:
        self.target = target
        self.agent = agent
        self.participants: list[Participant] = []
        self.failures: dict[str, str] = {}
        self._http = http
        self._tokens = tokens
        self._room_numbers: dict[str, int] = {}

    async def join(self, room: str, behaviour: Behaviour) -> Participant:
        """Add one participant to `room`. A failure is noted, not raised."""
        number = len(self.participants) + 1
        participant = Participant(
            number=number,
            room_number=self._room_numbers.setdefault(room, len(self._room_numbers) + 1),
            name=f"load-{number}",
            behaviour=behaviour,
            agent=self.agent,
            http=self._http,
            url=self.target.url,
        )
        self.participants.append(participant)
        try:
            token = await self._tokens.token(room, participant.name, behaviour.role)
            await participant.join(token)
        except (JoinFailed, TokenRefused, aiohttp.ClientError, OSError) as error:
            participant.failure = f"{error}"
        return participant

    async def wait_for_media(self, participants: Sequence[Participant]) -> None:
        """Wait until each has its first media packet, or has failed, or the time is over."""
        waiting = [each.first_media.wait() for each in participants if each.failure is None]
        try:
            async with asyncio.timeout(FIRST_MEDIA_TIMEOUT_S):
                await asyncio.gather(*waiting)
        except TimeoutError:
            return  # those that never got media are counted from their times

    async def leave(self) -> None:
        """Have everybody leave."""
        self.failures = {each.name: each.failure for each in self.participants if each.failure}
        await asyncio.gather(*(each.leave() for each in self.participants))


@asynccontextmanager
async def open_cast(target: Target) -> AsyncIterator[Cast]:
    """Start an agent and sessions for `target`; at the end everybody leaves.

    Raises:
        AgentFailed: the agent does not start.
    """
    loops = await asyncio.to_thread(prepare_loops)
    agent = Agent(target.agent_address)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        tokens: TokenSource = (
            DemoTokens(http, target.url)
            if target.token_command is None
            else TokenCommand(target.token_command)
        )
        await agent.start(loops)
        cast = Cast(target, http, agent, tokens)
        try:
            yield cast
        finally:
            await cast.leave()
            await agent.stop()


async def run_smoke(target: Target, scenario: SmokeScenario, progress: Progress) -> dict[str, Any]:
    """Run the scenario and return its summary.

    Raises:
        AgentFailed: the agent does not start or dies.
    """
    behaviour = Behaviour.simulcast(
        shows_video=max(1, scenario.participants - 1), role=scenario.role
    )
    async with open_cast(target) as cast:
        before = [read_use(pid) for pid in target.server_pids]
        started_s = time.monotonic()
        for _ in range(scenario.participants):
            for room in scenario.rooms:
                participant = await cast.join(room, behaviour)
                progress(f"{participant.name} in {room}: {participant.failure or 'joined'}")
                await asyncio.sleep(scenario.join_interval_s)
        await cast.wait_for_media(cast.participants)
        progress("everybody is there")
        await asyncio.sleep(scenario.seconds)
        summary = await summarise(cast, "smoke", time.monotonic() - started_s)
        summary["rooms"] = len(scenario.rooms)
        summary["server"] = _server_use(target, before)
    summary["failures"] = cast.failures
    summary["faults"] = find_faults(summary)
    return summary


async def summarise(cast: Cast, scenario: str, seconds: float) -> dict[str, Any]:
    """Return the counts and times of everybody in `cast`."""
    report = await cast.agent.report()
    now_us = report["statistics"]["at_us"]
    times = [each.times for each in cast.participants if each.times.first_media_s > 0]
    first_frames = [
        line["first_frame_us"] / 1e6 - participant.times.opened_s
        for participant, lines in _lines_of(cast, report)
        for line in lines
        if line["first_frame_us"] is not None and line["kind"] == "video"
    ]
    return {
        "scenario": scenario,
        "seconds": round(seconds, 2),
        "participants": len(cast.participants),
        "got_media": len(times),
        "join_ms": summarise_times(
            each.times.first_media_s - each.times.opened_s
            for each in cast.participants
            if each.times.first_media_s > 0 and each.had_company
        ),
        "signalling_ms": summarise_times(each.answered_s - each.opened_s for each in times),
        "handshake_ms": summarise_times(each.connected_s - each.answered_s for each in times),
        "first_picture_ms": summarise_times(first_frames),
        "silent": [
            f"{participant.name} {line['mid']}"
            for participant, lines in _lines_of(cast, report)
            for line in lines
            if line["last_frame_us"] is not None and now_us - line["last_frame_us"] > SILENT_S * 1e6
        ],
        "refusals": cast.agent.refusals,
        "errors": sorted({code for each in cast.participants for code in each.errors}),
        **summarise_agents([report["statistics"]]),
    }


def _lines_of(cast: Cast, report: dict[str, Any]) -> list[tuple[Participant, list[dict[str, Any]]]]:
    reports = {each["id"]: each["lines"] for each in report["participants"]}
    return [(each, reports.get(each.number, [])) for each in cast.participants]


def _server_use(target: Target, before: list[ProcessUse | None]) -> list[dict[str, Any]]:
    rows = []
    for pid, start in zip(target.server_pids, before, strict=True):
        end = read_use(pid)
        if start is None or end is None:
            continue
        rows.append(
            {
                "pid": pid,
                "command": end.command,
                "cpu_s": round(end.cpu_s - start.cpu_s, 2),
                "memory_mb": round(end.pss_bytes / 1e6, 1),
            }
        )
    return rows
