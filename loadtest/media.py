"""Loops of encoded media, made once and cached: VP8 and H.264 in three sizes, Opus with audio levels.

File format: `sfu/native/load-agent/src/media_loop.rs`.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext

CACHE_FOLDER = Path("var/loadtest")
MAGIC = b"SYNLOOP1"
VP8 = 1
OPUS = 2
H264 = 3
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
H264_LAYERS = tuple(replace(layer, name=f"h264-{layer.height}") for layer in LAYERS)
"""The same in H.264."""
VOICE = "voice"
"""Speaks without pause."""
CONVERSATION = "conversation"
"""Speaks half of the time; the rest is silence, of which DTX sends next to nothing."""
COMMON_LOOPS = (*(layer.name for layer in LAYERS), VOICE, CONVERSATION)
DTX_AFTER_FRAMES = 10
DTX_REFRESH_FRAMES = 20
"""What libopus does of itself, and libavcodec cannot switch on (libopus 1.3 silk/define.h): after
200 ms of silence one packet each 400 ms, for the comfort noise."""
MAX_SLICE_BYTES = 1_060
"""H.264 slices fit one packet, with the agent's mark beside the last."""


def codec_of(loop: str) -> str:
    """Return the codec of a loop as SDP calls it, in lower case."""
    if loop in (VOICE, CONVERSATION):
        return "opus"
    return "h264" if loop in {layer.name for layer in H264_LAYERS} else "vp8"


@dataclass(frozen=True)
class EncodedFrame:
    """One frame of a loop."""

    data: bytes
    is_keyframe: bool
    minus_dbov: int
    """RFC 6464 level; 127 for video."""


