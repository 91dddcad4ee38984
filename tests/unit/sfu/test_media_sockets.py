"""Where clients are told to send: announced, bound, routed, on an interface, loopback."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import ifaddr
import pytest

from sfu import media_sockets
from sfu.config import MediaConfig
from sfu.media_sockets import bind_media_sockets, host_candidates

ROUTED = {socket.AF_INET: "198.51.100.7", socket.AF_INET6: "2001:db8::7"}
LAN: list[str | tuple[str, int, int]] = [
    "127.0.0.1", ("::1", 0, 0),
    "192.168.1.5", ("fd00::5", 0, 0), ("fe80::5", 0, 2), "169.254.1.5",
]  # fmt: skip


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on a LAN that routes to the world."""
    monkeypatch.setattr(media_sockets, "_routed_address", lambda family: ROUTED[family])
    ips = [ifaddr.IP(ip, 24, "eth0") for ip in LAN]
    monkeypatch.setattr(ifaddr, "get_adapters", lambda: [ifaddr.Adapter("eth0", "eth0", ips)])


@contextlib.contextmanager
def addresses(*listen: str, announced: tuple[str, ...] = ()) -> Iterator[list[str]]:
    config = MediaConfig(listen_addresses=listen, announced_addresses=announced)
    sockets = bind_media_sockets(config, 0)
    candidates = host_candidates(config, sockets)
    assert {each.port for each in candidates} == {sockets[0].getsockname()[1]}
    try:
        yield [each.address for each in candidates]
    finally:
        for sock in sockets:
            sock.close()


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        (("0.0.0.0", "::"), ["198.51.100.7", "2001:db8::7", "127.0.0.1"]),
        (("::", "0.0.0.0"), ["2001:db8::7", "198.51.100.7", "127.0.0.1"]),
        (("0.0.0.0",), ["198.51.100.7", "127.0.0.1"]),
        (("::",), ["2001:db8::7", "::1"]),
        (("127.0.0.2",), ["127.0.0.2"]),
        (("127.0.0.2", "::"), ["127.0.0.2", "2001:db8::7", "::1"]),
    ],
    ids=str,
)
def test_wildcards_stand_for_the_routed_address_and_loopback_comes_last(
    listen: tuple[str, ...], expected: list[str]
) -> None:
    with addresses(*listen) as offered:
        assert offered == expected


def test_what_is_announced_is_all_that_is_offered() -> None:
    with addresses("0.0.0.0", "::", announced=("203.0.113.1",)) as offered:
        assert offered == ["203.0.113.1"]


def test_without_a_route_interfaces_are_offered_then_loopback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(media_sockets, "_routed_address", lambda family: "")
    with addresses("0.0.0.0", "::") as offered:
        assert offered == ["192.168.1.5", "169.254.1.5", "fd00::5", "127.0.0.1"]


def test_a_machine_without_any_network_offers_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_sockets, "_routed_address", lambda family: "")
    monkeypatch.setattr(ifaddr, "get_adapters", lambda: [])
    with addresses("0.0.0.0", "::") as offered:
        assert offered == ["127.0.0.1"]


def test_a_machine_of_many_interfaces_offers_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_sockets, "_routed_address", lambda family: "")
    ips = [ifaddr.IP(f"10.0.{number}.1", 24, "veth") for number in range(50)]
    monkeypatch.setattr(ifaddr, "get_adapters", lambda: [ifaddr.Adapter("veth", "veth", ips)])
    with addresses("0.0.0.0") as offered:
        assert offered == ["10.0.0.1", "10.0.1.1", "10.0.2.1", "10.0.3.1", "127.0.0.1"]
