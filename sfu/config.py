"""Media settings: frozen dataclasses with their defaults. Loaded by `sfu.settings`, passed on by
parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sfu.logs import LOG_LEVELS
from sfu.media import CodecName
from sfu.values import RoomClass

EXIT_UNLOCKED = 77
"""Exit status (EX_NOPERM of sysexits.h) of a kep worker whose sandbox is not whole: starting it again
on the same machine changes nothing."""


@dataclass(frozen=True)
class MediaConfig:
    """What all media workers of a node have in common: the table [media]."""

    listen_addresses: tuple[str, ...] = ("0.0.0.0", "::")
    """Addresses to bind the media port on, IPv4 and IPv6. An IPv6 one that the machine lacks is
    left out with a warning."""
    announced_addresses: tuple[str, ...] = ()
    """Addresses that clients are told to send to, in order of preference. Empty: the listen
    addresses, with wildcards replaced by the machine's own address of that family (without a route
    to the world: all of its interfaces), and loopback last. Behind NAT: the public ones."""
    first_port: int = 40000
    """UDP port of the first worker; each further worker has the next. 1024 to 65535; 0 takes any
    free port (tests)."""
    receive_buffer_bytes: int = 4 * 1024 * 1024
    """SO_RCVBUF of a media socket; the kernel caps it at net.core.rmem_max."""
    send_buffer_bytes: int = 4 * 1024 * 1024
    """SO_SNDBUF of a media socket; capped at net.core.wmem_max."""
    use_gso: bool = True
    """Send with generic segmentation offload (Linux ≥ 4.18). Off only to compare."""
    video_codecs: tuple[CodecName, ...] = (
        CodecName.VP8,
        CodecName.VP9,
        CodecName.H264,
        CodecName.AV1,
    )
    """Video codecs to agree to, most preferred first. Without VP8 some browsers cannot see
    others."""
    has_audio_red: bool = True
    """Agree to redundant audio (RFC 2198) where a browser offers it."""
    max_video_streams: int = 49
    """Receive-only video m-lines of one participant, 1 to 64."""
    room_capacity: int = 500
    """Most participants of one council room."""
    kep_room_capacity: int = 4
    """Most participants of one kep room: citizen, employee, interpreter, and one who resumes."""
    worker_capacity: int = 2000
    """Most participants of one worker: one core of forwarding."""
    abandoned_after_s: float = 300.0
    """How long a worker goes on, media included, without both the process that started it and a
    control plane, 1 to 86400; then it ends by itself."""

    def __post_init__(self) -> None:
        if self.first_port != 0 and not 1024 <= self.first_port <= 65535:
            raise ValueError(f"first_port = {self.first_port}: use 1024 to 65535, or 0 for any")
        if not self.listen_addresses:
            raise ValueError('listen_addresses is empty: write ["0.0.0.0", "::"]')
        if not 1 <= self.max_video_streams <= 64:
            raise ValueError(f"max_video_streams = {self.max_video_streams}: use 1 to 64")
        if not 1 <= self.abandoned_after_s <= 86400:
            raise ValueError(f"abandoned_after_s = {self.abandoned_after_s}: use 1 to 86400")
        wrong = [codec for codec in self.video_codecs if codec is CodecName.OPUS]
        if wrong or not self.video_codecs:
            raise ValueError('video_codecs: name video codecs, for example ["vp8"]')


@dataclass(frozen=True)
class WorkerConfig:
    """What one worker process is started with."""

    worker: str
    """Name of the worker in logs and metrics: `council-0`, `kep-0`. A bounded set."""
    room_class: RoomClass
    """The only class of rooms that it takes."""
    socket_path: Path
    """UNIX socket of its RPC. The folder must be ours alone (mode 0700)."""
    port: int = 0
    """UDP port; 0 takes any free one."""
    media: MediaConfig = field(default_factory=MediaConfig)
    """Settings shared with the other workers."""
    log_level: str = "info"
    """`debug`, `info`, `warning` or `error`."""
    inherited_sockets: tuple[int, ...] = ()
    """Descriptors of bound UDP sockets, for a supervisor that keeps them over restarts. Empty:
    bind."""

    def __post_init__(self) -> None:
        if self.log_level not in LOG_LEVELS:
            raise ValueError(f'log_level = "{self.log_level}": use one of {", ".join(LOG_LEVELS)}')
