"""Which sign-in services there are."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from signaling.tokens import IDENTIFIER


class ProviderKind(StrEnum):
    """The drivers."""

    CITIZENS = "citizens"
    """ΓΓΠΣΔΔ, citizens with their TaxisNet codes."""
    CITIZENS_OTP = "citizens-otp"
    """The same with a one-time password."""
    STAFF = "staff"
    """ΓΓΠΣΔΔ, staff of the public administration."""
    OIDC = "oidc"
    """Any OpenID Connect provider with discovery."""


@dataclass(frozen=True)
class ProviderEntry:
    """One sign-in service."""

    name: str
    """Part of the addresses `/sign-in/NAME` and `/sign-in/NAME/callback`, which is registered with
    the service: letters a to z, digits, hyphens."""
    kind: ProviderKind
    """`citizens`, `citizens-otp`, `staff` or `oidc`."""
    client_id: str
    """What the service calls us."""
    client_secret: str = ""
    """Name of the secret with our password there (see `secrets_folder`)."""
    title: str = ""
    """What people read on the button, Greek. Empty: a text for the kind."""
    title_en: str = ""
    """The same in English."""
    address: str = ""
    """Base address of the realm, or issuer (oidc). Empty: the public one of the kind."""
    has_pkce: bool = False
    """Whether to send a PKCE challenge (RFC 7636). ΓΓΠΣΔΔ offers none; oidc says so itself."""


@dataclass(frozen=True)
class DevelopmentProviderConfig:
    """A small server that speaks like ΓΓΠΣΔΔ and lets one choose a sample person."""

    enabled: bool = False
    """Whether it is started, and offered in place of `providers`. Never in production."""
    port: int = 0
    """TCP port on 127.0.0.1. 0: the one after `http.port`."""
    administrators: tuple[str, ...] = ()
    """ΑΦΜ of sample persons who become system administrators when they sign in."""
    has_sample_sittings: bool = False
    """Whether an empty database gets councils, members and sittings to try things with."""


@dataclass(frozen=True)
class IdentityConfig:
    """Sign-in."""

    providers: tuple[ProviderEntry, ...] = ()
    """The services, in the order of the page. Empty: nobody can sign in."""
    attempt_burst: int = 20
    """Sign-ins one address may begin at once."""
    attempts_per_second: float = 0.5
    """Sign-ins a second for one address after that."""
    development: DevelopmentProviderConfig = field(default_factory=DevelopmentProviderConfig)
    """Sign-in without any service."""


def identity_problems(config: IdentityConfig, is_public: bool) -> list[str]:
    """Return what types cannot say, each with key, value and remedy."""
    problems = []
    names = [each.name for each in config.providers]
    for entry in config.providers:
        if not IDENTIFIER.fullmatch(entry.name):
            problems.append(
                f'identity.providers.name = "{entry.name}": use a to z, digits, hyphens'
            )
        if names.count(entry.name) > 1:
            problems.append(f'identity.providers.name = "{entry.name}": occurs twice')
        if entry.address and urlsplit(entry.address).scheme not in ("http", "https"):
            problems.append(f'identity.providers.address = "{entry.address}": write https://…')
        if entry.kind is ProviderKind.OIDC and not entry.address:
            problems.append("identity.providers.address: oidc needs its issuer")
    if config.attempt_burst < 1 or config.attempts_per_second <= 0:
        problems.append("identity.attempt_burst, identity.attempts_per_second: must be above 0")
    if not 0 <= config.development.port <= 65535:
        problems.append(f"identity.development.port = {config.development.port}: use 0 to 65535")
    if config.development.enabled and is_public:
        problems.append(
            "identity.development.enabled: anybody could be anybody on a public address "
            "(http.host, http.origins): turn it off"
        )
    return problems
