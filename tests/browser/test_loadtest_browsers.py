"""Real browsers among the simulated: what a load test says that they see and hear."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.loadtests import Command
from tests.support.real_service import real_service

pytestmark = [pytest.mark.asyncio, pytest.mark.browser, pytest.mark.timeout(150)]


async def test_a_browser_sees_every_simulated_camera_move_and_hears_them(tmp_path: Path) -> None:
    async with real_service(tmp_path, [], loadtest_rooms=1) as service:
        arguments = ("smoke", "--url", service.url, "--rooms", "1", "--hold-s", "16",
                     "--browsers", "1", "--set", "groups.members.per_room=2")  # fmt: skip
        async with Command(tmp_path, *arguments) as command:
            result = await command.result()

    assert result.report is not None, result
    (browser,) = result.report["browsers"]
    assert browser["failure"] == "", result.output
    assert (browser["videos"], browser["cameras"]) == (2, 2), browser
    assert browser["looks"] >= 5 and browser["expected_looks"] >= 10, browser
    assert browser["still_looks"] <= 0.2 * browser["expected_looks"], browser
    assert browser["silent_looks"] < browser["audio_looks"], browser
    assert all(height in (180, 360, 720) for height in browser["heights"]), browser
    assert browser["fps"] > 5 and browser["round_trip_ms"] is not None, browser
    # The simulated saw it too: their frames without marks are the browser's.
    assert result.report["counts"]["frames_unmarked"] > 0, result.output
    assert "browser-1" in result.html
