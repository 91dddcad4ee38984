"""Encryption and keyed hashes of what identifies a person. Pure but for its nonces.

One secret, several keys (HKDF, RFC 5869): what encrypts cannot look up, what looks up cannot name
an actor of the audit trail.
"""

from __future__ import annotations

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12
VERSION = b"\x01"
"""First byte of everything encrypted, so that a later key or cipher can be told apart."""


class VaultError(Exception):
    """What should be decrypted was altered, or belongs to another key or place."""


class Vault:
    """Keys derived from one 256-bit secret."""

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESGCM(_derive(secret, "encryption"))
        self._lookup_key = _derive(secret, "lookup")
        self._pseudonym_key = _derive(secret, "pseudonym")
        self._form_key = _derive(secret, "form")

    def encrypt(self, text: str, place: str) -> bytes:
        """Return `text` encrypted (AES-256-GCM). It can be read again only with the same `place`,
        such as `tax-number:PERSON`: a value copied into another row is refused."""
        nonce = os.urandom(NONCE_BYTES)
        return VERSION + nonce + self._cipher.encrypt(nonce, text.encode(), place.encode())

    def decrypt(self, sealed: bytes, place: str) -> str:
        """Return what was encrypted for `place`.

        Raises:
            VaultError: see above.
        """
        if sealed[:1] != VERSION or len(sealed) < 1 + NONCE_BYTES:
            raise VaultError
        nonce, body = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, body, place.encode()).decode()
        except InvalidTag:
            raise VaultError from None

    def lookup_hash(self, kind: str, value: str) -> str:
        """Return a keyed hash to find `value` by, 64 hexadecimal digits."""
        return _keyed(self._lookup_key, f"{kind}\0{value}")

    def pseudonym(self, person_id: str) -> str:
        """Return what stands for a person in the audit trail, 32 hexadecimal digits."""
        return _keyed(self._pseudonym_key, person_id)[:32]

    def form_token(self, session_token: str) -> str:
        """Return the CSRF token of a session's forms."""
        return _keyed(self._form_key, session_token)


def token_hash(token: str) -> str:
    """Return what is stored of a random token. No key needed: it has 256 random bits."""
    return hashlib.sha256(token.encode()).hexdigest()


def _derive(secret: bytes, purpose: str) -> bytes:
    info = f"synedrion {purpose}".encode()
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(secret)


def _keyed(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
