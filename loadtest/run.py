"""Plays a scenario's plan against a service, watches over it, and gives what was seen."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol

from loadtest.agent import AgentFailed
from loadtest.browsers import BrowserReport, Browsers
from loadtest.cast import Cast, Target, open_cast, open_http
from loadtest.monitor import Monitor
from loadtest.negotiation import ALL_LAYERS, MIDS, Behaviour
from loadtest.participant import JoinFailed, Participant
from loadtest.plan import Join, Leave, Mute, Plan, Seat, make_plan
from loadtest.scenario import Camera, Link, Scenario
from loadtest.series import Point, Series
from loadtest.service import allow_open_files, find_rooms
from sfu.values import TrackSource

GUARD_INTERVAL_S = 0.5
MANY_FAILURES = 10
"""So many joins that fail before one succeeds end the run."""
MISSED_METRICS = 3


class End(StrEnum):
    """Why the run ended."""

    COMPLETE = "complete"
    INTERRUPTED = "interrupted"
    """Ctrl-C."""
    NOBODY_IN = "nobody in"
    SERVICE_LOST = "service lost"
    AGENT_LOST = "agent lost"


@dataclass(frozen=True)
class Seen:
    """One participant of the run, and where it was meant to sit."""

    seat: Seat
    participant: Participant
    lateness_s: float
    """Its join began so much later than planned: the generator's fault."""


@dataclass
class Outcome:
    """What was seen."""

    scenario: Scenario
    plan: Plan
    rooms: Sequence[str]
    target: Target
    started_at: datetime
    started_s: float = 0.0
    """Of the monotonic clock."""
    seconds: float = 0.0
    end: End = End.COMPLETE
    end_text: str = ""
    seen: list[Seen] = field(default_factory=list)
    reports: list[dict[str, Any]] = field(default_factory=list)
    """Of the agents at the end; without participants if they did not answer."""
    wrong_sources: int = 0
    silences: int = 0
    refusals: list[str] = field(default_factory=list)
    """Commands that an agent did not take: defects of ours."""
    series: Series = field(default_factory=Series)
    has_processes: bool = False
    """The service's processes could be looked at."""
    has_metrics: bool = False
    browsers: list[BrowserReport] = field(default_factory=list)


class Observer(Protocol):
    """Hears how the run goes on. Every call returns at once."""

    def handle_start(self, plan: Plan, target: Target) -> None:
        """The first join is about to happen."""

    def handle_point(self, point: Point) -> None:
        """About once a second."""

    def handle_event(self, text: str) -> None:
        """Something worth a line."""


@dataclass(frozen=True)
class RunOptions:
    """What the scenario does not say."""

    server_pid: int | None = None
    """Supervisor of the service on this machine."""
    browsers: int = 0
    """Real ones besides."""
    chromium: str | None = None
    """Its program; None looks for it."""


async def run_scenario(
    scenario: Scenario, target: Target, options: RunOptions, observer: Observer,
    stopping: asyncio.Event,
) -> Outcome:  # fmt: skip
    """Run `scenario`; `stopping` ends it early.

    Raises:
        CannotRun: the service or this machine cannot; nobody has joined.
        AgentFailed: an agent does not start.
        BrowsersMissing: no browser can be started.
    """
    plan = make_plan(scenario)
    allow_open_files(plan.most_at_once)
    async with open_http(target) as http:
        rooms = await find_rooms(http, target, scenario, plan)
        observer.handle_event("preparing pictures and sound (once: a minute on a slow machine)")
        async with open_cast(target) as cast:
            outcome = Outcome(scenario, plan, rooms, target, datetime.now(UTC))
            outcome.has_processes = options.server_pid is not None
            monitor = Monitor(cast, http, options.server_pid, observer.handle_point)
            outcome.series = monitor.series
            browsers = Browsers(target, http, options.chromium)
            async with browsers.started(options.browsers):
                observer.handle_start(plan, target)
                run = _Run(outcome, cast, monitor, observer, stopping)
                await run.play(browsers)
            outcome.has_metrics = monitor.has_metrics
            await _take_reports(outcome, cast)
            observer.handle_event("everybody leaves")
    return outcome


