"""The desk of a country's institutions over HTTP: 1,000 bodies, 50,000 people, 20,000 sittings."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from loadtest.quantiles import quantile
from tests.bench.figures import Figure, step_forward
from tests.bench.institutions_data import BODIES, MEMBERS, PEOPLE, SITTINGS
from tests.bench.processor_time import cpu_seconds
from tests.support.databases import POSTGRESQL
from tests.support.desk import fields_on

START_TIMEOUT_S, REMIND_TIMEOUT_S, STOP_TIMEOUT_S = 180.0, 240.0, 30.0
CALENDARS = 120
CREATED = 20
MIXED_S = 8.0
CLIENTS = 4
"""At once: enough to keep one core busy."""
PAGES_BAR = 200.0
MAX_LINE_BYTES = 1024 * 1024

_CSRF = re.compile(r'name="csrf" value="([0-9a-f]{64})"')
_KEY = re.compile(r'name="request_key" value="([0-9a-f]{32})"')


@dataclass
class Desk:
    """One signed-in coordinator."""

    http: aiohttp.ClientSession
    url: str
    council_id: str
    sittings: list[str]
    pages: list[str] = field(default_factory=list)

    async def get(self, path: str) -> str:
        """Return a page.

        Raises:
            RuntimeError: it is not shown.
        """
        async with self.http.get(self.url + path, allow_redirects=False) as response:
            text = await response.text()
        if response.status != 200:
            raise RuntimeError(f"{path.partition('?')[0]}: status {response.status}")
        return text

    async def post(self, path: str, **fields: str) -> str:
        """Send a form and return where it leads."""
        async with self.http.post(self.url + path, data=fields, allow_redirects=False) as response:
            if response.status != 303:
                raise RuntimeError(f"POST {path}: status {response.status}")
            return response.headers["Location"]


class Server:
    """The application as a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def read(self, timeout_s: float) -> dict[str, Any]:
        """Return the next that it says."""
        assert self.process.stdout is not None
        async with asyncio.timeout(timeout_s):
            line = await self.process.stdout.readline()
        if not line:
            raise RuntimeError("the application ended")
        told: dict[str, Any] = json.loads(line)
        return told

    async def remind(self) -> dict[str, Any]:
        """Have it remind."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"remind\n")
        return await self.read(REMIND_TIMEOUT_S)


def measure_institutions(progress: Callable[[str], None]) -> dict[str, Figure]:
    """Measure with SQLite, and with PostgreSQL under `.ci/postgresql.sh`."""
    figures: dict[str, Figure] = {}
    for backend in ("sqlite", "postgresql") if POSTGRESQL else ("sqlite",):
        figures |= asyncio.run(_measure(backend, progress))
    return figures


async def _measure(backend: str, progress: Callable[[str], None]) -> dict[str, Figure]:
    progress(f"{backend}: {BODIES} bodies, {PEOPLE} people, {SITTINGS} sittings are written")
    async with _server(backend) as server, contextlib.AsyncExitStack() as stack:
        told = await server.read(START_TIMEOUT_S)
        desks = [await _desk(stack, told["url"], each) for each in told["coordinators"]]
        calendar = await _calendars(desks)
        created = await _create(desks)
        rate, cost_s = await _mixed(desks, server.process.pid)
        progress(
            f"{backend}: calendar p95 {quantile(calendar, 0.95)} s, {len(created)} sittings made, "
            f"{rate:.0f} pages/s, {1000 * cost_s:.1f} ms of CPU each"
        )
        reminders = await server.remind()
        progress(f"{backend}: {reminders['reminded']} reminded in {reminders['seconds']:.1f} s")
    return institution_figures(backend, calendar, created, (rate, cost_s), reminders)


def institution_figures(
    backend: str, calendar: list[float], created: list[float], pages: tuple[float, float],
    reminders: Mapping[str, Any],
) -> dict[str, Figure]:  # fmt: skip
    """Return the rows of one database."""
    where = f"{backend}, {BODIES} bodies, {PEOPLE} people, {SITTINGS} sittings"
    rate, cost_s = pages
    late = reminders["lag_ms"]
    if reminders["reminded"] < reminders["due"]:
        raise RuntimeError(f"{reminders['reminded']} of {reminders['due']} reminded: no figure")
    return {
        f"calendar_{backend}": Figure(
            _ms(quantile(calendar, 0.95)), "ms", 100,
            f"a coordinator's month over HTTP, p95 of {len(calendar)}; {where}",
        ),
        f"sitting_{backend}": Figure(
            _ms(quantile(created, 0.95)), "ms", 1000,
            f"a sitting made and {MEMBERS} members invited, both answers, p95 of {len(created)}",
        ),
        f"pages_{backend}": Figure(
            round(1 / cost_s), "pages/s", PAGES_BAR,
            "of one core: desk, calendar, lists, sittings, forms in turn, by the CPU each took",
            at_least=True,
        ),
        f"pages_seen_{backend}": Figure(
            round(rate), "pages/s", None, f"answered to {CLIENTS} clients that share the machine"
        ),
        f"reminders_{backend}": Figure(
            round(reminders["seconds"], 1), "s", 60,
            f"one run over 1000 sittings, {reminders['reminded']} mails",
        ),
        f"reminders_lag_{backend}": Figure(
            round(late["p99"], 1), "ms", 20,
            f"event loop's lag meanwhile, p99 (worst {late['worst']:.0f} ms)",
        ),
    }  # fmt: skip


@contextlib.asynccontextmanager
async def _server(backend: str) -> AsyncIterator[Server]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.institutions_server", backend,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=MAX_LINE_BYTES,
        process_group=0,
    )  # fmt: skip
    step_forward([process.pid])
    try:
        yield Server(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _desk(stack: contextlib.AsyncExitStack, url: str, told: Mapping[str, Any]) -> Desk:
    jar = aiohttp.CookieJar(unsafe=True)
    http = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=jar))
    jar.update_cookies({"session": told["cookie"]})
    sittings = [f"/desk/sittings/{each}" for each in told["sittings"]]
    desk = Desk(http, url, told["council_id"], sittings)
    desk.pages = [
        "/desk", "/desk/calendar", "/desk/sittings", "/desk/sittings?when=past",
        "/desk/calendar?week=", "/desk/sittings/new", "/account",
        *sittings[:2], f"{sittings[0]}/invited",
    ]  # fmt: skip
    return desk


async def _calendars(desks: list[Desk]) -> list[float]:
    """Return how long months took, one after the other, of each coordinator in turn."""
    times = []
    for desk in itertools.islice(itertools.cycle(desks), CALENDARS):
        started = time.perf_counter()
        await desk.get("/desk/calendar")
        times.append(time.perf_counter() - started)
    return times


async def _create(desks: list[Desk]) -> list[float]:
    """Return how long it took to make a sitting and to invite all members: the two answers."""
    times = []
    for number, desk in enumerate(desks[:CREATED]):
        form = await desk.get("/desk/sittings/new")
        # Far from those there are: no time of a council may overlap.
        fields = {**fields_on(90 + number), "place": f"c:{desk.council_id}",
                  "csrf": _found(_CSRF, form), "request_key": _found(_KEY, form)}  # fmt: skip
        started = time.perf_counter()
        path = (await desk.post("/desk/sittings", **fields)).partition("?")[0]
        invited = await desk.post(f"{path}/invited/members", csrf=fields["csrf"])
        times.append(time.perf_counter() - started)
        if not invited.endswith(f"count={MEMBERS}"):
            raise RuntimeError(f"not {MEMBERS} members were invited: no figure")
    return times


async def _mixed(desks: list[Desk], pid: int) -> tuple[float, float]:
    """Return pages a second and seconds of the server's CPU for each."""
    asked = itertools.cycle(
        (desk, page) for number in range(len(desks[0].pages)) for desk in desks
        for page in [desk.pages[number]]
    )  # fmt: skip
    served = 0
    ends = time.monotonic() + MIXED_S

    async def ask() -> None:
        nonlocal served
        while time.monotonic() < ends:
            desk, page = next(asked)
            await desk.get(page)
            served += 1

    before, started = cpu_seconds([pid]), time.monotonic()
    await asyncio.gather(*(ask() for _ in range(CLIENTS)))
    used, seconds = cpu_seconds([pid]) - before, time.monotonic() - started
    return served / seconds, used / served


def _found(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    if found is None:
        raise RuntimeError("the form lacks a field")
    return found[1]


def _ms(seconds: float | None) -> float:
    return round(1000 * (seconds or 0.0), 1)
