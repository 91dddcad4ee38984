"""Real browsers accept our answers, at first and later, and understand them as we meant."""

from __future__ import annotations

import pytest

from sfu.values import TrackSource
from tests.support.browsers import chromium_page, firefox_page
from tests.support.peer_page import peer_page_server
from tests.support.samples import new_negotiator

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(90)]

BROWSERS = {"chromium": chromium_page, "firefox": firefox_page}


@pytest.mark.parametrize("name", sorted(BROWSERS))
async def test_browser_accepts_answers_of_join_growth_and_ice_restart(name: str) -> None:
    negotiator = new_negotiator()
    async with peer_page_server() as address, BROWSERS[name](address) as page:
        tracks = {"0": TrackSource.MICROPHONE, "1": TrackSource.CAMERA}

        first = negotiator.handle_offer(await page.evaluate("offer({simulcast: true})"), tracks)
        state = await page.evaluate(f"accept({first.sdp!r})")

        assert state["signaling"] == "stable"
        expected = {"0": "sendonly", "1": "sendonly"} | {
            str(mid): "recvonly" for mid in range(2, 9)
        }
        assert state["directions"] == expected
        assert state["rids"][1] == ["q", "h", "f"]
        assert state["codecs"]["1"][0] == "video/VP8"

        grown = negotiator.handle_offer(await page.evaluate("moreVideo()"), tracks)
        state = await page.evaluate(f"accept({grown.sdp!r})")

        assert state["directions"]["9"] == "recvonly"
        assert grown.subscribed[:7] == first.subscribed
        assert not grown.is_ice_restart

        restarted = negotiator.handle_offer(await page.evaluate("restart()"), tracks)
        state = await page.evaluate(f"accept({restarted.sdp!r})")

        assert state["signaling"] == "stable"
        assert restarted.is_ice_restart
        assert not restarted.is_new_transport
        assert restarted.subscribed == grown.subscribed
