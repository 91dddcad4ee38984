"""The OpenID Connect driver against a small provider: what it accepts and what it refuses."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey

from signaling.identity.gsis import Realm
from signaling.identity.http import ProviderHttp
from signaling.identity.oidc import OidcProvider
from signaling.identity.provider import (
    Attempt,
    ProviderRefused,
    ProviderUnavailable,
    SignedIn,
)
from tests.support.ports import free_port

pytestmark = pytest.mark.asyncio

ATTEMPT = Attempt("state", "v" * 43, "nonce-1", "http://own.test/sign-in/x/callback")


@dataclass
class Issuer:
    """A provider whose answers tests bend."""

    base: str
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "1"}))
    signing_key: ECKey | None = None
    claims: dict[str, Any] = field(default_factory=dict)
    discovery: dict[str, Any] = field(default_factory=dict)
    forms: list[dict[str, str]] = field(default_factory=list)
    token_status: int = 200

    async def configuration(self, _: web.Request) -> web.Response:
        found = {
            "issuer": self.base, "authorization_endpoint": f"{self.base}/authorize",
            "token_endpoint": f"{self.base}/token", "jwks_uri": f"{self.base}/keys",
            "end_session_endpoint": f"{self.base}/end",
            "code_challenge_methods_supported": ["S256"],
        }  # fmt: skip
        return web.json_response(found | self.discovery)

    async def keys(self, _: web.Request) -> web.Response:
        return web.json_response({"keys": [self.key.as_dict(private=False)]})

    async def token(self, request: web.Request) -> web.Response:
        self.forms.append({key: str(value) for key, value in (await request.post()).items()})
        now = int(time.time())
        claims = {
            "iss": self.base, "aud": "us", "sub": "s-1", "iat": now, "exp": now + 60,
            "nonce": "nonce-1", "given_name": "Άννα", "family_name": "Βήτα",
        }  # fmt: skip
        header = {"alg": "ES256", "kid": "1"}
        id_token = jwt.encode(
            header, claims | self.claims, self.signing_key or self.key, algorithms=["ES256"]
        )
        answer = {"access_token": "a", "token_type": "Bearer", "id_token": id_token}
        return web.json_response(answer, status=self.token_status)


@contextlib.asynccontextmanager
async def issuer() -> AsyncIterator[tuple[Issuer, OidcProvider]]:
    port = free_port()
    there = Issuer(f"http://127.0.0.1:{port}")
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", there.configuration)
    app.router.add_get("/keys", there.keys)
    app.router.add_post("/token", there.token)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    http = ProviderHttp()
    try:
        yield there, OidcProvider(Realm("x", there.base, "us", "secret", ("α", "a")), http)
    finally:
        await http.close()
        await runner.cleanup()


async def test_code_becomes_an_identity_with_pkce_and_nonce() -> None:
    async with issuer() as (there, provider):
        url = urlsplit(await provider.authorize_url(ATTEMPT))
        query = {key: value[0] for key, value in parse_qs(url.query).items()}
        assert query["code_challenge"] == ATTEMPT.challenge
        assert (query["state"], query["nonce"]) == ("state", "nonce-1")

        signed_in = await provider.identify("code", ATTEMPT)

        assert there.forms[0]["code_verifier"] == ATTEMPT.verifier
        assert isinstance(signed_in, SignedIn)
        identity = signed_in.identity
        assert (identity.given_name, identity.family_name) == ("Άννα", "Βήτα")
        assert identity.subject_kind == f"oidc {there.base}"
        logout = await provider.logout_url("http://own.test/signed-out", signed_in.logout_hint)
        assert logout is not None and "id_token_hint=" in logout


async def test_pkce_is_left_out_where_it_is_not_offered() -> None:
    async with issuer() as (there, provider):
        there.discovery = {"code_challenge_methods_supported": ["plain"]}
        assert "code_challenge" not in await provider.authorize_url(ATTEMPT)


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "other"}, {"nonce": None}, {"aud": "somebody"}, {"iss": "http://evil.test"},
        {"exp": 1}, {"sub": None}, {"given_name": "", "family_name": " "}, {"taxid": "123456789"},
    ],
)  # fmt: skip
async def test_id_token_of_somebody_else_is_refused(claims: dict[str, Any]) -> None:
    async with issuer() as (there, provider):
        there.claims = claims
        with pytest.raises(ProviderRefused):
            await provider.identify("code", ATTEMPT)


async def test_foreign_signature_is_refused() -> None:
    async with issuer() as (there, provider):
        there.signing_key = ECKey.generate_key("P-256", {"kid": "1"})
        with pytest.raises(ProviderRefused, match="bad_id_token"):
            await provider.identify("code", ATTEMPT)


@pytest.mark.parametrize(
    "discovery", [{"issuer": "http://evil.test"}, {"token_endpoint": None}, {"jwks_uri": 7}]
)
async def test_discovery_of_another_issuer_is_no_service(discovery: dict[str, Any]) -> None:
    async with issuer() as (there, provider):
        there.discovery = discovery
        with pytest.raises(ProviderUnavailable):
            await provider.authorize_url(ATTEMPT)


@pytest.mark.parametrize(("status", "error"), [(400, ProviderRefused), (503, ProviderUnavailable)])
async def test_stale_code_and_broken_service_are_told_apart(
    status: int, error: type[Exception]
) -> None:
    async with issuer() as (there, provider):
        there.token_status = status
        with pytest.raises(error):
            await provider.identify("code", ATTEMPT)


async def test_absent_service_is_unavailable() -> None:
    http = ProviderHttp()
    base = f"http://127.0.0.1:{free_port()}"
    provider = OidcProvider(Realm("x", base, "us", "secret", ("α", "a")), http)
    with pytest.raises(ProviderUnavailable):
        await provider.authorize_url(ATTEMPT)
    await http.close()
