"""Where ids and secrets come from: the operating system's generator, or a test's own."""

from __future__ import annotations

import secrets
from typing import Protocol


class Randomness(Protocol):
    """Draws what nobody may guess."""

    def participant_id(self) -> str:
        """Return a participant id, never the same twice."""

    def resume_secret(self) -> str:
        """Return a secret to resume with."""

    def token_id(self) -> str:
        """Return an id for a room token."""


class SystemRandomness:
    """128 bits or more each from the kernel."""

    def participant_id(self) -> str:
        """Return 32 hexadecimal digits."""
        return secrets.token_hex(16)

    def resume_secret(self) -> str:
        """Return 256 bits in URL-safe base64."""
        return secrets.token_urlsafe(32)

    def token_id(self) -> str:
        """Return 128 bits in URL-safe base64."""
        return secrets.token_urlsafe(16)
