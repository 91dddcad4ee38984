"""What is told while a run goes on: bars and live rates on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from loadtest.cast import Target
from loadtest.plan import Plan
from loadtest.run import Observer
from loadtest.scenario import Scenario
from loadtest.series import Point

PLAIN_INTERVAL_S = 5.0
"""Between plain lines: a log of an hour stays readable."""
MAX_EVENTS = 20
"""LIMIT: failures told one by one; the report has them all, by reason."""


@contextlib.contextmanager
def make_observer(scenario: Scenario, stream: TextIO) -> Iterator[Observer]:
    """Return the observer that suits `stream`."""
    if not stream.isatty():
        yield PlainObserver(stream)
        return
    observer = BarObserver(scenario, Console(file=stream))
    with observer.live:
        yield observer


class PlainObserver:
    """Writes a line now and then."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._next_s = 0.0
        self._events = 0
        self._last: Point | None = None

    def handle_start(self, plan: Plan, target: Target) -> None:
        self._write(_start_text(plan, target))

    def handle_point(self, point: Point) -> None:
        self._last = _newest(point, self._last)
        if point.at_s >= self._next_s:
            self._next_s = point.at_s + PLAIN_INTERVAL_S
            self._write(f"{point.at_s:6.0f} s  {_people_text(point)}  {_rates_text(self._last)}")

    def handle_event(self, text: str) -> None:
        self._events += 1
        if self._events <= MAX_EVENTS:
            self._write(f"          {text}")

    def _write(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


class BarObserver:
    """Draws bars of joins and time, and a line of rates."""

    def __init__(self, scenario: Scenario, console: Console) -> None:
        self._title = scenario.title
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description:8}"), BarColumn(bar_width=None), MofNCompleteColumn(),
            TimeElapsedColumn(), console=console,
        )  # fmt: skip
        self._joins = self._bars.add_task("people", total=None)
        self._time = self._bars.add_task("seconds", total=None)
        self._seconds = 0
        self._events = 0
        self._last: Point | None = None
        self.live = Live(self._bars, console=console, refresh_per_second=4, transient=True)

    def handle_start(self, plan: Plan, target: Target) -> None:
        self._console.print(f"[bold]{self._title}[/bold]", highlight=False)
        self._console.print(_start_text(plan, target), markup=False, highlight=False)
        self._bars.update(self._joins, total=plan.most_at_once)
        self._seconds = round(plan.ends_at_s)
        self._bars.update(self._time, total=self._seconds)

    def handle_point(self, point: Point) -> None:
        self._last = _newest(point, self._last)
        self._bars.update(self._joins, completed=point.people)
        self._bars.update(self._time, completed=min(self._seconds, round(point.at_s)))
        table = Table.grid(padding=(0, 2))
        # Texts, no markup: what is printed meanwhile is printed as it is, and so is this.
        failed = Text(f"{point.failures} failed", style="red" if point.failures else "green")
        table.add_row(failed, Text(_rates_text(self._last)))
        both = Table.grid()
        both.add_row(self._bars)
        both.add_row(table)
        self.live.update(both)

    def handle_event(self, text: str) -> None:
        self._events += 1
        if self._events <= MAX_EVENTS:
            self._console.print(text, markup=False, highlight=False)


def _start_text(plan: Plan, target: Target) -> str:
    return (
        f"{len(plan.seats)} joins into {plan.rooms} rooms of {target.url}, the last after "
        f"{plan.joined_at_s:.0f} s, {plan.ends_at_s:.0f} s in all. Ctrl-C ends it with a report."
    )


def _people_text(point: Point) -> str:
    return f"{point.people} in, {point.failures} failed"


def _newest(point: Point, last: Point | None) -> Point:
    """Return the point whose rates to tell: some seconds bring no news of the agents."""
    return last if point.received_mbps is None and last is not None else point


def _rates_text(point: Point) -> str:
    if point.received_mbps is None:
        return "waiting for media"
    parts = [
        f"{point.received_mbps:.1f} Mbit/s down, {point.sent_mbps or 0:.1f} up",
        f"{point.packets_per_s or 0:.0f} packets/s",
        f"sound p99 {_ms(point.audio_p99_ms)}",
        f"freezes {point.freezes_per_s or 0:.1f}/s",
    ]
    if point.cpu_cores:
        parts.append(f"service {sum(point.cpu_cores.values()):.2f} cores")
    parts.append(f"generator {_ms(point.lateness_p99_ms)} late")
    return ", ".join(parts)


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} ms"
