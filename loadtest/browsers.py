"""Real browsers among the synthetic participants: they use the page, and tell what they see.

The check is KITE's: a picture counts as seen when the browser's count of decoded frames grows.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from loadtest.cast import Target
from loadtest.chromium import Chromium, Page, PageFailed, find_chromium, running_chromium
from loadtest.scenario import Scenario
from loadtest.tokens import TokenRefused, token_source

LOBBY_TIMEOUT_S = 30.0
CALL_TIMEOUT_S = 20.0
LOOK_INTERVAL_S = 1.0
WARM_UP_LOOKS = 3
"""A picture needs a keyframe first; the layout settles."""
CAPTURE = "width: 640, height: 360, frameRate: 10"
"""Small pictures: the browser's encoder shares the machine with everything else."""
CAPTURE_SCRIPT = (
    "(() => { const media = navigator.mediaDevices; if (!media) return;"
    " const ask = media.getUserMedia.bind(media);"
    " media.getUserMedia = (wanted) => ask({ ...wanted, video: wanted.video &&"
    f" {{ ...(wanted.video === true ? {{}} : wanted.video), {CAPTURE} }} }}); }})()"
)


@dataclass
class BrowserReport:
    """What one browser saw and heard."""

    name: str
    failure: str = ""
    """Why it did not get in, or dropped out; empty if all was well."""
    looks: int = 0
    """Times that it was asked after the warm-up, once a second."""
    videos: int = 0
    """Pictures expected at the last look."""
    cameras: int = 0
    """Others with a camera on, then."""
    expected_looks: int = 0
    """Sum over looks of the pictures expected."""
    still_looks: int = 0
    """Of them, those whose frames did not grow since the look before."""
    heights: list[int] = field(default_factory=list)
    """Of the pictures at the last look."""
    fps: float | None = None
    """Decoded frames of a picture, mean."""
    freezes: int = 0
    audio_looks: int = 0
    """Looks at which somebody's microphone was on."""
    silent_looks: int = 0
    """Of them, those without any audio energy."""
    round_trip_ms: float | None = None
    lost_percent: float | None = None


class Browsers:
    """Starts them, lets them look, keeps their reports."""

    def __init__(self, target: Target, http: aiohttp.ClientSession, program: str | None) -> None:
        self.reports: list[BrowserReport] = []
        self._target = target
        self._http = http
        self._program = program
        self._chromium: Chromium | None = None
        self._pages: list[Page] = []
        self._count = 0

    @contextlib.asynccontextmanager
    async def started(self, count: int) -> AsyncIterator[None]:
        """Run one Chromium for `count` people; none starts nothing.

        Raises:
            BrowsersMissing: it is not there or does not start.
        """
        self._count = count
        if count == 0:
            yield
            return
        program = find_chromium(self._program)
        async with running_chromium(self._http, program) as self._chromium:
            yield

    async def watch(self, scenario: Scenario, rooms: Sequence[str], from_s: float) -> None:
        """From `from_s` on enter the rooms, one browser each in turn, and look until cancelled."""
        await asyncio.sleep(from_s)
        if self._chromium is None:
            return
        role = scenario.groups[0].role.value
        async with asyncio.TaskGroup() as tasks:
            for index in range(self._count):
                report = BrowserReport(f"browser-{index + 1}")
                self.reports.append(report)
                room = rooms[index % len(rooms)]
                tasks.create_task(self._take_part(report, room, role), name=report.name)

    async def finish(self) -> None:
        """Let everybody press "leave"."""
        for page in self._pages:
            with contextlib.suppress(PageFailed):
                await page.evaluate(f"{_PROBE}.leave()")

    async def _take_part(self, report: BrowserReport, room: str, role: str) -> None:
        assert self._chromium is not None
        try:
            token = await token_source(self._http, self._target).token(room, report.name, role)
            page = await self._chromium.page(CAPTURE_SCRIPT)
            self._pages.append(page)
            # Behind #: it reaches no server, and the page takes it out of its address.
            await page.open(f"{self._target.url}/rooms/{room}#token={token}")
            await _until(page, "lobbyIsReady", LOBBY_TIMEOUT_S, "the lobby does not get ready")
            await page.evaluate(f"{_PROBE}.enter()")
            await _until(page, "sight", CALL_TIMEOUT_S, "the call does not begin")
            await self._look(page, report)
        except (PageFailed, TokenRefused, aiohttp.ClientError, TimeoutError, OSError) as error:
            report.failure = str(error) or type(error).__name__

    async def _look(self, page: Page, report: BrowserReport) -> None:
        last: dict[str, Any] | None = None
        looks = 0
        while True:
            await asyncio.sleep(LOOK_INTERVAL_S)
            sight = await page.evaluate(f"{_PROBE}.sight()")
            if sight is None or sight["connection"] in ("failed", "closed"):
                raise PageFailed("the call ended by itself")
            looks += 1
            if last is not None and looks > WARM_UP_LOOKS:
                take_look(report, last, sight)
            last = sight


def take_look(report: BrowserReport, last: dict[str, Any], sight: dict[str, Any]) -> None:
    """Add what changed between two looks, one second apart, to `report`. Pure."""
    before = {each["mid"]: each for each in last["streams"]}
    expected = [
        (before[each["mid"]], each)
        for each in sight["streams"]
        if each["kind"] == "video" and each["is_expected"] and each["mid"] in before
        and before[each["mid"]]["is_expected"]
    ]  # fmt: skip
    grown = [now["frames"] - then["frames"] for then, now in expected]
    report.looks += 1
    report.videos, report.cameras = len(expected), sight["cameras"]
    report.expected_looks += len(expected)
    report.still_looks += sum(each <= 0 for each in grown)
    if grown:
        mean = sum(grown) / len(grown)
        report.fps = mean if report.fps is None else round(0.8 * report.fps + 0.2 * mean, 1)
    report.heights = sorted((now["height"] for _, now in expected), reverse=True)
    report.freezes = sum(each["freezes"] for each in sight["streams"])
    if sight["voices"] > 0:
        report.audio_looks += 1
        energy = sum(each["energy"] for each in sight["streams"] if each["kind"] == "audio")
        old = sum(each["energy"] for each in last["streams"] if each["kind"] == "audio")
        report.silent_looks += energy <= old
    report.round_trip_ms = sight["round_trip_ms"]
    received = sum(each["received"] for each in sight["streams"])
    lost = sum(max(0, each["lost"]) for each in sight["streams"])
    report.lost_percent = round(100 * lost / max(1, received + lost), 2)


async def _until(page: Page, function: str, timeout_s: float, words: str) -> None:
    """Wait until a function of the probe gives something true.

    Raises:
        PageFailed: it does not within `timeout_s`; with what the page says, if anything.
    """
    try:
        async with asyncio.timeout(timeout_s):
            # The probe is asked: a page has no event for who looks from outside.
            while not await page.evaluate(f"{_PROBE}.{function}()"):  # noqa: ASYNC110
                await asyncio.sleep(0.2)
    except TimeoutError:
        said = await page.evaluate(f"{_PROBE}.failure()")
        raise PageFailed(f"{words}{f': {said}' if said else ''}") from None


_PROBE = Path(__file__).with_name("browser_probe.js").read_text(encoding="utf-8").strip()
