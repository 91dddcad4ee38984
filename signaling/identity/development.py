"""The development provider: speaks like ΓΓΠΣΔΔ, and lets one choose a sample person.

A process of its own (`python -m signaling.identity.development`), so that nothing of it is in the
product's. It has what the real services have: codes good once, a session of its own that sign-out
must end, XML with padded values and letters partly as numeric entities, errors as JSON.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import sys
import time
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

import aiohttp
import jinja2
import msgspec
from aiohttp import web

from signaling.identity.sample_people import SAMPLE_PEOPLE, SamplePerson

REALMS = ("oauth2server", "oauth2serverotp", "oauth2servergov")
SESSION_COOKIE = "development-provider"
LIFETIME_S = 120.0
MAX_REMEMBERED = 1000
"""LIMIT: codes, tokens and sessions kept; older ones are forgotten."""
PADDED_WIDTH = 24
KED_PATH = "/ked/confirm-identity"
KED_FIELDS = frozenset(
    {"auditTransactionId", "auditTransactionDate", "auditUnit", "auditProtocol", "auditUserId",
     "auditUserIp"}
)  # fmt: skip
EXIT_BUSY = 1
T = TypeVar("T")

TEMPLATES = Path(__file__).resolve().parents[1] / "web" / "templates" / "development"


class DevelopmentSettings(msgspec.Struct, frozen=True):
    """Read from standard input, as JSON."""

    port: int
    client_id: str
    client_secret: str
    origins: list[str]
    """Whose callbacks and return addresses are known."""


@dataclass(frozen=True)
class Grant:
    """What a code or token stands for."""

    person: SamplePerson
    redirect_uri: str
    challenge: str
    ends_s: float


@dataclass
class DevelopmentProvider:
    """The server's state: in memory only."""

    settings: DevelopmentSettings
    codes: dict[str, Grant] = field(default_factory=dict)
    tokens: dict[str, Grant] = field(default_factory=dict)
    sessions: dict[str, SamplePerson] = field(default_factory=dict)

    def make_app(self) -> web.Application:
        """Return the application."""
        app = web.Application(client_max_size=16 * 1024)
        realm = "/{realm:" + "|".join(REALMS) + "}"
        app.router.add_get(realm + "/oauth/authorize", self.authorize)
        app.router.add_post(realm + "/oauth/authorize", self.choose)
        app.router.add_post(realm + "/oauth/token", self.exchange)
        app.router.add_get(realm + "/userinfo", self.userinfo)
        app.router.add_get(realm + "/logout/{client}/", self.logout)
        app.router.add_post(KED_PATH, self.confirm_identity)
        return app

    async def authorize(self, request: web.Request) -> web.Response:
        """Show the people, or go on at once if somebody is signed in here."""
        self._check_client(request)
        person = self.sessions.get(request.cookies.get(SESSION_COOKIE, ""))
        if person is not None:
            return self._send_back(request, person)
        page = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True
        ).get_template("choose.html")
        text = page.render(people=SAMPLE_PEOPLE, action=request.path_qs)
        return web.Response(text=text, content_type="text/html")

    async def choose(self, request: web.Request) -> web.Response:
        """Sign the chosen person in."""
        self._check_client(request)
        form = await request.post()
        if form.get("cancel"):
            query = {"error": "access_denied", "state": request.query.get("state", "")}
            return _redirect(f"{request.query['redirect_uri']}?{urlencode(query)}")
        people = {each.tax_number: each for each in SAMPLE_PEOPLE}
        person = people.get(str(form.get("person", "")))
        if person is None:
            raise web.HTTPBadRequest()
        response = self._send_back(request, person)
        session = _remember(self.sessions, person)
        response.set_cookie(SESSION_COOKIE, session, path="/", httponly=True, samesite="Lax")
        return response

    async def exchange(self, request: web.Request) -> web.Response:
        """Answer `…/oauth/token`."""
        form = {key: str(value) for key, value in (await request.post()).items()}
        settings = self.settings
        is_client = form.get("client_id") == settings.client_id and hmac.compare_digest(
            form.get("client_secret", "").encode(), settings.client_secret.encode()
        )
        if not is_client:
            return web.json_response({"error": "unauthorized"}, status=401)
        grant = self.codes.pop(form.get("code", ""), None)
        if (
            grant is None
            or grant.ends_s < time.monotonic()
            or form.get("grant_type") != "authorization_code"
            or form.get("redirect_uri") != grant.redirect_uri
            or not _fits(grant.challenge, form.get("code_verifier", ""))
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        token = _remember(self.tokens, grant)
        answer = {"access_token": token, "token_type": "bearer", "scope": "read"}
        return web.json_response({**answer, "expires_in": int(LIFETIME_S)})

    async def userinfo(self, request: web.Request) -> web.Response:
        """Answer `…/userinfo?format=xml`; errors come as JSON, as they do there."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        grant = self.tokens.pop(token, None) if scheme == "Bearer" else None
        if grant is None or grant.ends_s < time.monotonic():
            error = {"error": "invalid_token", "error_description": "Invalid access token"}
            return web.json_response(error, status=401)
        text = userinfo_document(grant.person)
        return web.Response(text=text, content_type="text/xml", charset="utf-8")

    async def logout(self, request: web.Request) -> web.Response:
        """End the session here and go back."""
        self.sessions.pop(request.cookies.get(SESSION_COOKIE, ""), None)
        url = request.query.get("url", "")
        if request.match_info["client"] != self.settings.client_id or not self._is_known(url):
            raise web.HTTPBadRequest()
        response = _redirect(url)
        response.del_cookie(SESSION_COOKIE, path="/")
        return response

    async def confirm_identity(self, request: web.Request) -> web.Response:
        """Answer as the interoperability centre (ΚΕ.Δ.) does: the data are right if they are those
        of a sample person and the document's number does not begin with `ΧΧ`."""
        settings = self.settings
        wanted = aiohttp.encode_basic_auth(settings.client_id, settings.client_secret, "utf-8")
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), wanted.encode()):
            return web.json_response({"error": "unauthorized"}, status=401)
        body = await request.json()
        answer = {"callSequenceId": secrets.randbelow(2**31), "callSequenceDate": time.ctime()}
        missing = sorted(KED_FIELDS - {key for key, value in body["auditRecord"].items() if value})
        if missing:
            error = {"errorCode": "AUDIT", "errorDescr": ", ".join(missing)}
            return web.json_response({**answer, "errorRecord": error})
        asked = body["confirmIdentityInputRecord"]
        person = {each.tax_number: each for each in SAMPLE_PEOPLE}.get(asked["afm"])
        is_right = (
            person is not None
            and (asked["firstname"], asked["lastname"]) == (person.given_name, person.family_name)
            and not asked["documentNumber"].startswith("ΧΧ")
        )
        return web.json_response(
            {**answer, "confirmIdentityOutputRecord": {"isConfirmed": is_right}}
        )

    def _send_back(self, request: web.Request, person: SamplePerson) -> web.Response:
        redirect_uri = request.query["redirect_uri"]
        challenge = request.query.get("code_challenge", "")
        grant = Grant(person, redirect_uri, challenge, time.monotonic() + LIFETIME_S)
        query = {"code": _remember(self.codes, grant), "state": request.query.get("state", "")}
        return _redirect(f"{redirect_uri}?{urlencode(query)}")

    def _check_client(self, request: web.Request) -> None:
        query = request.query
        if (
            query.get("client_id") != self.settings.client_id
            or query.get("response_type") != "code"
            or not self._is_known(query.get("redirect_uri", ""))
        ):
            raise web.HTTPBadRequest(text="unknown client or redirect_uri")

    def _is_known(self, url: str) -> bool:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc}" in self.settings.origins


