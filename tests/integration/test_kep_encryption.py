"""What is sealed end to end passes the kep worker, which cannot read it: the needle is nowhere."""

from __future__ import annotations

import json
import re
import secrets
import struct
import subprocess
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from aiortc import RTCRtpReceiver
from aiortc.codecs.vpx import VpxPayloadDescriptor
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from cryptography.exceptions import InvalidTag

from sfu.values import Grants, Kind, Role, VideoWish
from tests.support.aiortc_peer import aiortc_peers
from tests.support.calls import ROOM
from tests.support.e2ee import CAMERA, MICROPHONE, FrameKey, decode_header, frame_key
from tests.support.kep_worker import entry_for_tests, kep_worker
from tests.support.needles import encoded_packet, memory_hits
from tests.support.repository import ROOT
from tests.support.rooms import digest
from tests.support.samples import read_offer

SET_ID = 77


class SealedSound(AudioStreamTrack):
    """As `NeedleSound`, sealed as a page would."""

    def __init__(self, needle: bytes, key: FrameKey) -> None:
        super().__init__()
        self._needle, self._key = needle, key

    async def recv(self) -> Any:
        silence: Any = await super().recv()
        toc = b"\x78"
        sealed = toc + self._key.seal(toc, self._needle * 2)
        return encoded_packet(sealed, silence.pts, "audio")


class SealedPicture(VideoStreamTrack):
    """As `NeedlePicture`, sealed; small enough for one packet."""

    def __init__(self, needle: bytes, key: FrameKey) -> None:
        super().__init__()
        self._needle, self._key = needle, key

    async def recv(self) -> Any:
        pts, _ = await self.next_timestamp()
        clear = b"\x10\x02\x00" + b"\x9d\x01\x2a" + b"\x40\x01\xf0\x00"
        return encoded_packet(clear + self._key.seal(clear, self._needle * 24), pts, "video")


class Opened:
    """Counts what receivers can open, and finds the needle in."""

    def __init__(self, needle: bytes, keys: dict[str, FrameKey]) -> None:
        self._needle, self._keys = needle, keys
        self.counts = {"audio": 0, "video": 0}
        self.foreign = 0

    def watch(self) -> Any:
        async def count(receiver: Any, packet: Any, arrival_time_ms: int) -> None:
            kind, payload = receiver.track.kind, packet.payload
            if kind == "video":
                payload = VpxPayloadDescriptor.parse(payload)[1]
            clear = 1 if kind == "audio" else 10
            try:
                opened = self._keys[kind].open(payload[:clear], payload[clear:])
            except (InvalidTag, ValueError, IndexError, struct.error):
                self.foreign += 1
                return
            self.counts[kind] += self._needle in opened

        return mock.patch.object(RTCRtpReceiver, "_handle_rtp_packet", count)


@pytest.mark.asyncio
@pytest.mark.timeout(90)
async def test_needle_in_sealed_media_is_nowhere_in_the_workers_memory(tmp_path: Path) -> None:
    needle, secret = secrets.token_bytes(32), secrets.token_bytes(32)
    keys = {
        "audio": frame_key(secret, SET_ID, MICROPHONE),
        "video": frame_key(secret, SET_ID, CAMERA),
    }
    opened = Opened(needle, keys)
    async with (
        kep_worker(tmp_path, entry_for_tests("readable")) as running,
        aiortc_peers(2) as peers,
    ):
        with opened.watch():
            sender, viewer = peers
            await running.call.enter(
                "citizen", sender,
                sound=SealedSound(needle, frame_key(secret, SET_ID, MICROPHONE)),
                picture=SealedPicture(needle, frame_key(secret, SET_ID, CAMERA)),
            )  # fmt: skip
            await running.call.enter("employee", viewer)
            wish = VideoWish(mid=viewer.mids(Kind.VIDEO)[0], participant="citizen")
            await running.call.client.set_layout(ROOM, "employee", [wish])
            await running.call.until(lambda: min(opened.counts.values()) > 60)

            # The media are there, under their clear bytes, waiting to be sent again.
            assert memory_hits(running.pid, b"\x10\x02\x00\x9d\x01\x2a\x40\x01\xf0\x00")
            assert memory_hits(running.pid, needle) == []
    assert needle not in running.output


@pytest.mark.asyncio
@pytest.mark.timeout(60)
async def test_kep_worker_agrees_only_to_codecs_that_can_be_sealed(tmp_path: Path) -> None:
    async with kep_worker(tmp_path) as running:
        client, sdp = running.call.client, read_offer("chromium-simulcast")
        await client.join(
            ROOM, "citizen", subject="s", display_name="x", role=Role.CITIZEN,
            grants=Grants(), secret_digest=digest("citizen"),
        )  # fmt: skip
        answer = await client.negotiate(ROOM, "citizen", sdp, {})

    offered, agreed = (
        {name.lower() for name in re.findall(r"^a=rtpmap:\d+ ([\w-]+)", text, re.M)}
        for text in (sdp, answer)
    )
    assert {"h264", "vp9", "av1", "red"} <= offered
    assert agreed == {"vp8", "opus", "rtx"}


def test_both_implementations_seal_alike() -> None:
    """What Python seals opens in the page's code, and the reverse."""
    secret = bytes(range(32))
    key, clear = frame_key(secret, SET_ID, CAMERA), b"\x31\x02\x00"
    sealed = clear + key.seal(clear, b"a picture")
    script = f"""
      import {{ Opener, Sealer }} from '{ROOT}/signaling/web/static/e2ee/frame_cipher.js';
      const secret = Uint8Array.from({list(secret)});
      const [opener, sealer] = [new Opener(), new Sealer()];
      await opener.install('p', {SET_ID}, secret, 0);
      await sealer.use({SET_ID}, secret);
      const expected = {{ participant: 'p', source: 'camera' }};
      const opened = await opener.open('video', expected, Uint8Array.from({list(sealed)}), 0);
      const sealed = await sealer.seal('camera', opened.data);
      console.log(JSON.stringify([[...opened.data], [...sealed.data]]));
    """
    done = subprocess.run(
        ["node", "--input-type=module", "-e", script], capture_output=True, text=True, check=True
    )
    opened, again = (bytes(each) for each in json.loads(done.stdout))

    assert opened == clear + b"a picture"
    assert again == sealed
    assert decode_header(again[3:])[:2] == (SET_ID * 4 + CAMERA, 0)
    assert key.open(clear, again[3:]) == b"a picture"
