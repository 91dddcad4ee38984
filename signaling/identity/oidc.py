"""OpenID Connect with discovery, PKCE where the provider offers it, and a checked id_token."""

from __future__ import annotations

import hmac
import time
from typing import Any
from urllib.parse import urlencode, urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from signaling.accounts.tax_number import parse_tax_number
from signaling.identity.gsis import Realm
from signaling.identity.http import ProviderHttp, fetch_token, read_json
from signaling.identity.provider import (
    Attempt,
    Identity,
    ProviderRefused,
    ProviderUnavailable,
    SignedIn,
)

ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
"""Asymmetric ones only: with HS256 the client's secret could forge."""
CLOCK_SKEW_S = 60
DISCOVERY_LIFETIME_S = 3600.0
MAX_NAME_LENGTH = 200


class OidcProvider:
    """A sign-in service that speaks OpenID Connect."""

    def __init__(self, realm: Realm, http: ProviderHttp) -> None:
        self._realm = realm
        self._http = http
        self._found: dict[str, Any] | None = None
        self._found_at_s = 0.0

    @property
    def name(self) -> str:
        """Part of its addresses with us."""
        return self._realm.name

    @property
    def origin(self) -> str:
        """Scheme and host of the issuer."""
        parts = urlsplit(self._realm.base)
        return f"{parts.scheme}://{parts.netloc}"

    def title(self, language: str) -> str:
        """Return the text of its button."""
        return self._realm.titles[0 if language == "el" else 1]

    async def authorize_url(self, attempt: Attempt) -> str:
        """Return where to send the browser."""
        found = await self._discover()
        query = {
            "response_type": "code",
            "client_id": self._realm.client_id,
            "redirect_uri": attempt.redirect_uri,
            "scope": "openid profile",
            "state": attempt.state,
            "nonce": attempt.nonce,
        }
        if _offers_pkce(found):
            query |= {"code_challenge": attempt.challenge, "code_challenge_method": "S256"}
        return f"{found['authorization_endpoint']}?{urlencode(query)}"

    async def identify(self, code: str, attempt: Attempt) -> SignedIn:
        """Exchange the code and check the id_token (OpenID Connect Core §3.1.3.7)."""
        found = await self._discover()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": attempt.redirect_uri,
            "client_id": self._realm.client_id,
            "client_secret": self._realm.client_secret,
        }
        if _offers_pkce(found):
            form["code_verifier"] = attempt.verifier
        answer = await fetch_token(self._http, found["token_endpoint"], form)
        id_token = answer.get("id_token")
        if not isinstance(id_token, str):
            raise ProviderUnavailable("answer has no id_token")
        claims = await self._check(id_token, found, attempt)
        return SignedIn(self._identity_of(claims), logout_hint=id_token)

    async def logout_url(self, return_url: str, hint: str | None) -> str | None:
        """Return the address of RP-initiated logout, if the provider has one."""
        try:
            end = (await self._discover()).get("end_session_endpoint")
        except ProviderUnavailable:
            return None
        if not isinstance(end, str):
            return None
        query = {"client_id": self._realm.client_id, "post_logout_redirect_uri": return_url}
        if hint:
            query["id_token_hint"] = hint
        return f"{end}?{urlencode(query)}"

    async def _discover(self) -> dict[str, Any]:
        now_s = time.monotonic()
        if self._found is None or now_s - self._found_at_s > DISCOVERY_LIFETIME_S:
            url = f"{self._realm.base.rstrip('/')}/.well-known/openid-configuration"
            status, body = await self._http.get(url)
            found = read_json(body)
            wanted = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            if status != 200 or any(not isinstance(found.get(key), str) for key in wanted):
                raise ProviderUnavailable("discovery is incomplete")
            # OpenID Connect Discovery §4.3: must be identical, or another issuer speaks for it.
            if found.get("issuer") != self._realm.base:
                raise ProviderUnavailable("discovery is of another issuer")
            self._found, self._found_at_s = found, now_s
        return self._found

    async def _check(
        self, id_token: str, found: dict[str, Any], attempt: Attempt
    ) -> dict[str, Any]:
        _, body = await self._http.get(found["jwks_uri"])
        rules = jwt.JWTClaimsRegistry(
            leeway=CLOCK_SKEW_S,
            iss={"essential": True, "value": self._realm.base},
            aud={"essential": True, "value": self._realm.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        )
        try:
            keys = KeySet.import_key_set(read_json(body))  # type: ignore[arg-type]
            token = jwt.decode(id_token, keys, algorithms=ALGORITHMS)
            rules.validate(token.claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise ProviderRefused("bad_id_token") from error
        claims: dict[str, Any] = token.claims
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), attempt.nonce.encode()):
            raise ProviderRefused("bad_nonce")
        return claims

    def _identity_of(self, claims: dict[str, Any]) -> Identity:
        given, family = _text(claims.get("given_name")), _text(claims.get("family_name"))
        if not given and not family:
            family = _text(claims.get("name"))
        if not given and not family:
            raise ProviderRefused("no_name")
        tax_number = None
        if "taxid" in claims:
            try:
                tax_number = parse_tax_number(str(claims["taxid"]))
            except ValueError:
                raise ProviderRefused("bad_tax_number") from None
        return Identity(
            subject_kind=f"oidc {self._realm.base}",
            subject=str(claims["sub"]),
            given_name=given,
            family_name=family,
            tax_number=tax_number,
        )


def _offers_pkce(found: dict[str, Any]) -> bool:
    methods = found.get("code_challenge_methods_supported")
    return isinstance(methods, list) and "S256" in methods


def _text(value: object) -> str:
    if not isinstance(value, str):
        return ""
    printable = "".join(each if each.isprintable() else " " for each in value)
    return " ".join(printable.split())[:MAX_NAME_LENGTH]
