"""Reads, about once a second, what the agents, the service and the machine tell. No decisions."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping

import aiohttp

from loadtest.cast import Cast
from loadtest.processes import descendants, machine_use, read_use
from loadtest.series import METRICS, Point, Reading, Series, ServerProcess

READING_INTERVAL_S = 1.0
METRICS_EVERY = 2
"""Readings. /metrics is work for the service too."""
METRICS_TIMEOUT_S = 3.0


class Monitor:
    """Feeds a series until it is cancelled."""

    def __init__(
        self, cast: Cast, http: aiohttp.ClientSession, root_pid: int | None,
        on_point: Callable[[Point], None],
    ) -> None:  # fmt: skip
        """`root_pid`: the service's supervisor on this machine, None if it is elsewhere."""
        self.series = Series()
        self.missed_metrics = 0
        """Readings of /metrics in a row that failed."""
        self.has_metrics = False
        self._cast = cast
        self._http = http
        self._root_pid = root_pid
        self._on_point = on_point
        self._started_s = 0.0
        self._readings = 0

    async def run(self) -> None:
        """Read for ever."""
        self._started_s = time.monotonic()
        while True:
            await self.read()
            late_s = (time.monotonic() - self._started_s) % READING_INTERVAL_S
            await asyncio.sleep(READING_INTERVAL_S - late_s)

    async def read(self) -> None:
        """Take one reading."""
        metrics = None
        if self._readings % METRICS_EVERY == 0:
            metrics = await self._read_metrics()
        self._readings += 1
        people = self._cast.participants
        statistics = [agent.statistics for agent in self._cast.agents]
        reading = Reading(
            at_s=time.monotonic() - self._started_s,
            people=sum(each.is_in for each in people),
            failures=sum(each.failure is not None for each in people),
            agents=statistics if all(statistics) else (),
            processes=await asyncio.to_thread(self._read_processes),
            machine=machine_use(),
            metrics=metrics,
        )
        self._on_point(self.series.handle_reading(reading))

    def _read_processes(self) -> list[ServerProcess] | None:
        if self._root_pid is None:
            return None
        uses = [read_use(pid) for pid in descendants(self._root_pid)]
        return [
            ServerProcess(use.pid, use.role, use.cpu_s, use.pss_bytes)
            for use in uses
            if use is not None
        ]

    async def _read_metrics(self) -> Mapping[str, float] | None:
        """Return what /metrics says; None if it does not let us, as to strangers."""
        try:
            async with asyncio.timeout(METRICS_TIMEOUT_S):
                async with self._http.get(f"{self._cast.target.url}/metrics") as response:
                    if response.status != 200:
                        return None
                    self.missed_metrics, self.has_metrics = 0, True
                    return parse_metrics(await response.text())
        except (TimeoutError, aiohttp.ClientError, OSError):
            self.missed_metrics += 1
            return None


def parse_metrics(text: str) -> dict[str, float]:
    """Return name → sum over labels of the metrics that we keep."""
    values: dict[str, float] = {}
    for name, value in _SAMPLE.findall(text):
        values[name] = values.get(name, 0.0) + float(value)
    return values


_SAMPLE = re.compile(rf"^({'|'.join(METRICS)})(?:{{[^}}]*}})? (\S+)$", re.MULTILINE)
