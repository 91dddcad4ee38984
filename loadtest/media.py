"""Loops of encoded media, made once and cached: VP8 in three sizes, Opus with audio levels.

File format: `sfu/native/load-agent/src/media_loop.rs`.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext

CACHE_FOLDER = Path("var/loadtest")
MAGIC = b"SYNLOOP1"
VP8 = 1
OPUS = 2
LOOP_S = 8
"""Length of the loops in seconds; a keyframe at the start, none later."""
FRAME_RATE = 20
AUDIO_FRAME_S = 0.02
SAMPLE_RATE = 48_000


@dataclass(frozen=True)
class VideoLayer:
    """One simulcast layer."""

    name: str
    width: int
    height: int
    bitrate_bps: int


LAYERS = (
    VideoLayer("video-180", 320, 180, 120_000),
    VideoLayer("video-360", 640, 360, 320_000),
    VideoLayer("video-720", 1280, 720, 1_400_000),
)
"""Smallest first. Rates as browsers give: 180p 1 packet a frame, 360p 2, 720p 8."""
VOICE = "voice"


@dataclass(frozen=True)
class EncodedFrame:
    """One frame of a loop."""

    data: bytes
    is_keyframe: bool
    minus_dbov: int
    """RFC 6464 level; 127 for video."""


def prepare_loops(folder: Path = CACHE_FOLDER) -> dict[str, Path]:
    """Return name → file of every loop, encoding those that are not cached. Takes seconds, once."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for layer in LAYERS:
        paths[layer.name] = folder / f"{layer.name}-{layer.bitrate_bps}-{FRAME_RATE}-{LOOP_S}.loop"
        if not paths[layer.name].exists():
            interval_us = 1_000_000 // FRAME_RATE
            _write(paths[layer.name], VP8, interval_us, list(_encode_video(layer)))
    paths[VOICE] = folder / f"{VOICE}-{LOOP_S}.loop"
    if not paths[VOICE].exists():
        _write(paths[VOICE], OPUS, round(AUDIO_FRAME_S * 1e6), list(_encode_voice()))
    return paths


def pack_loop(codec: int, interval_us: int, frames: list[EncodedFrame]) -> bytes:
    """Return the bytes of a cache file."""
    parts = [MAGIC, struct.pack(">BII", codec, interval_us, len(frames))]
    for frame in frames:
        parts.append(struct.pack(">IBB", len(frame.data), frame.is_keyframe, frame.minus_dbov))
        parts.append(frame.data)
    return b"".join(parts)


def _write(path: Path, codec: int, interval_us: int, frames: list[EncodedFrame]) -> None:
    # Two runs may start together: each writes its own, the rename makes one of them whole.
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_bytes(pack_loop(codec, interval_us, frames))
    temporary.replace(path)


def _encode_video(layer: VideoLayer) -> Iterator[EncodedFrame]:
    context = av.CodecContext.create("libvpx", "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = layer.width, layer.height, "yuv420p"
    context.time_base, context.framerate = Fraction(1, FRAME_RATE), Fraction(FRAME_RATE)
    context.bit_rate = layer.bitrate_bps
    rate = str(layer.bitrate_bps)
    context.options = {
        "deadline": "realtime",
        "cpu-used": "8",
        "lag-in-frames": "0",
        "auto-alt-ref": "0",
        "error-resilient": "1",
        "minrate": rate,
        "maxrate": rate,
        "bufsize": str(layer.bitrate_bps // 2),
    }
    context.gop_size = LOOP_S * FRAME_RATE + 1
    for number, picture in enumerate(_pictures(layer)):
        frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format="yuv420p")
        frame.pts, frame.time_base = number, context.time_base
        for packet in context.encode(frame):
            yield EncodedFrame(bytes(packet), packet.is_keyframe, 127)
    for packet in context.encode(None):
        yield EncodedFrame(bytes(packet), packet.is_keyframe, 127)


def _pictures(layer: VideoLayer) -> Iterator[np.ndarray]:
    """Yield grey `(height, width)` pictures: a face-like blob that moves in a noisy room."""
    random = np.random.default_rng(7)
    y, x = np.mgrid[0 : layer.height, 0 : layer.width].astype(np.float32) / layer.height
    room = 90 + 40 * np.sin(9 * x) * np.cos(7 * y) + random.normal(0, 4, x.shape)
    stripes = y[:, :1]
    middle = layer.width / layer.height / 2
    noise = random.normal(0, 3, x.shape)
    for number in range(LOOP_S * FRAME_RATE):
        angle = 2 * np.pi * number / (2 * FRAME_RATE)
        far = np.hypot(
            x - middle - 0.15 * np.sin(angle), (y - 0.5 - 0.05 * np.cos(2 * angle)) / 1.3
        )
        face = 110 * np.exp(-((far / 0.22) ** 4)) * (1 + 0.2 * np.sin(40 * stripes + 3 * angle))
        # New noise costs as much as the encoder: the same, moved, is as hard to predict.
        moved = np.roll(noise, 7919 * number)
        yield np.clip(room + face + moved, 16, 235).astype(np.uint8)


def _encode_voice() -> Iterator[EncodedFrame]:
    context = av.CodecContext.create("libopus", "w")
    assert isinstance(context, AudioCodecContext)
    context.sample_rate, context.layout, context.format = SAMPLE_RATE, "mono", "s16"
    context.bit_rate = 32_000
    context.options = {"application": "voip", "frame_duration": "20"}
    size = round(SAMPLE_RATE * AUDIO_FRAME_S)
    levels = []
    for number in range(round(LOOP_S / AUDIO_FRAME_S)):
        samples = _voice(number * size, size)
        rms = float(np.sqrt(np.mean((samples / 32768) ** 2)))
        levels.append(min(127, max(0, round(-20 * np.log10(rms)))))
        frame = av.AudioFrame.from_ndarray(
            samples.astype(np.int16)[np.newaxis, :], format="s16", layout="mono"
        )
        frame.sample_rate, frame.pts = SAMPLE_RATE, number * size
        for packet in context.encode(frame):
            yield EncodedFrame(bytes(packet), True, levels.pop(0))


def _voice(start: int, count: int) -> np.ndarray:
    """Return samples of a buzz with a syllable-like envelope, never silent."""
    time = (start + np.arange(count)) / SAMPLE_RATE
    buzz = sum(np.sin(2 * np.pi * 140 * harmonic * time) / harmonic for harmonic in range(1, 12))
    envelope = 0.35 + 0.25 * np.sin(2 * np.pi * 4 * time)
    return np.asarray(buzz * envelope * 6000, dtype=np.float64)
