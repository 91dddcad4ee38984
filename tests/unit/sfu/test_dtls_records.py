"""Forged plaintext records do not end a handshake; genuine ones all pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.dtls_records import MAX_SEQUENCE_STEP, PlaintextFilter
from sfu.media import DtlsRole
from tests.unit.sfu.test_dtls import Pair


def record(kind: int, body: bytes, *, epoch: int = 0, sequence: int = 9) -> bytes:
    """A DTLS 1.2 record (RFC 6347 §4.1)."""
    header = bytes([kind]) + b"\xfe\xfd" + epoch.to_bytes(2) + sequence.to_bytes(6)
    return header + len(body).to_bytes(2) + body


def message(kind: int, body: bytes, *, sequence: int = 0, length: int | None = None) -> bytes:
    """A handshake message in one fragment (RFC 6347 §4.2.2)."""
    whole = len(body) if length is None else length
    head = bytes([kind]) + whole.to_bytes(3) + sequence.to_bytes(2)
    return head + bytes(3) + len(body).to_bytes(3) + body


FORGERIES = {
    "a fatal alert": record(21, b"\x02\x28"),
    "a close_notify": record(21, b"\x01\x00"),
    "a broken alert": record(21, b"\xff\xff\xff"),
    "application data": record(23, b"hello"),
    "an unknown type": record(25, b"hello"),
    "a header of DTLS 1.3": record(40, b"hello"),
    "a change of ciphers that is none": record(20, b"\x07\x07"),
    "no message": record(22, b""),
    "half a message header": record(22, b"\x01\0"),
    "rubbish for a message": record(22, bytes(range(40))),
    "a HelloRequest": record(22, message(0, b"")),
    "an unknown message": record(22, message(99, b"x" * 12, sequence=1)),
    "a Finished in clear": record(22, message(20, b"x" * 12, sequence=1)),
    "a message too long": record(22, message(11, b"x", sequence=1, length=0xFFFFFF)),
    "a message far ahead": record(22, message(11, b"x", sequence=500)),
    "a number far ahead": record(22, message(11, b"x", sequence=9), sequence=1000),
    "encrypted rubbish": record(23, b"x" * 40, epoch=1),
}


@pytest.mark.parametrize("side", ["to_server", "to_client"])
@pytest.mark.parametrize("name", FORGERIES)
@pytest.mark.asyncio
async def test_a_forged_record_before_every_datagram_does_no_harm(name: str, side: str) -> None:
    pair = Pair(**{side: lambda datagram: [FORGERIES[name], datagram]})  # type: ignore[arg-type]

    assert await pair.shake_hands() == ["keys", "keys"]

    pair.assert_same_keys()
    await pair.stop()


@pytest.mark.asyncio
async def test_a_forged_record_in_front_of_genuine_ones_takes_none_with_it() -> None:
    pair = Pair(to_server=lambda datagram: [FORGERIES["a fatal alert"] + datagram])

    assert await pair.shake_hands() == ["keys", "keys"]
    await pair.stop()


@pytest.mark.asyncio
async def test_genuine_datagrams_pass_whole() -> None:
    pair = Pair()
    await pair.shake_hands()
    await pair.stop()

    for sender, role in (("client", DtlsRole.SERVER), ("server", DtlsRole.CLIENT)):
        records = PlaintextFilter(role, has_dtls_13=False)
        assert pair.sent[sender]
        assert [records.admit(each) for each in pair.sent[sender]] == pair.sent[sender]


def test_lost_records_leave_no_gap_that_shuts_the_rest_out() -> None:
    records = PlaintextFilter(DtlsRole.SERVER, has_dtls_13=False)
    hello = message(1, b"x" * 60)
    for sequence in range(0, 10 * MAX_SEQUENCE_STEP, MAX_SEQUENCE_STEP):
        datagram = record(22, hello, sequence=sequence)
        assert records.admit(datagram) == datagram
    assert records.admit(record(22, hello, sequence=11 * MAX_SEQUENCE_STEP)) == b""


def test_headers_of_dtls_13_pass_where_openssl_knows_them() -> None:
    encrypted = b"\x2f" + bytes(30)
    for has_dtls_13, expected in ((True, encrypted), (False, b"")):
        records = PlaintextFilter(DtlsRole.SERVER, has_dtls_13=has_dtls_13)
        assert records.admit(encrypted) == expected


@given(st.binary(max_size=200))
def test_whatever_comes_only_whole_records_of_it_pass(datagram: bytes) -> None:
    records = PlaintextFilter(DtlsRole.SERVER, has_dtls_13=False)

    admitted = records.admit(datagram)

    assert len(admitted) <= len(datagram)
    assert PlaintextFilter(DtlsRole.SERVER, has_dtls_13=False).admit(admitted) == admitted
