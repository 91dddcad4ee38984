"""The engine's SRTP against libsrtp, byte for byte and in both directions.

Drives `sfu/native/wire/examples/srtp_pipe.rs`, whose head states the protocol of the pipe.
"""

from __future__ import annotations

import json
import random
import shutil
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pylibsrtp import Error, Policy, Session

NATIVE = Path(__file__).resolve().parents[2] / "sfu" / "native"
BUILD_TIMEOUT_S = 600
RTP_PACKETS = 2_100
RTCP_PACKETS = 400
SSRCS = (0x00000001, 0xCAFEBABE, 0xFFFFFFFF)
# Under 2^15 packets before the first wrap, so that both ends begin at rollover counter 0.
FIRST_SEQUENCE_NUMBER = 60_000
# Loss between two packets of an SSRC; the mean times RTP_PACKETS / 3 is about four wraps.
LARGEST_STEP = 600
# Packets that change places: two of each SSRC, so at most LARGEST_STEP apart, in the window.
REORDERED_BLOCK = 6
# `REPLAY_WINDOW` of the engine; libsrtp's default is 128.
WINDOW_PACKETS = 1_024


@dataclass(frozen=True)
class Profile:
    """A protection profile in both implementations' terms; lengths in bytes."""

    number: int
    libsrtp: int
    key_bytes: int
    salt_bytes: int


PROFILES = [
    pytest.param(
        Profile(0x0001, Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14), id="aes128-cm-sha1-80"
    ),
    pytest.param(Profile(0x0007, Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12), id="aes128-gcm"),
    pytest.param(Profile(0x0008, Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 32, 12), id="aes256-gcm"),
]


class Refused(Exception):
    """The pipe's error answer."""


