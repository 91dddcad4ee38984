"""The native module as Python uses it: a real engine on real sockets, fed STUN and DTLS bytes."""

from __future__ import annotations

import asyncio
import secrets
import select
import socket
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from aioice import stun

from sfu._engine import Engine, EngineError, drop_reasons, engine_version
from sfu.metrics import FORWARDING_BUCKETS_S
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from sfu._engine import Event, PublishedMedia, SubscribedMedia

PASSWORD = "p" * 24


class Rig:
    """An engine on one loopback socket and a client's socket beside it."""

    def __init__(self, address: str) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.client = socket.socket(family, socket.SOCK_DGRAM)
        self.client.bind((address, 0))
        self.client.settimeout(10)
        with socket.socket(family, socket.SOCK_DGRAM) as served:
            served.bind((address, 0))
            self.server = served.getsockname()[:2]
            self.engine = Engine(sockets=[served.fileno()], seed=bytes(range(32)))

    def close(self) -> None:
        self.engine.close()
        self.client.close()

    def send(self, datagram: bytes) -> None:
        self.client.sendto(datagram, self.server)

    def receive(self) -> bytes:
        return self.client.recv(65_536)

    def join(self, participant: int, ufrag: str) -> stun.Message:
        """Add a participant and let the client check and nominate; gives the engine's answer."""
        self.engine.add_participant(1, participant, ufrag, PASSWORD)
        self.engine.set_remote_ice(participant, "theirs")
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{ufrag}:theirs"
        request.attributes["PRIORITY"] = 1
        request.attributes["ICE-CONTROLLING"] = 7
        request.attributes["USE-CANDIDATE"] = None
        request.add_message_integrity(PASSWORD.encode())
        self.send(bytes(request))
        answer = stun.parse_message(self.receive())
        answer.check_message_integrity(PASSWORD.encode())
        return answer

    def event(self, name: str) -> Event:
        """Wait for the next event of this name; others are passed over."""
        until = time.monotonic() + 10
        while time.monotonic() < until:
            select.select([self.engine.event_descriptor()], [], [], 1)
            for event in self.engine.take_events():
                if event[0] == name:
                    return event
        raise AssertionError(f"no {name} event")


@pytest.fixture(params=["127.0.0.1", "::1"])
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    made = Rig(request.param)
    yield made
    made.close()


def test_a_check_connects_and_dtls_passes_both_ways(rig: Rig) -> None:
    rig.engine.add_room(1)
    answer = rig.join(10, "ours")
    assert answer.message_class == stun.Class.RESPONSE
    assert answer.attributes["XOR-MAPPED-ADDRESS"] == rig.client.getsockname()[:2]
    assert rig.event("ice_state") == ("ice_state", 10, "connected")
    hello = bytes([22, 254, 253]) + secrets.token_bytes(40)
    rig.send(hello)
    assert rig.event("dtls") == ("dtls", 10, hello)
    rig.engine.send_dtls(10, b"\x16reply")
    assert rig.receive() == b"\x16reply"


def test_strangers_get_no_answer_and_are_counted(rig: Rig) -> None:
    rig.engine.add_room(1)
    for length in range(1501):
        rig.send(secrets.token_bytes(length))
    rig.join(10, "ours")  # the first datagram that comes back is its answer
    snapshot = rig.engine.snapshot()
    counters, drops = snapshot["counters"], snapshot["drops"]
    # What the kernel had to drop, because the engine is slower than this loop, is counted too.
    assert counters["packets_received"] + counters["receive_queue_drops"] == 1502
    assert counters["packets_sent"] == 1
    assert sum(drops.values()) == counters["packets_received"] - 1


def test_a_snapshot_has_everything_the_stub_says(rig: Rig) -> None:
    rig.engine.add_room(1)
    rig.join(10, "ours")
    snapshot = rig.engine.snapshot()
    assert snapshot["gauges"]["rooms"] == 1
    assert snapshot["gauges"]["participants"] == 1
    assert snapshot["counters"]["stun_requests"] == 1
    assert snapshot["counters"]["send_failures"] == 0
    assert set(snapshot["drops"]) == set(drop_reasons())
    bounds = [bound for bound, _ in snapshot["forwarding_delay_buckets"]]
    assert bounds == pytest.approx(FORWARDING_BUCKETS_S)
    assert 0 < snapshot["cpu_time_s"] < 10
    assert engine_version() == "0.1.0"


def test_refused_commands_say_why_and_change_nothing(rig: Rig) -> None:
    rig.engine.add_room(1)
    cases: list[tuple[Callable[[], None], str]] = [
        (lambda: rig.engine.add_room(1), "already in use"),
        (lambda: rig.engine.remove_room(2), "unknown room 2"),
        (lambda: rig.engine.add_participant(2, 3, "uuuu", PASSWORD), "unknown room 2"),
        (lambda: rig.engine.remove_participant(9), "unknown participant 9"),
        (lambda: rig.engine.set_forwarding(9, "0", True), "unknown participant 9"),
        (lambda: rig.engine.set_media(9, [], []), "unknown participant 9"),
    ]
    for command, text in cases:
        with pytest.raises(EngineError, match=text):
            command()
    assert rig.engine.snapshot()["counters"]["commands_refused"] == len(cases)
    assert rig.engine.snapshot()["gauges"]["rooms"] == 1


def test_commands_nobody_waits_for_fail_as_events(rig: Rig) -> None:
    rig.engine.send_dtls(77, b"\x16")
    assert rig.event("command_failed") == ("command_failed", 77, "unknown participant 77")
    rig.engine.set_source(78, "5", None, None, 720)
    assert rig.event("command_failed") == ("command_failed", 78, "unknown participant 78")


