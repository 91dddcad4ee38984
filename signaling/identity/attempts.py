"""A sign-in under way, kept by the browser itself: encrypted, short-lived, bound to its state.

Nothing is stored for people who have not signed in: they cannot fill the database.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from dataclasses import dataclass

import msgspec

from signaling.identity.provider import Attempt
from signaling.vault import Vault, VaultError

LIFETIME_S = 600
MAX_COOKIE_LENGTH = 2048
_PLACE = "sign-in-attempt"


class StoredAttempt(msgspec.Struct, frozen=True):
    """What the cookie holds."""

    provider: str
    state: str
    verifier: str
    nonce: str
    redirect_uri: str
    started_s: int

    @property
    def attempt(self) -> Attempt:
        """As the service sees it."""
        return Attempt(self.state, self.verifier, self.nonce, self.redirect_uri)


@dataclass(frozen=True)
class Attempts:
    """Writes and reads the cookie."""

    vault: Vault

    def begin(self, provider: str, redirect_uri: str, now_s: float) -> tuple[StoredAttempt, str]:
        """Return a new attempt and its cookie."""
        stored = StoredAttempt(
            provider=provider,
            state=secrets.token_urlsafe(24),
            verifier=secrets.token_urlsafe(48),
            nonce=secrets.token_urlsafe(24),
            redirect_uri=redirect_uri,
            started_s=int(now_s),
        )
        sealed = self.vault.encrypt(msgspec.json.encode(stored).decode(), _PLACE)
        return stored, base64.urlsafe_b64encode(sealed).decode()

    def finish(self, cookie: str, provider: str, state: str, now_s: float) -> StoredAttempt | None:
        """Return the attempt that `state` came back to, unless cookie, provider or time differ."""
        try:
            sealed = base64.b64decode(cookie[:MAX_COOKIE_LENGTH], altchars=b"-_", validate=True)
            stored = msgspec.json.decode(self.vault.decrypt(sealed, _PLACE), type=StoredAttempt)
        except (ValueError, VaultError, msgspec.DecodeError):
            return None
        is_same = hmac.compare_digest(stored.state.encode(), state.encode())
        is_fresh = 0 <= now_s - stored.started_s <= LIFETIME_S
        return stored if is_same and is_fresh and stored.provider == provider else None
