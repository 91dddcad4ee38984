"""The judge of the load agent against the real service: each fault put in on purpose is seen and named.

The control is the call without a fault, which must be clean by the same counts.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from loadtest.negotiation import Behaviour
from loadtest.sdp import OPUS, VP8, VP8_RTX
from tests.support.judged_call import assert_clean, delay_ms, judged_call
from tests.support.media_proxy import delay, drop, duplicate, harmless, reorder, silence

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(180)]

CAMERA = Behaviour(video_layers=("video-180",), shows_video=1, max_height=180)


async def test_faults_on_the_way_are_seen_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with judged_call(tmp_path, monkeypatch, [CAMERA] * 2) as call:
        await asyncio.sleep(1.0)  # keyframes and layers settle

        clean = await call.counts(harmless, 3.0)
        assert clean["frames"] > 2 * 3 * (50 + 20) * 0.8, clean
        assert_clean(clean, 3.0, streams=4)
        assert delay_ms(clean, "audio_delay") < 100, clean

        dropped = await call.counts(drop(0.05), 5.0)
        share = dropped["frames_missing"] / (dropped["frames"] + dropped["frames_missing"])
        assert 0.015 < share < 0.08, dropped  # sound alone: pictures are repaired
        assert dropped["packets_lost"] > 0, dropped
        assert dropped["packets_repaired"] > 0 and dropped["nacks_sent"] > 0, dropped

        late = await call.counts(delay(0.3), 3.0)
        assert 250 < delay_ms(late, "audio_delay") < 500, late
        assert 250 < delay_ms(late, "video_delay") < 500, late
        await asyncio.sleep(0.5)

        twice = await call.counts(duplicate(0.5), 3.0)
        assert twice["packets_duplicate"] > 0.3 * twice["packets_received"], twice
        assert twice["frames_duplicate"] == 0, "SRTP lets none of them through"

        mixed = await call.counts(reorder(0.1, 0.05), 3.0)
        assert mixed["packets_reordered"] > 10 and mixed["frames_reordered"] > 5, mixed


async def test_who_falls_silent_is_named_and_who_is_muted_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with judged_call(tmp_path, monkeypatch, [CAMERA] * 2) as call:
        for mid in ("cam", "mic"):
            await call.people[1].mute(mid, muted=True)
        await asyncio.sleep(3.5)
        assert call.agent.silences == []
        for mid in ("cam", "mic"):
            await call.people[1].mute(mid, muted=False)
        counts = await call.counts(harmless, 3.0)
        assert call.agent.silences == [] and counts["silences"] == 0, counts
        assert counts["frames_missing"] == 0, counts

        call.proxy.fault = silence(frozenset({VP8, VP8_RTX}))
        await call.until(lambda: len(call.agent.silences) == 2)
        seen = {(each["id"], each["mid"], each["publisher"]) for each in call.agent.silences}
        assert seen == {(1, "v0", 2), (2, "v0", 1)}

        call.proxy.fault = silence(frozenset({OPUS}))
        await call.until(lambda: len(call.agent.silences) == 4)
        heard = {(each["id"], each["mid"], each["publisher"]) for each in call.agent.silences[2:]}
        assert heard == {(1, None, 2), (2, None, 1)}
        report = await call.agent.report()
        assert {each["id"]: each["unheard"] for each in report["participants"]} == {1: [2], 2: [1]}
        assert report["statistics"]["totals"]["silence_us"] > 2 * 2 * 2e6
        # The pictures came back: their pause was a freeze.
        assert report["statistics"]["totals"]["freezes"] >= 2


async def test_another_camera_than_wished_for_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = "tests.support.swapping_worker"
    async with judged_call(tmp_path, monkeypatch, [CAMERA] * 3, program=program) as call:
        # The last to join wishes for the first, and is sent the second.
        await call.until(lambda: len(call.agent.wrong_sources) > 0)
        wrong = {
            (each["reason"], each["id"], each["publisher"]) for each in call.agent.wrong_sources
        }
        assert wrong == {("unwished", 3, 2)}
        await call.until(lambda: len(call.agent.silences) > 0)
        assert [(each["id"], each["publisher"]) for each in call.agent.silences] == [(3, 1)]
        report = await call.agent.report()
        totals = report["statistics"]["totals"]
        assert totals["frames_unwished"] > 0 and totals["frames_wrong_source"] == 0
        line = report["participants"][2]["lines"][-1]
        assert (line["publisher"], line["wished_publisher"]) == (2, 1)


async def test_nobody_is_wrong_in_a_call_of_three_without_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with judged_call(tmp_path, monkeypatch, [CAMERA] * 3) as call:
        counts = await call.counts(harmless, 4.0)
        assert call.agent.wrong_sources == [] and call.agent.silences == []
        assert counts["frames_unwished"] == counts["silences"] == 0, counts
        assert counts["frames_above_wish"] == counts["frames_below_wish"] == 0, counts
