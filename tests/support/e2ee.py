"""End-to-end encryption written a second time, from docs/end-to-end-encryption.md and RFC 9605.

For peers of tests that are no browser, and for the server that attacks. Shares no code with the page.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SUITE = 4  # AES_128_GCM_SHA256_128
MICROPHONE, CAMERA, SCREEN = range(3)
_NAME = "Synedrion E2EE v1"


class FrameKey:
    """One SFrame key: RFC 9605 §4.4."""

    def __init__(self, base_key: bytes, key_id: int) -> None:
        def derive(label: bytes, size: int) -> bytes:
            info = label + key_id.to_bytes(8) + SUITE.to_bytes(2)
            return HKDF(hashes.SHA256(), size, salt=b"", info=info).derive(base_key)

        self._key_id = key_id
        self._cipher = AESGCM(derive(b"SFrame 1.0 Secret key ", 16))
        self._salt = int.from_bytes(derive(b"SFrame 1.0 Secret salt ", 12))
        self._counter = 0

    def seal(self, metadata: bytes, plaintext: bytes) -> bytes:
        """Return header, ciphertext and tag under the next counter."""
        counter, self._counter = self._counter, self._counter + 1
        header = encode_header(self._key_id, counter)
        nonce = (self._salt ^ counter).to_bytes(12)
        return header + self._cipher.encrypt(nonce, plaintext, header + metadata)

    def open(self, metadata: bytes, sealed: bytes) -> bytes:
        """Return the plaintext.

        Raises:
            ValueError, cryptography.exceptions.InvalidTag: not sealed with this key.
        """
        key_id, counter, size = decode_header(sealed)
        if key_id != self._key_id:
            raise ValueError(f"key id {key_id}")
        nonce = (self._salt ^ counter).to_bytes(12)
        return self._cipher.decrypt(nonce, sealed[size:], sealed[:size] + metadata)


def encode_header(key_id: int, counter: int) -> bytes:
    """RFC 9605 §4.3."""
    fields, tail = [], b""
    for number in (key_id, counter):
        size = max(1, (number.bit_length() + 7) // 8)
        fields.append(number if number < 8 else 8 | size - 1)
        tail += b"" if number < 8 else number.to_bytes(size)
    return bytes([fields[0] << 4 | fields[1]]) + tail


def decode_header(data: bytes) -> tuple[int, int, int]:
    """Return key id, counter and size of the header."""
    numbers, at = [], 1
    for bits in (data[0] >> 4, data[0] & 15):
        size = (bits & 7) + 1 if bits & 8 else 0
        numbers.append(int.from_bytes(data[at : at + size]) if size else bits)
        at += size
    return numbers[0], numbers[1], at


def frame_key(secret: bytes, set_id: int, source: int) -> FrameKey:
    """Return the key of one source of a participant."""
    return FrameKey(secret, set_id * 4 + source)


@dataclass
class PairEnd:
    """One end of the agreement of two participants. `own` may be claimed: that is the attack."""

    room: str
    own: str
    other: str
    nonce: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    code: str | None = None

    def __post_init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._public = self._key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        self._theirs: tuple[bytes, bytes] | None = None
        self._seal: AESGCM | None = None
        self._open: AESGCM | None = None
        self._sealed = 0

    def hello(self, wants_reply: bool) -> str:
        commitment = self._commit(self.own, self.other, self._public, self.nonce)
        return _json(t="hello", k=_text(self._public), c=_text(commitment), r=wants_reply)

    def handle(self, payload: str) -> tuple[list[str], tuple[int, bytes] | None]:
        """Take a message; return what to answer, and a secret if one came."""
        message: dict[str, Any] = json.loads(payload)
        match message["t"]:
            case "hello":
                self._theirs = (_bytes(message["k"]), _bytes(message["c"]))
                reveal = _json(t="reveal", n=_text(self.nonce))
                return ([self.hello(False)] if message["r"] else []) + [reveal], None
            case "reveal":
                self._finish(_bytes(message["n"]))
            case "secret":
                assert self._open is not None
                nonce = message["n"].to_bytes(12)
                bound = message["s"].to_bytes(8)
                secret = self._open.decrypt(nonce, _bytes(message["b"]), bound)
                return [_json(t="ack", s=message["s"])], (message["s"], secret)
        return [], None

    def secret(self, set_id: int, secret: bytes) -> str:
        """Return the message that hands over the keys of frames."""
        assert self._seal is not None
        self._sealed += 1
        box = self._seal.encrypt(self._sealed.to_bytes(12), secret, set_id.to_bytes(8))
        return _json(t="secret", n=self._sealed, s=set_id, b=_text(box))

    def _finish(self, nonce: bytes) -> None:
        assert self._theirs is not None
        public, commitment = self._theirs
        assert commitment == self._commit(self.other, self.own, public, nonce)
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
        shared = self._key.exchange(ec.ECDH(), point)
        ends = sorted([(self.own, self._public, self.nonce), (self.other, public, nonce)])
        parts = [part if isinstance(part, bytes) else part.encode() for end in ends for part in end]
        transcript = _hash("transcript", self.room.encode(), *parts)

        def wrapping(sender: str, receiver: str) -> AESGCM:
            info = _with_lengths(f"{_NAME} wrapping".encode(), sender.encode(), receiver.encode())
            return AESGCM(HKDF(hashes.SHA256(), 32, salt=transcript, info=info).derive(shared))

        self._seal, self._open = wrapping(self.own, self.other), wrapping(self.other, self.own)
        number = int.from_bytes(_hash("code", transcript)[:8]) % 10**12
        digits = f"{number:012d}"
        self.code = " ".join(digits[at : at + 3] for at in range(0, 12, 3))

    def _commit(self, sender: str, receiver: str, public: bytes, nonce: bytes) -> bytes:
        names = (self.room.encode(), sender.encode(), receiver.encode())
        return _hash("commitment", *names, public, nonce)


def _hash(purpose: str, *parts: bytes) -> bytes:
    return hashlib.sha256(_with_lengths(f"{_NAME} {purpose}".encode(), *parts)).digest()


def _with_lengths(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(2) + part for part in parts)


def _json(**fields: Any) -> str:
    return json.dumps(fields)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)