def test_closing_is_final_and_may_be_repeated(rig: Rig) -> None:
    rig.engine.close()
    rig.engine.close()
    with pytest.raises(EngineError, match="closed"):
        rig.engine.add_room(1)
    with pytest.raises(EngineError, match="closed"):
        rig.engine.snapshot()
    assert rig.engine.take_events() == []


async def test_events_wake_the_loop_and_calls_do_not_block_it(rig: Rig) -> None:
    loop = asyncio.get_running_loop()
    woken = asyncio.Event()
    loop.add_reader(rig.engine.event_descriptor(), woken.set)
    rig.engine.send_dtls(5, b"\x16")
    await asyncio.wait_for(woken.wait(), PATIENCE_S)
    assert len(rig.engine.take_events(limit=10)) == 1
    loop.remove_reader(rig.engine.event_descriptor())


def test_an_engine_needs_udp_sockets_and_a_whole_seed() -> None:
    with socket.socket() as stream, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        with pytest.raises(EngineError, match="is not a UDP socket"):
            Engine(sockets=[stream.fileno()], seed=bytes(32))
        with pytest.raises(EngineError, match="31 bytes given, 32 wanted"):
            Engine(sockets=[udp.fileno()], seed=bytes(31))
    with pytest.raises(EngineError, match="0 sockets given"):
        Engine(sockets=[], seed=bytes(32))


VP8 = {
    "payload_type": 96,
    "codec": "vp8",
    "clock_rate": 90_000,
    "rtx_payload_type": 97,
    "red_payload_type": None,
    "format_key": "",
    "has_nack": True,
}


def published(**changes: object) -> PublishedMedia:
    media: dict[str, object] = {
        "mid": "1",
        "kind": "video",
        "codecs": [VP8],
        "rids": ["q", "h", "f"],
        "ssrcs": [(1, 2), (3, None)],
        "extensions": {"mid": 4, "rid": 10},
    }
    return media | changes  # type: ignore[return-value]


def subscribed(**changes: object) -> SubscribedMedia:
    media: dict[str, object] = {
        "mid": "5",
        "kind": "video",
        "ssrc": 4_000_000_000,
        "rtx_ssrc": None,
        "codecs": [VP8],
        "extensions": {},
    }
    return media | changes  # type: ignore[return-value]


def test_media_is_taken_as_the_stub_describes_it(rig: Rig) -> None:
    rig.engine.add_room(1)
    rig.join(10, "ours")
    rig.engine.set_media(10, [published()], [subscribed()])
    rig.engine.set_forwarding(10, "1", False)
    assert rig.engine.snapshot()["gauges"]["send_streams"] == 1


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"mid": ""}, "published[0].mid: '' is not a token of 1 to 16 characters"),
        ({"mid": 5}, "published[0].mid: 5 is not a token"),
        ({"kind": "text"}, "published[0].kind: 'text' is not 'audio' or 'video'"),
        ({"surprise": 1}, "published[0]: unknown key 'surprise'"),
        ({"codecs": None}, "published[0].codecs: None is not a list of codec parameters"),
        ({"codecs": [{}]}, "published[0].codecs[0]: missing key 'payload_type'"),
        (
            {"codecs": [VP8, VP8 | {"payload_type": 200}]},
            "published[0].codecs[1].payload_type: 200 is not a payload type 0 to 127",
        ),
        ({"codecs": [VP8 | {"codec": "h263"}]}, "codecs[0].codec: 'h263' is not a codec's name"),
        ({"codecs": [VP8 | {"clock_rate": 0}]}, "clock_rate: 0 is not a rate above 0"),
        ({"codecs": [VP8 | {"rtx_payload_type": -1}]}, "rtx_payload_type: -1 is not a payload"),
        ({"codecs": [VP8 | {"has_nack": "no"}]}, "has_nack: 'no' is not a bool"),
        ({"rids": ["a b"]}, "published[0].rids: ['a b'] is not a list of rids"),
        ({"ssrcs": [(2**32, None)]}, "published[0].ssrcs: [(4294967296, None)] is not a list"),
        ({"extensions": {"mid": 0}}, "published[0].extensions.mid: 0 is not an id 1 to 255"),
        ({"extensions": {"mid": 15}}, "published[0].extensions.mid: 15 is not an id"),
        ({"extensions": {"video": 1}}, "published[0].extensions: unknown key 'video'"),
    ],
)
def test_bad_media_is_refused_by_place_key_and_value(changes: dict[str, object], text: str) -> None:
    rig = Rig("127.0.0.1")
    try:
        with pytest.raises(EngineError) as caught:
            rig.engine.set_media(10, [published(**changes)], [])
        assert text in str(caught.value)
    finally:
        rig.close()


def test_keys_must_fit_the_profile_and_never_show(rig: Rig) -> None:
    secret = b"0123456789abcde"
    with pytest.raises(EngineError) as caught:
        rig.engine.set_srtp_keys(1, "aead_aes_128_gcm", secret, b"s" * 12, b"k" * 16, b"s" * 12)
    assert str(caught.value) == "local_key: 15 bytes given, aead_aes_128_gcm has 16"
    with pytest.raises(EngineError, match="profile"):
        rig.engine.set_srtp_keys(1, "null", secret, b"", b"", b"")  # type: ignore[arg-type]


def test_sources_are_given_whole(rig: Rig) -> None:
    with pytest.raises(EngineError, match="both or neither"):
        rig.engine.set_source(1, "5", 2, None, 720)
    with pytest.raises(EngineError, match="max_height: 65536"):
        rig.engine.set_source(1, "5", None, None, 65_536)
    with pytest.raises(EngineError, match='mid: "a b"'):
        rig.engine.set_source(1, "a b", None, None, 0)
