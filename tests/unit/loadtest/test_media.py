"""The cached loops: what is encoded is what the agent can send."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import av
import pytest

from loadtest import media

pytestmark = pytest.mark.timeout(240)  # encoding takes long on a busy machine
SMALL = media.H264_LAYERS[0]


def read_loop(path: Path) -> tuple[int, int, list[tuple[bool, int, bytes]]]:
    """Read a cache file as `media_loop.rs` does."""
    data = path.read_bytes()
    assert data[:8] == media.MAGIC
    codec, interval_us, count = struct.unpack_from(">BII", data, 8)
    offset, frames = 17, []
    for _ in range(count):
        length, flags, level = struct.unpack_from(">IBB", data, offset)
        frames.append((bool(flags & 1), level, data[offset + 6 : offset + 6 + length]))
        offset += 6 + length
    assert offset == len(data)
    return codec, interval_us, frames


@pytest.fixture(scope="module")
def loops(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    names = (*media.COMMON_LOOPS, SMALL.name)
    return media.prepare_loops(tmp_path_factory.mktemp("loops"), names)


def test_pictures_start_with_their_only_keyframe_of_the_layers_size(loops: dict[str, Path]) -> None:
    for layer in media.LAYERS:
        codec, interval_us, frames = read_loop(loops[layer.name])
        assert (codec, interval_us) == (media.VP8, 1_000_000 // media.FRAME_RATE)
        assert [number for number, frame in enumerate(frames) if frame[0]] == [0]
        # RFC 6386 §9.1: width and height follow the start code.
        assert struct.unpack_from("<HH", frames[0][2], 6) == (layer.width, layer.height)
        rate_bps = sum(len(frame[2]) for frame in frames) * 8 / media.LOOP_S
        assert 0.4 < rate_bps / layer.bitrate_bps < 1.5


def test_voice_is_one_opus_frame_a_packet_with_its_level(loops: dict[str, Path]) -> None:
    codec, interval_us, frames = read_loop(loops[media.VOICE])
    assert (codec, interval_us) == (media.OPUS, 20_000)
    # RFC 6716 §3.1: code 0, one frame; only such packets can carry a mark.
    assert all(packet[0] & 3 == 0 for _, _, packet in frames)
    levels = {level for _, level, _ in frames}
    assert max(levels) < 45, "quiet enough to be taken for silence"
    assert len(levels) > 3


def test_a_cached_loop_is_not_made_again(loops: dict[str, Path]) -> None:
    folder = loops[media.VOICE].parent
    before = {path: path.stat().st_mtime_ns for path in loops.values()}
    assert media.prepare_loops(folder, loops) == loops
    assert {path: path.stat().st_mtime_ns for path in loops.values()} == before


def test_of_a_conversations_silence_next_to_nothing_is_sent(loops: dict[str, Path]) -> None:
    _, _, frames = read_loop(loops[media.CONVERSATION])
    speech, silence = frames[: len(frames) // 2], frames[len(frames) // 2 + 20 :]
    assert all(packet for _, _, packet in speech)
    sent = [number for number, (_, _, packet) in enumerate(silence) if packet]
    # libopus renews the comfort noise every 400 ms.
    assert 3 <= len(sent) <= len(silence) / 15
    assert {level for _, level, _ in silence} == {127}
    assert all(packet[0] & 3 == 0 for _, _, packet in frames if packet)


def test_h264_is_constrained_baseline_in_slices_that_fit_a_packet(loops: dict[str, Path]) -> None:
    codec, _, frames = read_loop(loops[SMALL.name])
    assert codec == media.H264
    assert [number for number, frame in enumerate(frames) if frame[0]] == [0]
    units = [
        unit for _, _, data in frames for unit in re.split(rb"\x00?\x00\x00\x01", data) if unit
    ]
    parameters = [unit for unit in units if unit[0] & 0x1F == 7]
    # H.264 §7.3.2.1.1: profile_idc 66 with constraint_set1.
    assert parameters and all(unit[1] == 66 and unit[2] & 0x40 for unit in parameters)
    assert max(len(unit) for unit in units) <= 1_150
    decoder = av.CodecContext.create("h264", "r")
    shown = [picture for _, _, data in frames for picture in decoder.decode(av.Packet(data))]
    shown += decoder.decode(None)
    assert len(shown) == len(frames) and shown[0].height == SMALL.height


@pytest.mark.parametrize(
    ("loop", "codec"), [("video-180", "vp8"), ("h264-720", "h264"), ("conversation", "opus")]
)
def test_the_codec_of_a_loop_is_known_by_its_name(loop: str, codec: str) -> None:
    assert media.codec_of(loop) == codec
