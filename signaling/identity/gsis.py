"""The OAuth2 services of ΓΓΠΣΔΔ: citizens, citizens with one-time password, staff.

Not OpenID Connect: no discovery, no id_token; the identity comes from a userinfo document in XML.
The development provider speaks the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

from signaling.identity.config import ProviderKind
from signaling.identity.http import ProviderHttp, fetch_token
from signaling.identity.provider import Attempt, ProviderRefused, SignedIn
from signaling.identity.userinfo_xml import parse_userinfo

REALMS = {
    ProviderKind.CITIZENS: "https://www1.gsis.gr/oauth2server",
    ProviderKind.CITIZENS_OTP: "https://www1.gsis.gr/oauth2serverotp",
    ProviderKind.STAFF: "https://oauth2.gsis.gr/oauth2servergov",
}
TITLES = {
    ProviderKind.CITIZENS: ("Σύνδεση με κωδικούς Taxisnet", "Sign in with Taxisnet codes"),
    ProviderKind.CITIZENS_OTP: (
        "Σύνδεση με κωδικούς Taxisnet και κωδικό μίας χρήσης",
        "Sign in with Taxisnet codes and a one-time password",
    ),
    ProviderKind.STAFF: (
        "Σύνδεση με κωδικούς δημόσιας διοίκησης",
        "Sign in with public administration codes",
    ),
    ProviderKind.OIDC: ("Σύνδεση με λογαριασμό φορέα", "Sign in with your organisation’s account"),
}


@dataclass(frozen=True)
class Realm:
    """One service and our account with it."""

    name: str
    base: str
    """Without a slash at the end."""
    client_id: str
    client_secret: str
    titles: tuple[str, str]
    """Greek, English."""
    has_pkce: bool = False


class GsisProvider:
    """A sign-in service of ΓΓΠΣΔΔ."""

    def __init__(self, realm: Realm, http: ProviderHttp) -> None:
        self._realm = realm
        self._http = http

    @property
    def name(self) -> str:
        """Part of its addresses with us."""
        return self._realm.name

    @property
    def origin(self) -> str:
        """Scheme and host that browsers are sent to."""
        parts = urlsplit(self._realm.base)
        return f"{parts.scheme}://{parts.netloc}"

    def title(self, language: str) -> str:
        """Return the text of its button."""
        return self._realm.titles[0 if language == "el" else 1]

    async def authorize_url(self, attempt: Attempt) -> str:
        """Return where to send the browser."""
        query = {
            "response_type": "code",
            "client_id": self._realm.client_id,
            "redirect_uri": attempt.redirect_uri,
            "scope": "read",
            "state": attempt.state,
        }
        if self._realm.has_pkce:
            query |= {"code_challenge": attempt.challenge, "code_challenge_method": "S256"}
        return f"{self._realm.base}/oauth/authorize?{urlencode(query)}"

    async def identify(self, code: str, attempt: Attempt) -> SignedIn:
        """Exchange the code, then ask who it is. The token goes in a header, never in an address."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": attempt.redirect_uri,
            "client_id": self._realm.client_id,
            "client_secret": self._realm.client_secret,
        }
        if self._realm.has_pkce:
            form["code_verifier"] = attempt.verifier
        token = await fetch_token(self._http, f"{self._realm.base}/oauth/token", form)
        status, document = await self._http.get(
            f"{self._realm.base}/userinfo",
            params={"format": "xml"},
            bearer=token["access_token"],
        )
        if status != 200:
            raise ProviderRefused("userinfo_error")
        return SignedIn(parse_userinfo(document))

    async def logout_url(self, return_url: str, hint: str | None) -> str | None:
        """Return the address that ends the service's own session."""
        client = quote(self._realm.client_id, safe="")
        return f"{self._realm.base}/logout/{client}/?{urlencode({'url': return_url})}"
