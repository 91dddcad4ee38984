"""What simulated participants can send, against the real service: codecs, screens, silence, bad networks."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from loadtest.media import CONVERSATION, H264_LAYERS
from loadtest.negotiation import Behaviour
from tests.support.judged_call import assert_clean, delay_ms, judged_call
from tests.support.media_proxy import drop, harmless

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(180)]

CAMERA = Behaviour(video_layers=("video-180",), shows_video=2, max_height=180)
MODERN = Behaviour(
    video_layers=tuple(layer.name for layer in H264_LAYERS),
    shows_video=1,
    max_height=360,
    has_h264=True,
    has_red=True,
)


async def test_h264_layers_and_redundant_sound_come_through_and_red_makes_good_what_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with judged_call(tmp_path, monkeypatch, [MODERN] * 2) as call:
        await asyncio.sleep(2.5)  # the layer that was wished for settles
        clean = await call.counts(harmless, 3.0)
        assert_clean(clean, 3.0, streams=4)
        assert clean["frames_above_wish"] == clean["frames_below_wish"] == 0, clean
        assert clean["frames"] > 2 * 3 * (50 + 20) * 0.8, clean
        assert (await call.line(1, "v0"))["height"] == 360

        lossy = await call.counts(drop(0.1), 4.0)
        sound = 2 * 4 * 50
        assert 0.04 * sound < lossy["frames_recovered"] < 0.2 * sound, lossy
        # What two losses in a row cost, and nothing else.
        assert lossy["frames_missing"] < lossy["frames_recovered"], lossy


async def test_a_screen_comes_later_and_the_silent_are_not_taken_for_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talker = replace(CAMERA, voice=CONVERSATION)
    async with judged_call(tmp_path, monkeypatch, [talker] * 2) as call:
        await call.people[0].share_screen()
        await asyncio.sleep(1.0)
        # Both camera and screen of the first reach the second, as two m-lines.
        counts = await call.counts(harmless, 9.0)
        assert_clean(counts, 9.0, streams=5)
        assert call.agent.silences == []
        assert (await call.line(2, "v0"))["height"] == 720
        assert (await call.line(2, "v1"))["height"] == 180
        # Half of the conversation is silence.
        sound = await call.totals_of(1)
        assert 0.4 * 9 * 50 < count(sound["audio_delay"]) < 0.75 * 9 * 50, sound


async def test_a_bad_network_under_one_is_its_own_and_changes_in_mid_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = replace(CAMERA, down={"loss": 0.05, "delay_ms": 150}, up={"delay_ms": 50})
    near = replace(CAMERA, srtp="aes128_cm_sha1_80")
    async with judged_call(tmp_path, monkeypatch, [far, near]) as call:
        profiles = [each.srtp_profile for each in call.people]
        assert profiles == ["aead_aes_128_gcm", "aes128_cm_sha1_80"]
        counts = await call.counts(harmless, 4.0)
        assert counts["emulated_losses"] > 5, counts
        far_totals, near_totals = await call.totals_of(1), await call.totals_of(2)
        assert 140 < delay_ms(far_totals, "audio_delay") < 300, "down"
        assert 40 < delay_ms(near_totals, "audio_delay") < 140, "up"
        assert far_totals["frames_missing"] > 0 and near_totals["frames_missing"] == 0
        # A picture is a packet: one in sixty runs loses none in 4 s.
        pictures = await call.totals_once(1, "v0", "packets_repaired")
        assert pictures["frames_missing"] == 0, pictures

        call.agent.send(command="link", id=1)
        await asyncio.sleep(0.5)
        counts = await call.counts(harmless, 3.0)
        assert counts["emulated_losses"] == counts["frames_missing"] == 0, counts
        assert delay_ms(await call.totals_of(1), "audio_delay") < 100


def count(histogram: list[list[int]]) -> int:
    """Return how many values a histogram has."""
    return sum(each for _, each in histogram)