def userinfo_document(person: SamplePerson) -> str:
    """Return the XML with the quirks of the real one."""
    attributes = {
        "userid": f"user{person.tax_number[-4:]}",
        "taxid": person.tax_number,
        "lastname": person.family_name,
        "firstname": person.given_name,
        "fathername": person.father_name,
        "mothername": person.mother_name,
        "birthyear": person.birth_year,
    }
    text = " ".join(f'{key}="{_disguise(value)}"' for key, value in attributes.items())
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<root><userinfo {text}/></root>'


def _disguise(value: str) -> str:
    """Pad a value, and write every other Greek letter as a numeric entity."""
    letters = [
        f"&#{ord(letter)};" if ord(letter) > 127 and index % 2 else escape(letter)
        for index, letter in enumerate(value)
    ]
    return "".join(letters) + " " * max(0, PADDED_WIDTH - len(value))


def _fits(challenge: str, verifier: str) -> bool:
    """RFC 7636 §4.6, for who sent a challenge."""
    if not challenge:
        return True
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
    return hmac.compare_digest(digest.rstrip(b"=").decode(), challenge)


def _remember(kept: dict[str, T], value: T) -> str:
    key = secrets.token_urlsafe(24)
    kept[key] = value
    while len(kept) > MAX_REMEMBERED:
        del kept[next(iter(kept))]
    return key


def _redirect(url: str) -> web.Response:
    return web.Response(status=303, headers={"Location": url})


async def serve(settings: DevelopmentSettings) -> None:
    """Serve until cancelled."""
    app = DevelopmentProvider(settings).make_app()
    runner = web.AppRunner(app, access_log=None, handle_signals=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", settings.port).start()
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def main() -> int:
    """Run until SIGTERM."""
    settings = msgspec.json.decode(sys.stdin.buffer.read(), type=DevelopmentSettings)
    try:
        asyncio.run(serve(settings))
    except OSError as error:
        print(
            f"identity.development.port = {settings.port}: {error.strerror}: choose another port",
            file=sys.stderr,
        )
        return EXIT_BUSY
    except (KeyboardInterrupt, web.GracefulExit):
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
