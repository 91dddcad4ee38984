"""What is told while a run goes on, on a terminal and elsewhere."""

from __future__ import annotations

import io

from rich.console import Console

from loadtest.cast import Target
from loadtest.plan import make_plan
from loadtest.progress import MAX_EVENTS, BarObserver, PlainObserver, make_observer
from loadtest.scenario_file import read_scenario
from loadtest.series import Point

SCENARIO = read_scenario("smoke")
BUSY = Point(3.0, 5, 1, received_mbps=1.5, sent_mbps=2.0, audio_p99_ms=7.25, packets_per_s=100)
HOSTILE = "[bold]no markup[/bold]"


def test_elsewhere_than_on_a_terminal_plain_lines_are_written_now_and_then() -> None:
    stream = io.StringIO()
    with make_observer(SCENARIO, stream) as observer:
        assert isinstance(observer, PlainObserver)
        observer.handle_start(make_plan(SCENARIO), Target("http://x"))
        for second in range(11):
            observer.handle_point(Point(float(second), second, 0, received_mbps=1.0))
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("6 joins into 2 rooms of http://x")
    assert [line.split()[0] for line in lines[1:]] == ["0", "5", "10"]
    assert "\x1b" not in stream.getvalue()


def test_a_second_without_news_repeats_the_last_rates() -> None:
    stream = io.StringIO()
    observer = PlainObserver(stream)
    observer.handle_point(BUSY)
    observer.handle_point(Point(9.0, 6, 1))
    first, second = stream.getvalue().splitlines()
    assert "1.5 Mbit/s down" in first and "sound p99 7.2 ms" in first
    assert "6 in, 1 failed" in second and "1.5 Mbit/s down" in second


def test_of_many_failures_a_few_are_told() -> None:
    stream = io.StringIO()
    observer = PlainObserver(stream)
    for number in range(100):
        observer.handle_event(f"load-{number}: no answer")
    assert len(stream.getvalue().splitlines()) == MAX_EVENTS


def test_bars_show_people_time_failures_and_rates() -> None:
    stream = io.StringIO()
    observer = BarObserver(SCENARIO, Console(file=stream, force_terminal=True, width=110))
    with observer.live:
        observer.handle_start(make_plan(SCENARIO), Target("http://x"))
        observer.handle_point(BUSY)
        observer.handle_event(HOSTILE)
        observer.live.refresh()
    text = stream.getvalue()
    assert "5/6" in text and "3/6" in text
    assert "1 failed" in text and "[red]" not in text
    assert "1.5 Mbit/s down" in text and HOSTILE in text
