"""A call of simulated participants on the real service, through a proxy that can do harm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from loadtest import participant as participants
from loadtest.agent import Agent
from loadtest.expectation import name_of
from loadtest.media import COMMON_LOOPS, prepare_loops
from loadtest.negotiation import Behaviour
from loadtest.participant import Participant
from loadtest.quantiles import histogram_quantile
from loadtest.sdp import parse_answer
from loadtest.tokens import DEMO_PATH, ServiceTokens
from tests.support.media_proxy import Fault, MediaProxy, harmless, media_proxy
from tests.support.real_service import real_service
from tests.support.waiting import PATIENCE_S

ROOM = "judged"


@dataclass
class JudgedCall:
    """A call whose media goes through the proxy."""

    agent: Agent
    proxy: MediaProxy
    people: list[Participant]

    async def counts(self, fault: Fault, seconds: float) -> dict[str, Any]:
        """Return what the judge counted in `seconds` with `fault`."""
        await self.agent.report(resets=True)
        self.proxy.fault = fault
        await asyncio.sleep(seconds)
        report = await self.agent.report()
        self.proxy.fault = harmless
        totals: dict[str, Any] = report["statistics"]["totals"]
        return totals

    async def line(self, number: int, mid: str) -> dict[str, Any]:
        """Return the report of one m-line of one participant."""
        report = await self.agent.report()
        person = next(each for each in report["participants"] if each["id"] == number)
        line: dict[str, Any] = next(each for each in person["lines"] if each["mid"] == mid)
        return line

    async def totals_once(self, number: int, mid: str, counted: str) -> dict[str, Any]:
        """Return what was counted on an m-line once `counted` has happened there."""
        async with asyncio.timeout(PATIENCE_S):
            while not (totals := (await self.line(number, mid))["totals"])[counted]:  # noqa: ASYNC110 - no event tells
                await asyncio.sleep(0.1)
        return dict(totals)

    async def totals_of(self, number: int) -> dict[str, Any]:
        """Return what was counted of one participant since the last reset."""
        report = await self.agent.report()
        person = next(each for each in report["participants"] if each["id"] == number)
        totals: dict[str, Any] = person["totals"]
        return totals

    async def until(self, condition: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - no event announces an arbitrary condition
                await asyncio.sleep(0.02)


@asynccontextmanager
async def judged_call(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    behaviours: Sequence[Behaviour],
    *,
    program: str = "signaling.main",
) -> AsyncIterator[JudgedCall]:
    """Run the service, a proxy and a call of `behaviours`; media flows when it begins."""
    names = {name for each in behaviours for name in (*each.video_layers, each.voice, each.screen)}
    loops = await asyncio.to_thread(prepare_loops, names=sorted({*COMMON_LOOPS, *names}))
    agent = Agent("127.0.0.1")
    async with (
        real_service(folder, (ROOM,), program=program) as service,
        media_proxy() as proxy,
        aiohttp.ClientSession() as http,
    ):
        monkeypatch.setattr(
            participants, "parse_answer", lambda sdp: proxy.through(parse_answer(sdp))
        )
        await agent.start(loops)
        tokens = ServiceTokens(http, service.url, DEMO_PATH)
        call = JudgedCall(agent, proxy, [])
        try:
            for number, behaviour in enumerate(behaviours, start=1):
                name = name_of(number)
                person = Participant(number, 1, name, behaviour, agent, http, service.url)
                call.people.append(person)
                await person.join(await tokens.token(ROOM, name, behaviour.role))
            for person in call.people:
                await asyncio.wait_for(person.first_media.wait(), PATIENCE_S)
            yield call
        finally:
            await asyncio.gather(*(person.leave() for person in call.people))
            await agent.stop()


def delay_ms(totals: dict[str, Any], name: str) -> float:
    """Return the median of a delay."""
    micros = histogram_quantile(totals[name], 0.5)
    assert micros is not None
    return micros / 1000


FAULTS = (
    "frames_wrong_source", "frames_unwished", "frames_missing", "frames_duplicate",
    "frames_reordered", "frames_unmarked", "packets_lost", "packets_duplicate",
    "packets_reordered", "silences", "unreadable",
)  # fmt: skip
"""Counts that are 0 in a call without a fault, however busy the machine."""


def assert_clean(totals: dict[str, Any], seconds: float, streams: int) -> None:
    """Assert that nothing went wrong in `seconds` of `streams` received streams.

    The proxy is Python on a busy machine: it may stand still for a moment, but not for long.
    """
    for name in FAULTS:
        assert totals[name] == 0, (name, totals)
    for name in ("freeze_us", "audio_gap_us"):
        assert totals[name] < 0.15 * seconds * streams * 1e6, (name, totals)