class Pipe:
    """One `srtp_pipe` process, keyed anew by `start`."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def start(self, profile: Profile, key_and_salt: bytes) -> None:
        self._call(b"K", struct.pack("!H", profile.number) + key_and_salt)

    def protect(self, index: int, packet: bytes) -> bytes:
        return self._call(b"P", struct.pack("!Q", index) + packet)

    def unprotect(self, packet: bytes) -> bytes:
        return self._call(b"U", packet)

    def protect_rtcp(self, compound: bytes) -> bytes:
        return self._call(b"p", compound)

    def unprotect_rtcp(self, compound: bytes) -> bytes:
        return self._call(b"u", compound)

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=5)

    def _call(self, verb: bytes, body: bytes) -> bytes:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(struct.pack("!I", len(body) + 1) + verb + body)
        self._process.stdin.flush()
        (length,) = struct.unpack("!I", self._process.stdout.read(4))
        answer = self._process.stdout.read(length)
        if answer[0] != 0:
            raise Refused(answer[1:].decode())
        return answer[1:]


@pytest.fixture(scope="module")
def program() -> Path:
    """Build the pipe and return its path."""
    assert shutil.which("cargo") is not None, "cargo is not installed: README.md, Needs"
    command = ["cargo", "build", "--quiet", "-p", "wire", "--example", "srtp_pipe"]
    build = subprocess.run(
        [*command, "--message-format=json"],
        cwd=NATIVE,
        capture_output=True,
        timeout=BUILD_TIMEOUT_S,
        check=True,
    )
    for line in build.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "srtp_pipe":
            return Path(message["executable"])
    raise AssertionError("cargo named no executable")


@pytest.fixture
def pipe(program: Path) -> Iterator[Pipe]:
    opened = Pipe(program)
    yield opened
    opened.close()


def libsrtp_session(profile: Profile, key_and_salt: bytes, direction: int) -> Session:
    policy = Policy(key=key_and_salt, ssrc_type=direction, srtp_profile=profile.libsrtp)
    policy.window_size = WINDOW_PACKETS
    return Session(policy=policy)


def random_key(rng: random.Random, profile: Profile) -> bytes:
    return rng.randbytes(profile.key_bytes + profile.salt_bytes)


def random_rtp(rng: random.Random, ssrc: int, index: int) -> bytes:
    """Make a packet with 0-3 CSRCs, half with extensions, and 0-1,200 bytes of payload."""
    csrcs = rng.choice([0, 0, 1, 3])
    has_extension = rng.random() < 0.5
    words = rng.randint(0, 5)
    packet = struct.pack(
        "!BBHII",
        0x80 | has_extension << 4 | csrcs,
        rng.choice([96, 96 | 0x80, 111]),
        index & 0xFFFF,
        rng.getrandbits(32),
        ssrc,
    )
    packet += rng.randbytes(4 * csrcs)
    if has_extension:
        packet += struct.pack("!HH", 0xBEDE, words) + rng.randbytes(4 * words)
    return packet + rng.randbytes(rng.choice([0, 1, 15, 16, 17, rng.randint(0, 1_200)]))


def random_rtcp(rng: random.Random, ssrc: int) -> bytes:
    """Make a compound of one packet, 8-408 bytes."""
    words = rng.randint(0, 100)
    return struct.pack("!BBHI", 0x80, 201, words + 1, ssrc) + rng.randbytes(4 * words)


def random_stream(rng: random.Random) -> list[tuple[int, bytes]]:
    """Packets of `SSRCS` by turns, as (packet index, packet), with loss and several rollovers."""
    indices = dict.fromkeys(SSRCS, FIRST_SEQUENCE_NUMBER)
    packets = []
    for at in range(RTP_PACKETS):
        ssrc = SSRCS[at % len(SSRCS)]
        indices[ssrc] += rng.randint(1, LARGEST_STEP)
        packets.append((indices[ssrc], random_rtp(rng, ssrc, indices[ssrc])))
    assert min(indices.values()) >> 16 >= 3, "the stream must roll over"
    return packets


def shuffled_in_blocks(rng: random.Random, length: int) -> list[int]:
    order: list[int] = []
    for start in range(0, length, REORDERED_BLOCK):
        block = list(range(start, min(start + REORDERED_BLOCK, length)))
        rng.shuffle(block)
        order += block
    return order


@pytest.mark.parametrize("profile", PROFILES)
def test_rtp_is_the_same_bytes_and_each_opens_the_others(pipe: Pipe, profile: Profile) -> None:
    rng = random.Random(0x5349)
    key = random_key(rng, profile)
    pipe.start(profile, key)
    outbound = libsrtp_session(profile, key, Policy.SSRC_ANY_OUTBOUND)
    inbound = libsrtp_session(profile, key, Policy.SSRC_ANY_INBOUND)
    packets = random_stream(rng)

    theirs = [outbound.protect(packet) for _, packet in packets]
    ours = [pipe.protect(index, packet) for index, packet in packets]

    assert ours == theirs
    order = shuffled_in_blocks(rng, len(packets))
    assert order != sorted(order)
    for at in order:
        assert pipe.unprotect(theirs[at]) == packets[at][1]
        assert inbound.unprotect(ours[at]) == packets[at][1]


@pytest.mark.parametrize("profile", PROFILES)
def test_rtcp_is_the_same_bytes_and_each_opens_the_others(pipe: Pipe, profile: Profile) -> None:
    rng = random.Random(0x5350)
    key = random_key(rng, profile)
    pipe.start(profile, key)
    outbound = libsrtp_session(profile, key, Policy.SSRC_ANY_OUTBOUND)
    inbound = libsrtp_session(profile, key, Policy.SSRC_ANY_INBOUND)
    compounds = [random_rtcp(rng, SSRCS[1]) for _ in range(RTCP_PACKETS)]

    theirs = [outbound.protect_rtcp(compound) for compound in compounds]
    ours = [pipe.protect_rtcp(compound) for compound in compounds]

    assert ours == theirs
    for at in shuffled_in_blocks(rng, len(compounds)):
        assert pipe.unprotect_rtcp(theirs[at]) == compounds[at]
        assert inbound.unprotect_rtcp(ours[at]) == compounds[at]


@pytest.mark.parametrize("profile", PROFILES)
def test_rtcp_of_several_ssrcs_opens_at_the_other_end(pipe: Pipe, profile: Profile) -> None:
    # libsrtp counts its RTCP index per SSRC, the engine over all: only opening can be compared.
    rng = random.Random(0x5351)
    key = random_key(rng, profile)
    pipe.start(profile, key)
    outbound = libsrtp_session(profile, key, Policy.SSRC_ANY_OUTBOUND)
    inbound = libsrtp_session(profile, key, Policy.SSRC_ANY_INBOUND)

    for _ in range(RTCP_PACKETS):
        compound = random_rtcp(rng, rng.choice(SSRCS))

        assert pipe.unprotect_rtcp(outbound.protect_rtcp(compound)) == compound
        assert inbound.unprotect_rtcp(pipe.protect_rtcp(compound)) == compound


@pytest.mark.parametrize("profile", PROFILES)
def test_both_refuse_tampered_and_replayed_packets(pipe: Pipe, profile: Profile) -> None:
    rng = random.Random(0x5352)
    key = random_key(rng, profile)
    pipe.start(profile, key)
    inbound = libsrtp_session(profile, key, Policy.SSRC_ANY_INBOUND)
    packet = random_rtp(rng, SSRCS[0], 7)
    protected = pipe.protect(7, packet)
    tampered = bytearray(protected)
    tampered[-1] ^= 1

    with pytest.raises(Error, match="authentication"):
        inbound.unprotect(bytes(tampered))
    with pytest.raises(Refused, match="authentication"):
        pipe.unprotect(bytes(tampered))
    assert inbound.unprotect(protected) == pipe.unprotect(protected) == packet
    with pytest.raises(Error, match="replay"):
        inbound.unprotect(protected)
    with pytest.raises(Refused, match="replay"):
        pipe.unprotect(protected)
