"""The load tester against the real service: what a smoke run says of a healthy one."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.run import SmokeScenario, Target, run_smoke
from loadtest.summary import write_text
from tests.support.real_service import real_service

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]

ROOMS = ("smoke-0", "smoke-1")


async def test_two_rooms_of_three_hear_and_see_only_each_other(tmp_path: Path) -> None:
    async with real_service(tmp_path, ROOMS) as service:
        target = Target(service.url, server_pids=tuple(service.pids()))
        scenario = SmokeScenario(rooms=ROOMS, participants=3, seconds=5.0)
        summary = await run_smoke(target, scenario, lambda _: None)

    text = write_text(summary)
    counts = summary["counts"]
    assert summary["failures"] == {} and summary["refusals"] == [] and summary["errors"] == []
    assert counts["frames_wrong_source"] == 0, text
    for name in ("packets_lost", "frames_missing", "frames_duplicate", "frames_unmarked"):
        assert counts[name] == 0, text
    assert summary["faults"] == [], text
    # Each of 6 hears 2 others at 50 packets a second and sees 20 pictures a second of each, 5 s.
    assert counts["frames"] >= 6 * 2 * (50 + 20) * 5 * 0.9, text
    # Every one of 6 × 2 pictures started, the slowest within 2 s of its viewer's socket or of its
    # publisher's: the last third of the joiners had both others there already.
    assert summary["first_picture_ms"]["count"] == 12, text
    assert summary["join_ms"]["p99.9"] < 2000, text
    assert summary["server"] and all(row["memory_mb"] > 1 for row in summary["server"]), text
