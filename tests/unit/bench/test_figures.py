"""What the bench makes of its measurements: lines, quantiles, ratios, bars."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.bench.big_room import room_figures
from tests.bench.delay import MOST_CALLS, calls_for
from tests.bench.figures import Figure, markdown_table, text_table
from tests.bench.fit import fit_line
from tests.bench.institutions import institution_figures
from tests.bench.janus import BUSY, FEW, MANY, answer_to, figures_of
from tests.bench.joins import join_figures
from tests.bench.kep_peak import kep_figures
from tests.bench.scenario_runs import CONTROL_PLANE, WORKER, Held, held
from tests.bench.stages import bucket_quantile

SEEN = Held(
    participants=100, worker_cores=0.1, control_plane_cores=0.0, worker_memory_mb=60.0,
    packets_per_s=10_000.0, machine_busy=0.5,
)  # fmt: skip


def test_line_goes_through_points_on_it() -> None:
    line = fit_line([(50, 0.11), (100, 0.21), (200, 0.41)])

    assert line.slope == pytest.approx(0.002)
    assert line.intercept == pytest.approx(0.01)
    assert line.at(870) == pytest.approx(1.75)
    assert line.worst == pytest.approx(0.0)


def test_line_tells_how_far_a_point_is_off() -> None:
    # Least squares of (0, 1), (1, 1), (2, 4): y = 0.5 + 1.5 x.
    line = fit_line([(0, 1), (1, 1), (2, 4)])

    assert line.slope == pytest.approx(1.5)
    assert line.intercept == pytest.approx(0.5)
    assert line.worst == pytest.approx(1.0), "at x = 1 it says 2 for 1"


@pytest.mark.parametrize("points", [[], [(1.0, 1.0)], [(1.0, 1.0), (1.0, 2.0)]])
def test_no_line_through_one_place(points: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="no line"):
        fit_line(points)


@pytest.mark.parametrize(
    ("wanted", "expected"), [(0.5, 0.0005), (0.75, 0.001), (0.99, 0.0196), (1.0, 0.02)]
)
def test_bucket_quantile_is_in_proportion_within_its_bucket(wanted: float, expected: float) -> None:
    # 100 packets: 75 up to 1 ms, evenly 50 of them up to 0.5 ms; 25 between 10 and 20 ms.
    buckets = [(0.0005, 50), (0.001, 75), (0.01, 75), (0.02, 100)]

    assert bucket_quantile(buckets, wanted) == pytest.approx(expected)


def test_bucket_quantile_of_nothing_is_zero() -> None:
    assert bucket_quantile([], 0.5) == bucket_quantile([(0.1, 0)], 0.5) == 0.0


def test_bars_hold_from_either_side() -> None:
    assert Figure(1.0, "", 1.0).holds and not Figure(1.1, "", 1.0).holds
    assert Figure(15.0, "", 15.0, at_least=True).holds
    assert Figure(14.9, "", 15.0, at_least=True).holds is False
    assert Figure(1.0, "").holds is None

    figures = {"cheaper": Figure(8.0, "times", 15.0, at_least=True)}
    assert "≥ 15 times | **no**" in markdown_table(figures)
    assert "bar ≥ 15" in text_table(figures) and "MISSED" in text_table(figures)


@pytest.mark.parametrize(
    ("share", "running", "cpu_share", "expected"),
    [(0.5, 50, 0.1, 250), (0.25, 50, 0.2, 63), (0.75, 50, 0.01, MOST_CALLS), (0.5, 50, 0.0, MOST_CALLS)],
)  # fmt: skip
def test_calls_that_make_a_worker_busy(
    share: float, running: int, cpu_share: float, expected: int
) -> None:
    assert calls_for(share, running, cpu_share) == expected


def test_janus_is_held_against_the_same_packets() -> None:
    costs = {
        FEW: {"janus": 40.0, "ours": 5.0},
        MANY: {"janus": 38.0, "ours": 4.0},
        BUSY: {"janus": 36.0, "ours": 2.0},
    }

    figures = figures_of(costs, {"janus": "cm", "ours": "gcm"})

    assert figures["cheaper_than_janus"].value == 18.0 and figures["cheaper_than_janus"].holds
    assert figures["cheaper_than_janus_one"].value == 9.5
    assert figures["cheaper_than_janus_few"].value == 8.0
    assert figures["janus_cpu_per_packet"].value == 36.0


def test_answer_turns_the_offer_round() -> None:
    offer = "\r\n".join([
        "v=0", "a=ice-lite", "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=sendonly", "a=mid:0",
        "a=ice-ufrag:theirs", "a=ice-pwd:theirs", "a=fingerprint:sha-256 AA", "a=setup:actpass",
        "a=ssrc:1 cname:janus", "a=candidate:1 1 udp 1 127.0.0.1 1 typ host", "",
    ])  # fmt: skip

    answer = answer_to(offer, {"ice_ufrag": "u", "ice_pwd": "p", "fingerprint": "BB"})

    assert answer.split("\r\n") == [
        "v=0", "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=recvonly", "a=mid:0", "a=ice-ufrag:u",
        "a=ice-pwd:p", "a=fingerprint:sha-256 BB", "a=setup:active", "",
    ]  # fmt: skip


def test_percentiles_of_joins() -> None:
    figures = join_figures(10.0, [number / 1000 for number in range(1, 101)])

    assert figures["join_p50_10"].value == 50.0
    assert figures["join_p95_10"].value == 95.0 and figures["join_p95_10"].holds
    assert figures["join_p99_10"].value == 99.0
    assert join_figures(50.0, [9.0])["join_p95_50"].bar is None


def test_worst_minute_is_extrapolated_along_its_line() -> None:
    seen = {
        calls: replace(SEEN, participants=2 * calls, worker_cores=0.01 + 0.001 * calls,
                       worker_memory_mb=50 + 0.5 * 2 * calls)
        for calls in (50, 100, 200)
    }  # fmt: skip

    figures = kep_figures(seen)

    assert figures["kep_peak_cpu"].value == 0.88 and figures["kep_peak_cpu"].holds
    assert "EXTRAPOLATED to 870" in figures["kep_peak_cpu"].how
    assert figures["kep_peak_memory"].value == 0.5 and figures["kep_peak_memory"].holds
    assert figures["kep_peak_cpu_100"].value == 1.1


@pytest.mark.parametrize(("dearer", "holds"), [(1.1, True), (1.3, False)])
def test_room_that_grows_costs_no_more_a_packet(dearer: float, holds: bool) -> None:
    seen = {50: SEEN, 100: replace(SEEN, worker_cores=0.2 * dearer, packets_per_s=20_000.0),
            200: replace(SEEN, worker_cores=0.4, packets_per_s=40_000.0)}  # fmt: skip

    figures = room_figures(seen)

    assert figures["big_room_growth"].value == pytest.approx(dearer)
    assert figures["big_room_growth"].holds is holds
    assert figures["big_room_packet_50"].value == 10.0


def _point(at_s: float, people: int = 2, packets: float | None = 100.0) -> dict[str, Any]:
    return {
        "at_s": at_s, "people": people, "cpu_cores": {WORKER: at_s / 10, CONTROL_PLANE: 0.1},
        "memory_mb": {WORKER: 50.0}, "packets_per_s": packets, "machine_busy": 0.5,
    }  # fmt: skip


def test_only_the_seconds_with_everybody_in_count() -> None:
    points = [_point(1, people=1), *(_point(at_s) for at_s in (2, 3, 4, 5)), _point(6, people=0)]
    points[2]["packets_per_s"] = None

    seen = held(points, 2, 1.5, 5.0)

    assert seen.worker_cores == pytest.approx(0.35)
    assert (seen.packets_per_s, seen.worker_memory_mb) == (100.0, 50.0)
    with pytest.raises(RuntimeError, match="no figure"):
        held(points, 2, 1.5, 6.0)
    with pytest.raises(RuntimeError, match="no figure"):
        held(points, 2, 3.5, 5.0)


def test_reminders_that_were_left_out_are_no_figure() -> None:
    told = {"due": 10, "reminded": 10, "seconds": 3.0, "lag_ms": {"p50": 1, "p99": 5, "worst": 9}}

    figures = institution_figures("sqlite", [0.05], [0.4], (300.0, 0.004), told)

    assert all(each.holds is not False for each in figures.values())
    assert figures["pages_sqlite"].value == 250
    with pytest.raises(RuntimeError, match="9 of 10"):
        institution_figures("sqlite", [0.05], [0.4], (300.0, 0.004), {**told, "reminded": 9})
