"""Media that carries a needle, peers that look for it, and searches of memory and folders."""

from __future__ import annotations

import fractions
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from aiortc import RTCRtpReceiver
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from av import Packet

CHUNK_BYTES = 1 << 20
_CLOCKS = {"audio": 48_000, "video": 90_000}


class NeedleSound(AudioStreamTrack):
    """Opus packets whose payload is the needle, 50 a second."""

    def __init__(self, needle: bytes) -> None:
        super().__init__()
        self._needle = needle

    async def recv(self) -> Any:
        silence: Any = await super().recv()
        return encoded_packet(b"\x78" + self._needle * 2, silence.pts, "audio")


class NeedlePicture(VideoStreamTrack):
    """VP8 keyframes (RFC 6386 §9.1) of 320 × 240 whose data is the needle, 30 a second."""

    def __init__(self, needle: bytes) -> None:
        super().__init__()
        self._frame = b"\x10\x02\x00" + b"\x9d\x01\x2a" + b"\x40\x01\xf0\x00" + needle * 60

    async def recv(self) -> Any:
        pts, _ = await self.next_timestamp()
        return encoded_packet(self._frame, pts, "video")


def encoded_packet(payload: bytes, pts: int | None, kind: str) -> Packet[Any]:
    """Return what aiortc sends as it is: `payload` is a frame in its codec's form."""
    packet = Packet(payload)
    packet.pts, packet.time_base = pts, fractions.Fraction(1, _CLOCKS[kind])
    return packet


@dataclass
class NeedleCount:
    """How many RTP packets with the needle reached receivers, by kind."""

    needle: bytes
    audio: int = 0
    video: int = 0

    def watch(self) -> Any:
        """Return a patch: receivers count instead of decoding what is no real media."""

        async def count(receiver: Any, packet: Any, arrival_time_ms: int) -> None:
            if self.needle in packet.payload:
                kind = receiver.track.kind
                setattr(self, kind, getattr(self, kind) + 1)

        return mock.patch.object(RTCRtpReceiver, "_handle_rtp_packet", count)


def memory_hits(pid: int, needle: bytes) -> list[str]:
    """Return the mappings of the process in which the needle is, one line per hit."""
    hits = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for name, start, end in _readable_mappings(pid):
            for position in _positions(memory.fileno(), start, end, needle):
                hits.append(f"{position:x} in {name}")
    return hits


def _readable_mappings(pid: int) -> Iterator[tuple[str, int, int]]:
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        bounds, permissions, *rest = line.split()
        name = rest[3] if len(rest) > 3 else "anonymous memory"
        if permissions[0] == "r" and name not in ("[vvar]", "[vsyscall]", "[vvar_vclock]"):
            start, end = (int(bound, 16) for bound in bounds.split("-"))
            yield name, start, end


def _positions(memory: int, start: int, end: int, needle: bytes) -> Iterator[int]:
    overlap = b""
    for at in range(start, end, CHUNK_BYTES):
        try:
            chunk = overlap + os.pread(memory, min(CHUNK_BYTES, end - at), at)
        except OSError:
            overlap = b""
            continue
        base, found = at - len(overlap), chunk.find(needle)
        while found >= 0:
            yield base + found
            found = chunk.find(needle, found + 1)
        overlap = chunk[-(len(needle) - 1) :]


def file_hits(folders: list[Path], needle: bytes, newer_than: float) -> list[Path]:
    """Return files changed since `newer_than` (wall time) that hold the needle."""
    hits = []
    for folder in folders:
        for parent, _, names in os.walk(folder):  # passes over what is gone meanwhile
            for path in (Path(parent, name) for name in names):
                try:
                    is_new = path.is_file() and path.stat().st_mtime >= newer_than - 1
                    if is_new and needle in path.read_bytes():
                        hits.append(path)
                except OSError:
                    continue  # gone, or another user's
    return hits
