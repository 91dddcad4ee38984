"""The cached loops: what is encoded is what the agent can send."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from loadtest import media


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
    return media.prepare_loops(tmp_path_factory.mktemp("loops"))


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
    assert media.prepare_loops(folder) == loops
    assert {path: path.stat().st_mtime_ns for path in loops.values()} == before
