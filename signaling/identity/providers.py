"""The configured sign-in services, put together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from signaling.identity.config import IdentityConfig, ProviderEntry, ProviderKind
from signaling.identity.development import KED_PATH
from signaling.identity.gsis import REALMS, TITLES, GsisProvider, Realm
from signaling.identity.http import ProviderHttp
from signaling.identity.oidc import OidcProvider
from signaling.identity.provider import Provider
from signaling.kep.centre import Centre, KedCentre
from signaling.kep.config import CentreConfig
from signaling.secrets import load_or_create_secret, read_secret

DEVELOPMENT_CLIENT = "synedrion-development"
DEVELOPMENT_REALMS = {
    ProviderKind.CITIZENS: ("citizens", "oauth2server", False),
    ProviderKind.CITIZENS_OTP: ("citizens-otp", "oauth2serverotp", False),
    ProviderKind.STAFF: ("staff", "oauth2servergov", True),
}
"""Kind → name, path, whether PKCE is used: both ways are exercised."""


def make_providers(
    config: IdentityConfig, secrets_folder: str, data_folder: Path, development_port: int,
    http: ProviderHttp,
) -> list[Provider]:  # fmt: skip
    """Return the services in the order of the page.

    Raises:
        SecretMissing: a client secret cannot be read.
    """
    if config.development.enabled:
        secret = development_secret(data_folder)
        base = f"http://127.0.0.1:{development_port}"
        return [
            GsisProvider(
                Realm(name, f"{base}/{path}", DEVELOPMENT_CLIENT, secret, TITLES[kind], has_pkce),
                http,
            )
            for kind, (name, path, has_pkce) in DEVELOPMENT_REALMS.items()
        ]
    return [_make_provider(entry, secrets_folder, http) for entry in config.providers]


def development_secret(data_folder: Path) -> str:
    """Return the client secret that we and the development provider share."""
    return load_or_create_secret(data_folder / "development-client-secret").hex()


def _make_provider(entry: ProviderEntry, secrets_folder: str, http: ProviderHttp) -> Provider:
    secret = read_secret(secrets_folder, entry.client_secret) if entry.client_secret else ""
    default = TITLES[entry.kind]
    is_oidc = entry.kind is ProviderKind.OIDC
    # An issuer is compared whole, a slash at its end included.
    base = entry.address if is_oidc else (entry.address or REALMS[entry.kind]).rstrip("/")
    realm = Realm(
        name=entry.name,
        base=base,
        client_id=entry.client_id,
        client_secret=secret,
        titles=(entry.title or default[0], entry.title_en or entry.title or default[1]),
        has_pkce=entry.has_pkce,
    )
    return OidcProvider(realm, http) if is_oidc else GsisProvider(realm, http)


@dataclass(frozen=True)
class CentreDouble:
    """The interoperability centre's double of the development provider."""

    port: int
    password: str


def make_centre(
    config: CentreConfig, secrets_folder: str, double: CentreDouble | None, http: ProviderHttp
) -> Centre | None:
    """Return the interoperability centre, its double in development, or none.

    Raises:
        SecretMissing: the password cannot be read.
    """
    if config.address:
        return KedCentre(config, read_secret(secrets_folder, config.password), http)
    if double is None:
        return None
    address = f"http://127.0.0.1:{double.port}{KED_PATH}"
    settings = replace(config, address=address, username=DEVELOPMENT_CLIENT)
    return KedCentre(settings, double.password, http)
