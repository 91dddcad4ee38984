"""Small pure parts: grants by role, rates, addresses behind proxies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.values import Grants, Role, RoomClass, TrackSource
from signaling.addresses import client_address, is_inside, parse_networks
from signaling.grants import (
    INITIAL_GRANTS,
    NEVER_ALLOWED,
    can_ever_publish,
    initial_grants,
    with_source,
)
from signaling.limits import TokenBucket

PROXIES = parse_networks(["10.0.0.0/8", "::1/128"])


@pytest.mark.parametrize("pair", INITIAL_GRANTS, ids=str)
def test_nothing_is_granted_that_the_class_forbids(pair: tuple[RoomClass, Role]) -> None:
    room_class, role = pair
    grants = INITIAL_GRANTS[pair]

    if room_class is RoomClass.KEP:
        assert not grants.chat
    for source in TrackSource:
        if not can_ever_publish(room_class, role, source):
            assert not getattr(grants, source.value)


def test_citizen_shares_no_screen_and_moderates_nothing() -> None:
    grants = initial_grants(RoomClass.KEP, Role.CITIZEN)

    assert grants is not None
    assert (grants.screen, grants.chat, grants.moderate, grants.close_room) == (False,) * 4
    assert (RoomClass.KEP, Role.CITIZEN, TrackSource.SCREEN) in NEVER_ALLOWED


@pytest.mark.parametrize(
    ("room_class", "role"),
    [
        (RoomClass.KEP, Role.CHAIR),
        (RoomClass.KEP, Role.MEMBER),
        (RoomClass.KEP, Role.GUEST),
        (RoomClass.COUNCIL, Role.CITIZEN),
        (RoomClass.COUNCIL, Role.EMPLOYEE),
    ],
)
def test_roles_of_the_other_class_cannot_enter(room_class: RoomClass, role: Role) -> None:
    assert initial_grants(room_class, role) is None


def test_guests_listen_until_given_the_floor() -> None:
    grants = initial_grants(RoomClass.COUNCIL, Role.GUEST)

    assert grants is not None and not (grants.microphone or grants.camera or grants.screen)
    assert with_source(grants, TrackSource.MICROPHONE, True).microphone


def test_changing_one_source_leaves_the_rest() -> None:
    changed = with_source(Grants(moderate=True), TrackSource.SCREEN, False)

    assert changed == Grants(moderate=True, screen=False)


@given(st.lists(st.floats(min_value=0, max_value=3), max_size=200))
def test_bucket_never_gives_more_than_burst_and_rate(gaps_s: list[float]) -> None:
    bucket, now_s, taken = TokenBucket(burst=5, rate=2, now_s=0), 0.0, 0

    for gap_s in gaps_s:
        now_s += gap_s
        taken += bucket.take(now_s)

    assert taken <= 5 + 2 * now_s + 1e-6


def test_bucket_says_how_long_to_wait_and_keeps_the_word() -> None:
    bucket = TokenBucket(burst=1, rate=4, now_s=0)
    assert bucket.take(0) and not bucket.take(0)

    assert bucket.delay_s(0) == pytest.approx(0.25)
    assert not bucket.take(0.24) and bucket.take(0.26)


def test_clock_that_goes_back_gives_nothing() -> None:
    bucket = TokenBucket(burst=1, rate=1, now_s=100)
    bucket.take(100)

    assert not bucket.take(50)
    assert not bucket.take(100.5)


ADDRESSES = [
    pytest.param("192.0.2.1", ["1.2.3.4"], "192.0.2.1", id="stranger's header is not believed"),
    pytest.param("10.0.0.1", ["1.2.3.4"], "1.2.3.4", id="proxy is believed"),
    pytest.param("10.0.0.1", ["6.6.6.6, 1.2.3.4"], "1.2.3.4", id="what the client invented is not"),
    pytest.param("10.0.0.1", ["1.2.3.4, 10.9.9.9"], "1.2.3.4", id="proxies in a row"),
    pytest.param("10.0.0.1", ["1.2.3.4", "10.9.9.9"], "1.2.3.4", id="headers in a row"),
    pytest.param("10.0.0.1", ["nonsense"], "10.0.0.1", id="nonsense stops"),
    pytest.param("10.0.0.1", [], "10.0.0.1", id="no header"),
    pytest.param("::1", ["2001:db8::1"], "2001:db8::1", id="IPv6"),
    pytest.param("::ffff:10.0.0.1", ["1.2.3.4"], "1.2.3.4", id="mapped IPv4 proxy"),
    pytest.param("not an address", ["1.2.3.4"], "None", id="no peer"),
]


@pytest.mark.parametrize(("peer", "headers", "expected"), ADDRESSES)
def test_client_address_behind_proxies(peer: str, headers: list[str], expected: str) -> None:
    assert str(client_address(peer, headers, PROXIES)) == expected


def test_unknown_address_is_inside_nothing() -> None:
    assert not is_inside(None, parse_networks(["0.0.0.0/0"]))
