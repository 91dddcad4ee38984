"""The largest offer of our page fits into a message, in every browser."""

from __future__ import annotations

import pytest

from signaling.room_session import AUDIO_STREAMS, MAX_VIDEO_STREAMS
from tests.browser.conftest import Stage

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

MAX_OFFER = 60_000
"""`sdp` of an offer, docs/signaling-protocol.md."""

LARGEST_OFFER = """async (audioStreams, most) => {
  const { MediaConnection, mostVideoStreams } = await import('/static/media_connection.js');
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
  const [[microphone], [camera]] = [stream.getAudioTracks(), stream.getVideoTracks()];
  let sdp = '';
  const media = new MediaConnection(async (offer) => {
    sdp = offer;
    throw new Error('nobody answers');
  });
  const videoStreams = Math.min(most, mostVideoStreams());
  await media.start({ microphone, camera, audioStreams, videoStreams });
  // An offer made again names the candidates found so far, and the screen.
  const gathered = () => media.peerConnection.iceGatheringState === 'complete';
  for (let waited = 0; waited < 100 && !gathered(); waited += 1)
    await new Promise((resolve) => setTimeout(resolve, 50));
  await media.startScreen(camera.clone());
  media.close();
  stream.getTracks().forEach((track) => track.stop());
  return { videoStreams, size: sdp.length, lines: sdp.split('\\r\\nm=').length - 1 };
}"""


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_the_largest_offer_fits(stage: Stage, browser: str) -> None:
    window = await stage.window(browser)
    await window.open(stage.service.new_room())

    found = await window.call(LARGEST_OFFER, AUDIO_STREAMS, MAX_VIDEO_STREAMS)

    assert found["videoStreams"] >= 16
    assert found["lines"] == 3 + AUDIO_STREAMS + found["videoStreams"]
    print(browser, found)
    # Candidates and longer ports and addresses of other machines need room too.
    assert found["size"] <= MAX_OFFER - 4000, f"{browser}: {found['size']} characters"
