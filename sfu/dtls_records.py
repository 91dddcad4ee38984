"""Which plaintext DTLS records are let through to the handshake (RFC 6347 §4.1.2.7). SANS-IO.

Until both sides encrypt, anybody on the path can forge a record. RFC 6347 wants what cannot be right
discarded in silence, and OpenSSL obeys for what it cannot parse; but a plaintext alert ends its handshake,
a message out of place does, and one record with a sequence number far ahead makes it take all genuine
ones for replays. Those end here. Against a forged message that is right in form and place DTLS has no
remedy.
"""

from __future__ import annotations

from sfu.media import DtlsRole

HEADER_BYTES = 13
MESSAGE_HEADER_BYTES = 12
MAX_MESSAGE_BYTES = 16 * 1024
"""Longest handshake message: a chain of certificates has room."""
MAX_MESSAGE_SEQUENCE = 15
"""A flight of a peer has five messages at most; a HelloRequest or HelloVerifyRequest adds one."""
MAX_SEQUENCE_STEP = 32
"""Records a peer may have sent that we never got: half of OpenSSL's window of 64, so that one forgery
within it pushes nothing genuine out."""

ACK = 26
"""RFC 9147 §4.1: DTLS 1.3 may acknowledge in plaintext."""
MESSAGES_OF_CLIENT = frozenset({1, 11, 15, 16})
"""ClientHello, Certificate, CertificateVerify, ClientKeyExchange. Finished is encrypted."""
MESSAGES_OF_SERVER = frozenset({2, 3, 4, 11, 12, 13, 14, 22})
"""ServerHello, HelloVerifyRequest, NewSessionTicket, Certificate, ServerKeyExchange,
CertificateRequest, ServerHelloDone, CertificateStatus."""


class PlaintextFilter:
    """Filters what one peer sends. `role` is ours; without `has_dtls_13` its record headers are none."""

    def __init__(self, role: DtlsRole, *, has_dtls_13: bool) -> None:
        self._has_dtls_13 = has_dtls_13
        self._messages = MESSAGES_OF_CLIENT if role is DtlsRole.SERVER else MESSAGES_OF_SERVER
        self._highest_sequence = 0

    def admit(self, datagram: bytes) -> bytes:
        """Return the datagram without the plaintext records that cannot be right; what is encrypted is
        left to its authentication."""
        admitted = bytearray()
        at = 0
        while at < len(datagram):
            if datagram[at] & 0xE0 == 0x20:
                # RFC 9147 §4: a unified header, of an encrypted record. All that follows may be.
                return bytes(admitted + (datagram[at:] if self._has_dtls_13 else b""))
            end = self._record_end(datagram, at)
            if end > len(datagram):
                break
            if self._is_admitted(datagram[at:end]):
                admitted += datagram[at:end]
            at = end
        return bytes(admitted)

    @staticmethod
    def _record_end(datagram: bytes, at: int) -> int:
        header = datagram[at : at + HEADER_BYTES]
        if len(header) < HEADER_BYTES:
            return len(datagram) + 1
        return at + HEADER_BYTES + int.from_bytes(header[11:13])

    def _is_admitted(self, record: bytes) -> bool:
        is_encrypted = record[3:5] != b"\0\0"
        if is_encrypted:
            return True
        sequence, body = int.from_bytes(record[5:11]), record[HEADER_BYTES:]
        match record[0]:
            case 22:  # handshake
                is_right = self._is_handshake(body)
            case 20:  # change_cipher_spec
                is_right = body == b"\x01"
            case kind:
                is_right = kind == ACK
        if not is_right or sequence > self._highest_sequence + MAX_SEQUENCE_STEP:
            return False
        self._highest_sequence = max(self._highest_sequence, sequence)
        return True

    def _is_handshake(self, body: bytes) -> bool:
        """Tell whether the body is of whole fragments of messages that the peer may send."""
        if not body:
            return False
        while body:
            length, offset = int.from_bytes(body[1:4]), int.from_bytes(body[6:9])
            fragment = int.from_bytes(body[9:12])
            end = MESSAGE_HEADER_BYTES + fragment
            is_right = (
                len(body) >= end
                and body[0] in self._messages
                and offset + fragment <= length <= MAX_MESSAGE_BYTES
                and int.from_bytes(body[4:6]) <= MAX_MESSAGE_SEQUENCE
            )
            if not is_right:
                return False
            body = body[end:]
        return True
