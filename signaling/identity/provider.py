"""What all sign-in services have in common: values, errors, and the interface of drivers."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Identity:
    """Who somebody is, as a sign-in service says (R14)."""

    subject_kind: str
    """`tax-number`, or `oidc` with the issuer: within it the subject is unique."""
    subject: str
    given_name: str
    family_name: str
    father_name: str = ""
    mother_name: str = ""
    birth_year: str = ""
    tax_number: str | None = None


@dataclass(frozen=True)
class Attempt:
    """A sign-in under way, as far as the service sees it."""

    state: str
    """RFC 6749 §10.12: comes back with the answer."""
    verifier: str
    """RFC 7636: proves that who brings the code is who asked for it."""
    nonce: str
    """OpenID Connect Core §3.1.2.1: comes back in the id_token."""
    redirect_uri: str

    @property
    def challenge(self) -> str:
        """The verifier's SHA-256, as sent first (S256)."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@dataclass(frozen=True)
class SignedIn:
    """The service's answer."""

    identity: Identity
    logout_hint: str | None = None
    """What the service wants to see at sign-out."""


class ProviderUnavailable(Exception):
    """The service does not answer, or not in a form that can be read. Try again later."""


class ProviderRefused(Exception):
    """The service does not vouch for the person: stale code, cancelled, wrong client."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
        """Stable word, fit for a log."""


class Provider(Protocol):
    """A sign-in service."""

    @property
    def name(self) -> str:
        """Part of its addresses with us."""

    def title(self, language: str) -> str:
        """Return the text of its button."""

    @property
    def origin(self) -> str:
        """Scheme and host that browsers are sent to."""

    async def authorize_url(self, attempt: Attempt) -> str:
        """Return where to send the browser.

        Raises:
            ProviderUnavailable: the service must be asked first and does not answer.
        """

    async def identify(self, code: str, attempt: Attempt) -> SignedIn:
        """Turn the code of the callback into who it is.

        Raises:
            ProviderUnavailable: see above.
            ProviderRefused: see above.
        """

    async def logout_url(self, return_url: str, hint: str | None) -> str | None:
        """Return where to send the browser to end the service's session too, if it offers that."""
