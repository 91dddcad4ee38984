"""Scenarios at small size against the real service: a healthy one is told to be healthy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loadtest.text_report import write_text
from tests.support.loadtests import run_loadtest
from tests.support.real_service import real_service

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(150)]

PATIENT = (
    "generator.max_lateness_p99_ms=1000.0",
    "generator.max_join_lateness_ms=5000.0",
    "thresholds.join_p95_ms=5000.0",
    "thresholds.first_picture_p95_ms=8000.0",
    "thresholds.audio_delay_p99_ms=2000.0",
    "thresholds.frozen_percent=50.0",
)
"""Tests share their machine with others: what depends on time alone does not fail them."""


def assert_held(report: dict[str, Any]) -> None:
    assert report["verdict"]["exit"] == 0, write_text(report)
    assert report["failures"] == [] and report["refusals"] == [], write_text(report)


async def test_two_rooms_of_three_hear_and_see_only_each_other(tmp_path: Path) -> None:
    async with real_service(tmp_path, [], loadtest_rooms=2) as service:
        report = await run_loadtest(service.url, "smoke", *PATIENT)

    assert_held(report)
    counts, text = report["counts"], write_text(report)
    for name in ("frames_wrong_source", "frames_unwished", "packets_lost", "frames_missing",
                 "frames_duplicate", "frames_unmarked", "silences"):  # fmt: skip
        assert counts[name] == 0, text
    # Each of 6 hears 2 others at 50 packets a second and sees 20 pictures a second of each, 5 s.
    assert counts["frames"] >= 6 * 2 * (50 + 20) * 5 * 0.9, text
    # Every one of 6 × 2 pictures started.
    assert report["times"]["first_picture_ms"]["count"] == 12, text
    assert report["run"]["most_at_once"] == 6
    # The service was found by its port, and looked at.
    roles = {each["role"]: each for each in report["server"]["processes"]}
    assert {"media worker", "control plane", "supervisor"} <= set(roles), text
    assert roles["media worker"]["most_memory_mb"] > 1
    forwarded = [
        point["metrics"].get("sfu_rtp_packets_forwarded_total", 0) for point in report["series"]
    ]
    assert max(forwarded) > 6 * 2 * 50, text
    assert max(point["received_mbps"] or 0 for point in report["series"]) > 1


async def test_calls_begin_with_pictures_and_half_go_on_with_sound_alone(tmp_path: Path) -> None:
    async with real_service(tmp_path, [], room_class="kep", loadtest_rooms=4) as service:
        report = await run_loadtest(
            service.url, "kep_peak", "rooms.count=4", "ramp.within_s=3.0",
            "audio_only.after_s=3.0", "hold_s=10.0", *PATIENT,
        )  # fmt: skip

    assert_held(report)
    groups = {row["name"]: row["people"] for row in report["groups"]}
    assert groups == {"citizens": 4, "employees": 4, "interpreters": 1}
    counts, text = report["counts"], write_text(report)
    assert counts["frames_wrong_source"] == counts["frames_missing"] == 0, text
    rates = [point["sent_mbps"] for point in report["series"] if point["sent_mbps"] is not None]
    # Nine cameras of 0.32 Mbit/s, later those of two of the four rooms.
    assert rates[-1] < 0.75 * max(rates), text


async def test_a_bad_network_is_emulated_and_repaired(tmp_path: Path) -> None:
    async with real_service(tmp_path, [], loadtest_rooms=1) as service:
        report = await run_loadtest(
            service.url, "lossy", "rooms.count=1", "hold_s=12.0", *PATIENT,
            "thresholds.packets_lost_percent=20.0",
        )  # fmt: skip

    assert_held(report)
    text = write_text(report)
    links = {row["name"]: row for row in report["links"]}
    assert {name: row["people"] for name, row in links.items()} == {
        "busy wireless": 1, "narrow mobile": 1, "none": 2,
    }  # fmt: skip
    assert report["counts"]["emulated_losses"] > 0, text
    assert links["busy wireless"]["repaired"] > 0, text
    # 30 and 60 ms one way: nobody behind such a link hears sooner.
    assert links["busy wireless"]["audio_p99_ms"] >= 30, text
    assert links["narrow mobile"]["audio_p99_ms"] >= 60, text
    assert report["counts"]["frames_wrong_source"] == 0


async def test_a_council_has_one_speaker_and_a_screen(tmp_path: Path) -> None:
    async with real_service(tmp_path, [], loadtest_rooms=1) as service:
        report = await run_loadtest(
            service.url, "council", "scale=0.06", "floor.every_s=2.0", "screen.from_s=2.0",
            "screen.for_s=5.0", "hold_s=10.0", *PATIENT,
        )  # fmt: skip

    assert_held(report)
    text = write_text(report)
    assert report["run"]["participants"] == 1 + 1 + 3 + 3
    assert report["counts"]["source_changes"] > 3, text
    assert report["counts"]["frames_wrong_source"] == report["counts"]["silences"] == 0, text


async def test_people_come_and_go_without_a_trace(tmp_path: Path) -> None:
    async with real_service(tmp_path, [], loadtest_rooms=2) as service:
        report = await run_loadtest(
            service.url, "churn", "rooms.count=2", "groups.members.per_room=3",
            "churn.per_minute=60.0", "hold_s=10.0", *PATIENT,
        )  # fmt: skip

    assert_held(report)
    assert report["run"]["participants"] == 6 + 9
    assert report["run"]["most_at_once"] <= 6
    people = [point["metrics"].get("sfu_participants") for point in report["series"]]
    assert max(each for each in people if each is not None) <= 7
