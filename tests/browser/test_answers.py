"""Real browsers accept our answers, at first and later, and understand them as we meant."""

from __future__ import annotations

import pytest

from sfu.values import TrackSource
from tests.support.browser import Browser, closing
from tests.support.peer_page import peer_page_server
from tests.support.samples import new_negotiator

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(90),
]


@pytest.mark.parametrize("name", ["chromium", "firefox"])
async def test_browser_accepts_answers_of_join_growth_and_ice_restart(
    browsers: dict[str, Browser], name: str
) -> None:
    negotiator = new_negotiator()
    window = await browsers[name].window()
    async with peer_page_server() as address, closing(window):
        await window.open(address)
        tracks = {"0": TrackSource.MICROPHONE, "1": TrackSource.CAMERA}

        first = negotiator.handle_offer(await window.call("offer", {"simulcast": True}), tracks)
        state = await window.call("accept", first.sdp)

        assert state["signaling"] == "stable"
        expected = {"0": "sendonly", "1": "sendonly"} | {
            str(mid): "recvonly" for mid in range(2, 9)
        }
        assert state["directions"] == expected
        assert state["rids"][1] == ["q", "h", "f"]
        assert state["codecs"]["1"][0] == "video/VP8"

        grown = negotiator.handle_offer(await window.call("moreVideo"), tracks)
        state = await window.call("accept", grown.sdp)

        assert state["directions"]["9"] == "recvonly"
        assert grown.subscribed[:7] == first.subscribed
        assert not grown.is_ice_restart

        restarted = negotiator.handle_offer(await window.call("restart"), tracks)
        state = await window.call("accept", restarted.sdp)

        assert state["signaling"] == "stable"
        assert restarted.is_ice_restart
        assert not restarted.is_new_transport
        assert restarted.subscribed == grown.subscribed
