"""Room tokens: who may enter which room, signed by us, used once.

JWT (RFC 7519, RFC 8725), Ed25519 (RFC 9864).
Pure but for `load_or_create_key`. Signature work is joserfc's; what is accepted is decided here.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import unicodedata
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from sfu.values import Role
from signaling.clock import Instant
from signaling.errors import ErrorCode, RequestError

ALGORITHM = "Ed25519"
TOKEN_TYPE = "room+jwt"
ISSUER = "synedrion"
AUDIENCE = "synedrion-rooms"
MAX_LIFETIME_S = 300.0
LEEWAY_S = 5.0
"""Clock difference between who mints and who checks."""
MAX_TOKEN_BYTES = 2048
MAX_DISPLAY_NAME = 64
"""Characters."""
MAX_SUBJECT = 128
MAX_REMEMBERED = 100_000
"""Used tokens remembered until they expire: 330 joins a second for five minutes."""


@dataclass(frozen=True)
class Claims:
    """What a valid token says."""

    room: str
    subject: str
    """Pseudonymous id of the person, never logged."""
    display_name: str
    role: Role
    token_id: str
    issued_at_s: float
    expires_at_s: float


class TokenKey:
    """The signing key of this installation."""

    def __init__(self, key: OKPKey) -> None:
        self._key = key
        self.key_id = key.thumbprint()

    @classmethod
    def generate(cls) -> TokenKey:
        """Make a new key."""
        return cls(OKPKey.generate_key("Ed25519"))

    @classmethod
    def from_pem(cls, pem: bytes) -> TokenKey:
        """Read a PKCS #8 private key."""
        key = OKPKey.import_key(pem)
        if key.as_dict(private=True).get("crv") != "Ed25519" or not key.is_private:
            raise ValueError("not an Ed25519 private key")
        return cls(key)

    def to_pem(self) -> bytes:
        """Return the private key as PKCS #8 PEM."""
        return self._key.as_pem(private=True)

    def mint(self, *, room: str, subject: str, display_name: str, role: Role, token_id: str,
             now: Instant, lifetime_s: float = MAX_LIFETIME_S) -> str:  # fmt: skip
        """Return a token that is valid from `now` for `lifetime_s`, at most five minutes.

        Raises:
            ValueError: the lifetime, subject or name is out of bounds.
        """
        if not 0 < lifetime_s <= MAX_LIFETIME_S:
            raise ValueError(f"a token lives at most {MAX_LIFETIME_S:.0f} s")
        if not 1 <= len(subject) <= MAX_SUBJECT:
            raise ValueError(f"a subject has 1 to {MAX_SUBJECT} characters")
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "jti": token_id,
            "iat": round(now.wall_s, 3),
            "nbf": round(now.wall_s, 3),
            "exp": round(now.wall_s + lifetime_s, 3),
            "room": room,
            "name": clean_display_name(display_name),
            "role": role.value,
        }
        header = {"alg": ALGORITHM, "typ": TOKEN_TYPE, "kid": self.key_id}
        return jwt.encode(header, claims, self._key, algorithms=[ALGORITHM])

    def verify(self, token: str, now: Instant) -> Claims:
        """Return the claims of `token`.

        Raises:
            RequestError: `bad_token` or `token_expired`, and never why to the last detail.
        """
        self._check_header(token)
        try:
            claims = jwt.decode(token, self._key, algorithms=[ALGORITHM]).claims
        except (JoseError, ValueError, TypeError):
            raise _bad_token("the signature or encoding is wrong") from None
        return _check_claims(claims, now)

    def _check_header(self, token: str) -> None:
        """Allow one exact header: nothing in it may choose an algorithm or a key for us.

        RFC 7515 §4.1.11: `crit` names extensions that must be understood; we know none.
        """
        if len(token) > MAX_TOKEN_BYTES or not _COMPACT_JWS.fullmatch(token):
            raise _bad_token("not a compact JWS of acceptable size")
        encoded = token.partition(".")[0]
        try:
            header = json.loads(urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
        except (ValueError, RecursionError):
            raise _bad_token("the header is no JSON") from None
        if header != {"alg": ALGORITHM, "typ": TOKEN_TYPE, "kid": self.key_id}:
            raise _bad_token("the header is not of this issuer")


class TokenGate:
    """Lets each token in once.

    A restart forgets what was used, so tokens from before it are refused: `started`. One who was
    removed from a room cannot come back with a token issued before the removal.
    """

    def __init__(self, key: TokenKey, *, started: Instant, capacity: int = MAX_REMEMBERED) -> None:
        self._key = key
        self._started_s = started.wall_s
        self._capacity = capacity
        self._used: dict[str, float] = {}
        self._removed: dict[tuple[str, str], float] = {}

    def redeem(self, token: str, now: Instant) -> Claims:
        """Return the claims of `token` and remember that it was used.

        Raises:
            RequestError: the token is bad, expired or used, or too many are remembered.
        """
        claims = self._key.verify(token, now)
        if claims.issued_at_s < round(self._started_s, 3):
            raise RequestError(ErrorCode.TOKEN_EXPIRED, "the token is from before a restart")
        if claims.token_id in self._used:
            raise RequestError(ErrorCode.TOKEN_USED, "a token admits once")
        if claims.issued_at_s <= self._removed.get((claims.room, claims.subject), float("-inf")):
            raise RequestError(
                ErrorCode.NOT_ALLOWED, "removed from the room after the token was issued"
            )
        self._make_place(now)
        self._used[claims.token_id] = claims.expires_at_s + LEEWAY_S
        return claims

    def give_back(self, claims: Claims) -> None:
        """Allow the token again: it was redeemed, but the room could not be entered."""
        self._used.pop(claims.token_id, None)

    def remember_removal(self, room: str, subject: str, now: Instant) -> None:
        """Refuse tokens that `subject` holds for `room`."""
        if len(self._removed) >= self._capacity:
            horizon_s = now.wall_s - MAX_LIFETIME_S - 2 * LEEWAY_S
            self._removed = {who: at for who, at in self._removed.items() if at > horizon_s}
        if len(self._removed) < self._capacity:
            self._removed[room, subject] = now.wall_s

    def _make_place(self, now: Instant) -> None:
        if len(self._used) < self._capacity:
            return
        self._used = {used: until for used, until in self._used.items() if until > now.wall_s}
        if len(self._used) >= self._capacity:
            raise RequestError(
                ErrorCode.ROOM_UNAVAILABLE, "too many joins at once", retry_after_s=30
            )


def clean_display_name(name: str) -> str:
    """Return `name` in NFC with single spaces.

    Raises:
        ValueError: empty, longer than 64 characters, or with control or formatting characters
            (which could reorder the text around it).
    """
    cleaned = " ".join(unicodedata.normalize("NFC", name).split())
    if not 1 <= len(cleaned) <= MAX_DISPLAY_NAME:
        raise ValueError(f"a display name has 1 to {MAX_DISPLAY_NAME} characters")
    if any(unicodedata.category(character).startswith("C") for character in cleaned):
        raise ValueError("a display name has no control characters")
    return cleaned


def load_or_create_key(path: Path) -> TokenKey:
    """Return the key in `path`; make it at the first start, readable by us only.

    Raises:
        ValueError: the file is no Ed25519 key, or others may read it.
        OSError: it cannot be read or made.
    """
    try:
        return _load_key(path)
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Written beside and linked into place: of two processes that start together, one wins whole.
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(TokenKey.generate().to_pem())
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    return _load_key(path)


def room_scoped_subject(room: str, person: str) -> str:
    """Return a stable id of `person` that cannot be matched between rooms."""
    return hashlib.sha256(f"{room}\0{person}".encode()).hexdigest()[:32]


def _load_key(path: Path) -> TokenKey:
    mode = path.stat().st_mode & 0o077
    if mode:
        raise ValueError(f"{path} is open to others: chmod 600 it")
    try:
        return TokenKey.from_pem(path.read_bytes())
    except (JoseError, ValueError, TypeError) as error:
        raise ValueError(f"{path} is not an Ed25519 private key in PEM") from error


def _check_claims(claims: dict[str, Any], now: Instant) -> Claims:
    if set(claims) != _CLAIM_NAMES:
        raise _bad_token("claims are missing or unknown")
    # Compared whole: a substring or a list that contains us is someone else's token.
    if claims["iss"] != ISSUER or claims["aud"] != AUDIENCE:
        raise _bad_token("not issued by and for this server")
    issued_at, not_before, expires = (_numeric_date(claims[name]) for name in ("iat", "nbf", "exp"))
    if not issued_at <= expires <= issued_at + MAX_LIFETIME_S or not_before > expires:
        raise _bad_token(f"a token lives at most {MAX_LIFETIME_S:.0f} s")
    if max(issued_at, not_before) > now.wall_s + LEEWAY_S:
        raise _bad_token("not valid yet")
    if expires + LEEWAY_S <= now.wall_s:
        raise RequestError(ErrorCode.TOKEN_EXPIRED, "the token expired")
    return Claims(
        room=_matching(claims["room"], IDENTIFIER),
        subject=_matching(claims["sub"], _SUBJECT),
        display_name=_display_name(claims["name"]),
        role=_role(claims["role"]),
        token_id=_matching(claims["jti"], _TOKEN_ID),
        issued_at_s=issued_at,
        expires_at_s=expires,
    )


def _numeric_date(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value < 2**40:
        raise _bad_token("a date is not a number")
    return float(value)


def _matching(value: Any, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _bad_token("a claim is malformed")
    return value


def _display_name(value: Any) -> str:
    try:
        if isinstance(value, str) and clean_display_name(value) == value:
            return value
    except ValueError:
        pass
    raise _bad_token("the display name is malformed")


def _role(value: Any) -> Role:
    try:
        return Role(value)
    except ValueError:
        raise _bad_token("no such role") from None


def _bad_token(detail: str) -> RequestError:
    return RequestError(ErrorCode.BAD_TOKEN, detail)


_CLAIM_NAMES = frozenset({"iss", "aud", "sub", "jti", "iat", "nbf", "exp", "room", "name", "role"})
_COMPACT_JWS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
IDENTIFIER = re.compile(r"[a-z0-9-]{1,64}")
_SUBJECT = re.compile(r"[!-~]{1,128}")
_TOKEN_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")