class _Run:
    """Tasks of one run."""

    def __init__(
        self, outcome: Outcome, cast: Cast, monitor: Monitor, observer: Observer,
        stopping: asyncio.Event,
    ) -> None:  # fmt: skip
        self._outcome = outcome
        self._cast = cast
        self._monitor = monitor
        self._observer = observer
        self._stopping = stopping
        self._people: dict[int, Participant] = {}
        self._doing: set[asyncio.Task[None]] = set()
        self._started_s = 0.0

    async def play(self, browsers: Browsers) -> None:
        """Play all steps, until the end or until a guard ends it."""
        self._started_s = time.monotonic()
        outcome, plan = self._outcome, self._outcome.plan
        outcome.started_s = self._started_s
        async with asyncio.TaskGroup() as tasks:
            steps = tasks.create_task(self._play_steps(tasks), name="steps")
            guard = tasks.create_task(self._guard(), name="guard")
            others = [
                tasks.create_task(self._monitor.run(), name="monitor"),
                tasks.create_task(
                    browsers.watch(outcome.scenario, outcome.rooms, plan.joined_at_s),
                    name="browsers",
                ),
            ]
            await asyncio.wait([steps, guard], return_when=asyncio.FIRST_COMPLETED)
            if guard.done():
                outcome.end, outcome.end_text = guard.result()
            outcome.seconds = time.monotonic() - self._started_s
            await browsers.finish()
            for task in (steps, guard, *others, *self._doing):
                task.cancel()
        await self._monitor.read()
        outcome.browsers = browsers.reports

    async def _play_steps(self, tasks: asyncio.TaskGroup) -> None:
        for step in self._outcome.plan.steps:
            await self._sleep_until(step.at_s)
            doing = tasks.create_task(self._do(step.at_s, step.action))
            self._doing.add(doing)
            doing.add_done_callback(self._doing.discard)
        self._observer.handle_event("all planned steps are done")
        await self._sleep_until(self._outcome.plan.ends_at_s)

    async def _do(self, at_s: float, action: Join | Leave | Mute) -> None:
        if isinstance(action, Join):
            await self._join(at_s, action.seat)
            return
        participant = self._people.get(action.number)
        if participant is None:
            return  # it is not in yet: a slow service is measured by joins, not by this
        if isinstance(action, Leave):
            await participant.leave()
        else:
            await self._mute(participant, action)

    async def _mute(self, participant: Participant, action: Mute) -> None:
        if not participant.is_in:
            return
        if action.source is not TrackSource.SCREEN or participant.has_screen:
            await participant.mute(MIDS[action.source], muted=action.muted)
        elif not action.muted:
            try:
                await participant.share_screen()
            except JoinFailed as error:
                participant.failure = participant.failure or f"screen: {error}"

    async def _join(self, at_s: float, seat: Seat) -> None:
        lateness_s = time.monotonic() - self._started_s - at_s
        room = self._outcome.rooms[seat.room]
        participant = self._cast.add(room, behaviour_of(seat), seat.number)
        self._outcome.seen.append(Seen(seat, participant, lateness_s))
        await self._cast.enter(participant, room)
        self._people[seat.number] = participant
        if participant.failure is not None:
            who = f"{participant.name} ({seat.group.name})"
            self._observer.handle_event(f"{who}: {participant.failure}")

    async def _guard(self) -> tuple[End, str]:
        while True:
            end = self._find_end()
            if end is not None:
                return end
            await asyncio.sleep(GUARD_INTERVAL_S)

    def _find_end(self) -> tuple[End, str] | None:
        """Return why nothing is to be gained by going on, if so."""
        after = f"after {time.monotonic() - self._started_s:.0f} s"
        if self._stopping.is_set():
            return End.INTERRUPTED, f"interrupted {after}"
        if any(agent.has_ended.is_set() for agent in self._cast.agents):
            return End.AGENT_LOST, f"the load agent ended by itself {after}"
        people = self._cast.participants
        failures = Counter(each.failure for each in people if each.failure)
        was_in = [each for each in people if each.was_in]
        if not was_in and failures.total() >= min(MANY_FAILURES, len(self._outcome.plan.seats)):
            reason, count = failures.most_common(1)[0]
            return (
                End.NOBODY_IN,
                f"the first {failures.total()} joins failed, {count} with: {reason}",
            )
        staying = [each for each in was_in if not each.has_left]
        if staying and all(each.failure for each in staying):
            return End.SERVICE_LOST, f"everybody was cut off {after}: {staying[0].failure}"
        if self._monitor.missed_metrics >= MISSED_METRICS:
            return End.SERVICE_LOST, f"the service does not answer any more {after}"
        return None

    async def _sleep_until(self, at_s: float) -> None:
        await asyncio.sleep(max(0.0, self._started_s + at_s - time.monotonic()))


def behaviour_of(seat: Seat) -> Behaviour:
    """Return what who sits there does."""
    group = seat.group
    layers = {Camera.OFF: (), Camera.SINGLE: ALL_LAYERS[1:2], Camera.SIMULCAST: ALL_LAYERS}
    return Behaviour(
        sends_audio=group.microphone,
        video_layers=layers[group.camera],
        shows_video=group.shows_video,
        max_height=group.max_height,
        role=group.role.value,
        shows_speaker=group.shows_speaker,
        muted=frozenset({TrackSource.MICROPHONE} if seat.starts_muted else ()),
        up=_link_of(seat.link, seat.link.uplink_kbps) if seat.link else {},
        down=_link_of(seat.link, seat.link.downlink_kbps) if seat.link else {},
    )


def _link_of(link: Link, kbps: int) -> dict[str, float]:
    """Return the agent's LinkSpec."""
    spec = {"loss": link.loss_percent / 100, "delay_ms": link.delay_ms, "jitter_ms": link.jitter_ms}
    return {**spec, "rate_kbps": float(kbps)} if kbps else spec


async def _take_reports(outcome: Outcome, cast: Cast) -> None:
    """Take the agents' last words; a dead one is known by its newest statistics."""
    outcome.wrong_sources = sum(len(agent.wrong_sources) for agent in cast.agents)
    outcome.silences = sum(len(agent.silences) for agent in cast.agents)
    outcome.refusals = [refusal for agent in cast.agents for refusal in agent.refusals]
    try:
        outcome.reports = await cast.reports()
    except AgentFailed:
        outcome.reports = [
            {"participants": [], "statistics": agent.statistics}
            for agent in cast.agents
            if agent.statistics
        ]
