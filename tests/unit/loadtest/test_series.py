"""Readings become curves: rates between readings, nothing invented where nothing was read."""

from __future__ import annotations

from typing import Any

import pytest

from loadtest.monitor import parse_metrics
from loadtest.series import Point, Reading, Series, ServerProcess


def statistics(at_s: float, **totals: Any) -> dict[str, Any]:
    histograms: dict[str, Any] = {"audio_delay": [], "video_delay": []}
    return {
        "at_us": int(at_s * 1e6),
        "totals": {**histograms, **totals},
        "send_lateness": [[100, int(at_s * 10)]],
        "receive_lateness": [],
    }


def points(*readings: Reading) -> list[Point]:
    series = Series()
    for reading in readings:
        series.handle_reading(reading)
    return series.points


def test_rates_are_between_two_statistics_of_the_agent() -> None:
    first, second = points(
        Reading(1.0, 5, 0, [statistics(10, bytes_received=0, audio_delay=[[50, 3]])]),
        Reading(
            2.0, 6, 1,
            [statistics(12, bytes_received=1_000_000, audio_delay=[[50, 3], [9000, 7]])],
        ),
    )  # fmt: skip
    assert first.received_mbps is None
    # 8 Mbit in the agent's two seconds, whatever the clock of who reads says.
    assert second.received_mbps == 4.0
    assert (second.people, second.failures) == (6, 1)
    assert second.audio_p50_ms == second.audio_p99_ms == 9.0
    assert second.lateness_p99_ms == 0.1


def test_a_second_without_news_is_a_gap_and_no_zero() -> None:
    old = statistics(10, bytes_received=5)
    _, gap, after = points(
        Reading(1.0, 1, 0, [old]),
        Reading(2.0, 1, 0, [old]),
        Reading(3.0, 1, 0, [statistics(12, bytes_received=250_005)]),
    )
    assert gap.received_mbps is None and gap.audio_p99_ms is None
    assert after.received_mbps == 1.0


def test_cpu_is_the_difference_and_a_restarted_process_starts_anew() -> None:
    series = Series()

    def reading(at_s: float, *processes: tuple[int, float]) -> None:
        rows = [ServerProcess(pid, "media worker", cpu_s, 50_000_000) for pid, cpu_s in processes]
        series.handle_reading(Reading(at_s, 0, 0, processes=rows))

    reading(0.0, (1, 100.0), (2, 7.0))
    reading(2.0, (1, 101.0), (2, 7.5))
    reading(3.0, (3, 0.4), (2, 7.5))  # 1 died; 3 took its place

    assert [point.cpu_cores for point in series.points] == [
        {},
        {"media worker": 0.75},
        {"media worker": 0.0},
    ]
    assert series.cpu_s == {"media worker": 1.5}
    assert series.most_memory == {"media worker": 100.0}


def test_metrics_are_added_up_over_labels_and_others_left_out() -> None:
    text = (
        "# HELP sfu_rooms Open rooms.\n"
        'sfu_rooms{worker="a",room_class="kep"} 2.0\n'
        'sfu_rooms{worker="b",room_class="council"} 1.0\n'
        "signaling_sockets 7.0\n"
        "sfu_roomsy 9.0\n"
    )
    assert parse_metrics(text) == {"sfu_rooms": 3.0, "signaling_sockets": 7.0}


def test_counters_become_rates_and_a_restart_no_negative_one() -> None:
    name = "sfu_rtp_packets_forwarded_total"
    _, faster, restarted = points(
        Reading(0.0, 0, 0, metrics={name: 100.0}),
        Reading(2.0, 0, 0, metrics={name: 300.0}),
        Reading(4.0, 0, 0, metrics={name: 10.0}),
    )
    assert faster.metrics[name] == pytest.approx(100)
    assert restarted.metrics[name] == 0