def prepare_loops(
    folder: Path = CACHE_FOLDER, names: Collection[str] = COMMON_LOOPS
) -> dict[str, Path]:
    """Return name → file of the loops, encoding those that are not cached. Takes seconds, once.

    Raises:
        KeyError: there is no such loop.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for name in names:
        file, write = _LOOPS[name]
        paths[name] = folder / file
        if not paths[name].exists():
            write(paths[name])
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


def _write_video(path: Path, codec: int, layer: VideoLayer) -> None:
    _write(path, codec, 1_000_000 // FRAME_RATE, list(_encode_video(codec, layer)))


def _write_sound(path: Path, pauses: bool) -> None:
    _write(path, OPUS, round(AUDIO_FRAME_S * 1e6), list(_encode_voice(pauses)))


def _encode_video(codec: int, layer: VideoLayer) -> Iterator[EncodedFrame]:
    context = av.CodecContext.create("libvpx" if codec == VP8 else "libx264", "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = layer.width, layer.height, "yuv420p"
    context.time_base, context.framerate = Fraction(1, FRAME_RATE), Fraction(FRAME_RATE)
    context.bit_rate = layer.bitrate_bps
    context.options = (_vp8_options if codec == VP8 else _h264_options)(layer.bitrate_bps)
    context.gop_size = LOOP_S * FRAME_RATE + 1
    for number, picture in enumerate(_pictures(layer)):
        frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format="yuv420p")
        frame.pts, frame.time_base = number, context.time_base
        for packet in context.encode(frame):
            yield EncodedFrame(bytes(packet), packet.is_keyframe, 127)
    for packet in context.encode(None):
        yield EncodedFrame(bytes(packet), packet.is_keyframe, 127)


def _vp8_options(bitrate_bps: int) -> dict[str, str]:
    return {
        "deadline": "realtime",
        "cpu-used": "8",
        "lag-in-frames": "0",
        "auto-alt-ref": "0",
        "error-resilient": "1",
        "minrate": str(bitrate_bps),
        "maxrate": str(bitrate_bps),
        "bufsize": str(bitrate_bps // 2),
    }


def _h264_options(bitrate_bps: int) -> dict[str, str]:
    """As the offer says: constrained baseline, and nothing that waits for later pictures."""
    return {
        "profile": "baseline",
        "preset": "veryfast",
        "tune": "zerolatency",
        "x264-params": f"slice-max-size={MAX_SLICE_BYTES}:scenecut=0:repeat-headers=1",
        "maxrate": str(bitrate_bps),
        "bufsize": str(bitrate_bps // 2),
    }


def _pictures(layer: VideoLayer) -> Iterator[np.ndarray]:
    """Yield grey `(height, width)` pictures: a face-like blob that moves in a noisy room."""
    random = np.random.default_rng(7)
    y, x = np.mgrid[0 : layer.height, 0 : layer.width].astype(np.float32) / layer.height

    def noise(deviation: float) -> np.ndarray:
        return np.asarray(deviation * random.standard_normal(x.shape), dtype=np.float32)

    room = 90 + 40 * np.sin(9 * x) * np.cos(7 * y) + noise(4)
    stripes = y[:, :1]
    middle = layer.width / layer.height / 2
    still = noise(3)
    for number in range(LOOP_S * FRAME_RATE):
        angle = 2 * math.pi * number / (2 * FRAME_RATE)
        across = (x - (middle + 0.15 * math.sin(angle))) / 0.22
        along = (y - (0.5 + 0.05 * math.cos(2 * angle))) / (0.22 * 1.3)
        far = across * across + along * along
        face = 110 * np.exp(-far * far) * (1 + 0.2 * np.sin(40 * stripes + 3 * angle))
        # New noise costs as much as the encoder: the same, moved, is as hard to predict.
        yield np.clip(room + face + np.roll(still, 7919 * number), 16, 235).astype(np.uint8)


def _encode_voice(pauses: bool) -> Iterator[EncodedFrame]:
    context = av.CodecContext.create("libopus", "w")
    assert isinstance(context, AudioCodecContext)
    context.sample_rate, context.layout, context.format = SAMPLE_RATE, "mono", "s16"
    context.bit_rate = 32_000
    context.options = {"application": "voip", "frame_duration": "20"}
    size = round(SAMPLE_RATE * AUDIO_FRAME_S)
    count = round(LOOP_S / AUDIO_FRAME_S)
    levels: list[int] = []
    silent_frames = 0
    for number in range(count):
        samples = _voice(number * size, size) * (0 if pauses and number >= count // 2 else 1)
        levels.append(_minus_dbov(samples))
        frame = av.AudioFrame.from_ndarray(
            samples.astype(np.int16)[np.newaxis, :], format="s16", layout="mono"
        )
        frame.sample_rate, frame.pts = SAMPLE_RATE, number * size
        for packet in context.encode(frame):
            level = levels.pop(0)
            silent_frames = silent_frames + 1 if level == 127 else 0
            yield EncodedFrame(bytes(packet) if _is_sent(silent_frames) else b"", True, level)


def _is_sent(silent_frames: int) -> bool:
    """Return whether DTX sends the packet that is the `silent_frames`th of a silence."""
    beyond = silent_frames - DTX_AFTER_FRAMES
    return beyond <= 0 or beyond % DTX_REFRESH_FRAMES == 0


def _minus_dbov(samples: np.ndarray) -> int:
    """Return the RFC 6464 level: 0 is the loudest there is, 127 is silence."""
    rms = float(np.sqrt(np.mean((samples / 32768) ** 2)))
    return 127 if rms == 0 else min(127, max(0, round(-20 * np.log10(rms))))


def _voice(start: int, count: int) -> np.ndarray:
    """Return samples of a buzz with a syllable-like envelope, never silent."""
    time = (start + np.arange(count)) / SAMPLE_RATE
    buzz = sum(np.sin(2 * np.pi * 140 * harmonic * time) / harmonic for harmonic in range(1, 12))
    envelope = 0.35 + 0.25 * np.sin(2 * np.pi * 4 * time)
    return np.asarray(buzz * envelope * 6000, dtype=np.float64)


def _video_loop(codec: int, layer: VideoLayer) -> tuple[str, Callable[[Path], None]]:
    file = f"{layer.name}-{layer.bitrate_bps}-{FRAME_RATE}-{LOOP_S}.loop"
    return file, partial(_write_video, codec=codec, layer=layer)


_LOOPS: dict[str, tuple[str, Callable[[Path], None]]] = {
    **{layer.name: _video_loop(VP8, layer) for layer in LAYERS},
    **{layer.name: _video_loop(H264, layer) for layer in H264_LAYERS},
    VOICE: (f"{VOICE}-{LOOP_S}.loop", partial(_write_sound, pauses=False)),
    CONVERSATION: (f"{CONVERSATION}-{LOOP_S}.loop", partial(_write_sound, pauses=True)),
}
"""Name → file in the cache, and what makes it."""
