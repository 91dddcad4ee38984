"""The pages of sign-in and sign-out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from sfu.logs import Log
from signaling.accounts.assignments import grant
from signaling.accounts.config import AccountsConfig
from signaling.accounts.destination import safe_path
from signaling.accounts.people import People
from signaling.accounts.rights import AccountRole, HeldRole
from signaling.accounts.visitor import ANONYMOUS, Stage, Visitor, Visitors
from signaling.accounts.web_sessions import WebSessions
from signaling.audit.trail import AuditAction, AuditEntry, AuditTrail
from signaling.identity.attempts import LIFETIME_S, Attempts
from signaling.identity.provider import Provider, ProviderRefused, ProviderUnavailable, SignedIn
from signaling.rate_limits import RateLimit
from signaling.rendering import Renderer, language_of
from signaling.scheduling.linking import link_seats
from signaling.storage.database import Database

log = Log(__name__)

ATTEMPT_COOKIE = "sign-in"
MAX_CODE_LENGTH = 2048


@dataclass(frozen=True)
class SignInParts:
    """What the handlers work with."""

    database: Database
    people: People
    sessions: WebSessions
    visitors: Visitors
    attempts: Attempts
    trail: AuditTrail
    providers: Sequence[Provider]
    origins: frozenset[str]
    config: AccountsConfig
    is_https: bool
    limit: RateLimit
    now: Callable[[], datetime]
    monotonic_s: Callable[[], float]
    administrators: frozenset[str]
    """ΑΦΜ of sample persons of development who become administrators."""


class SignInPages:
    """Answers `/sign-in…`, `/sign-out` and `/signed-out`."""

    def __init__(
        self, parts: SignInParts, renderer: Renderer, address_of: Callable[[web.Request], str]
    ) -> None:
        self._parts = parts
        self._renderer = renderer
        self._address_of = address_of
        self._providers: Mapping[str, Provider] = {each.name: each for each in parts.providers}

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        app.router.add_get("/sign-in", self.choose)
        app.router.add_get("/sign-in/{provider}", self.begin, allow_head=False)
        app.router.add_get("/sign-in/{provider}/callback", self.finish, allow_head=False)
        app.router.add_post("/sign-out", self.sign_out)
        app.router.add_get("/signed-out", self.signed_out)

    async def choose(self, request: web.Request) -> web.Response:
        """Show the sign-in services."""
        visitor = await self._parts.visitors.or_anonymous(request)
        if visitor.is_signed_in:
            raise web.HTTPSeeOther(safe_path(request.query.get("next")))
        response = self._page(request, visitor, 200, None)
        self._parts.visitors.destinations.note(request, response, request.query.get("next", ""))
        return response

    async def begin(self, request: web.Request) -> web.StreamResponse:
        """Send the browser to the service."""
        provider = self._provider_of(request)
        self._take_turn(request)
        # While nobody could be let in, nobody is sent away.
        await self._parts.database.ping()
        stored, cookie = self._parts.attempts.begin(
            provider.name,
            f"{self._origin_of(request)}/sign-in/{provider.name}/callback",
            self._parts.now().timestamp(),
        )
        try:
            url = await provider.authorize_url(stored.attempt)
        except ProviderUnavailable:
            log.warning("sign-in service unavailable", process=provider.name)
            return self._page(request, ANONYMOUS, 503, "unavailable")
        response = web.Response(status=303, headers={"Location": url})
        # Lax: the way back is a navigation from another site.
        response.set_cookie(
            ATTEMPT_COOKIE, cookie, max_age=LIFETIME_S, path="/sign-in", httponly=True,
            samesite="Lax", secure=self._parts.is_https,
        )  # fmt: skip
        return response

    async def finish(self, request: web.Request) -> web.StreamResponse:
        """Answer the browser that comes back from the service."""
        provider = self._provider_of(request)
        self._take_turn(request)
        stored = self._parts.attempts.finish(
            request.cookies.get(ATTEMPT_COOKIE, ""),
            provider.name,
            request.query.get("state", ""),
            self._parts.now().timestamp(),
        )
        if stored is None:
            return self._failed(request, 400, "stale")
        code = request.query.get("code", "")
        if not code or len(code) > MAX_CODE_LENGTH or "error" in request.query:
            return self._failed(request, 400, "cancelled")
        try:
            signed_in = await provider.identify(code, stored.attempt)
        except ProviderUnavailable:
            log.warning("sign-in service unavailable", process=provider.name)
            return self._failed(request, 503, "unavailable")
        except ProviderRefused as refusal:
            log.warning("sign-in refused", code=refusal.code)
            return self._failed(request, 400, "refused")
        token, person_id, stage = await self._begin_session(request, provider, signed_in)
        response = self._parts.visitors.lead_on(request, person_id, stage)
        self._parts.visitors.set_cookie(
            response, token, int(self._parts.config.session_hours * 3600)
        )
        response.del_cookie(ATTEMPT_COOKIE, path="/sign-in")
        return response

    async def sign_out(self, request: web.Request) -> web.StreamResponse:
        """End the session here, then the service's own."""
        parts = self._parts
        visitor, _ = await parts.visitors.read_form(request, Stage.TERMS)
        async with parts.database.write() as session:
            ended = await parts.sessions.end(session, visitor.session_token)
            await parts.trail.record(
                session, AuditEntry(parts.now(), visitor.actor.person_id, AuditAction.SIGN_OUT)
            )
        return_url = f"{self._origin_of(request)}/signed-out"
        provider = self._providers.get(ended.provider) if ended is not None else None
        url = None
        if provider is not None and ended is not None:
            url = await provider.logout_url(return_url, ended.logout_hint)
        response = web.Response(status=303, headers={"Location": url or "/signed-out"})
        parts.visitors.clear_cookie(response)
        parts.visitors.destinations.forget(request, response)
        return response

    async def signed_out(self, request: web.Request) -> web.Response:
        """Say that it is done."""
        visitor = await self._parts.visitors.or_anonymous(request)
        if visitor.is_signed_in:
            raise web.HTTPSeeOther("/account")
        return self._renderer.render(request, "signed_out.html", {}, visitor=visitor)

    async def _begin_session(
        self, request: web.Request, provider: Provider, signed_in: SignedIn
    ) -> tuple[str, str, Stage]:
        """Return the session's token, whose it is and how far they are."""
        parts = self._parts
        now = parts.now()
        old_token = request.cookies.get(parts.visitors.cookie_name)
        async with parts.database.write() as session:
            if old_token:
                # A cookie from before may be known to somebody else: it never becomes this session.
                await parts.sessions.end(session, old_token)
            person = await parts.people.sign_in(session, signed_in.identity, now)
            if signed_in.identity.tax_number in parts.administrators:
                await grant(session, person.id, HeldRole(AccountRole.ADMINISTRATOR), now)
            token = await parts.sessions.begin(
                session, person, provider.name, signed_in.logout_hint, now
            )
            await parts.trail.record(
                session,
                AuditEntry(now, person.id, AuditAction.SIGN_IN, facts={"provider": provider.name}),
            )
            await link_seats(session, parts.trail, person, now)
            stage = await parts.visitors.stage_of(session, person)
        return token, person.id, stage

    def _provider_of(self, request: web.Request) -> Provider:
        provider = self._providers.get(request.match_info["provider"])
        if provider is None:
            raise web.HTTPNotFound()
        return provider

    def _origin_of(self, request: web.Request) -> str:
        """Return our origin as the browser knows it; the first configured one if it invents."""
        origins = sorted(self._parts.origins)
        same = [each for each in origins if each.partition("://")[2] == request.host]
        return (same or origins)[0]

    def _take_turn(self, request: web.Request) -> None:
        self._parts.limit.take(self._address_of(request), self._parts.monotonic_s())

    def _failed(self, request: web.Request, status: int, reason: str) -> web.Response:
        response = self._page(request, ANONYMOUS, status, reason)
        response.del_cookie(ATTEMPT_COOKIE, path="/sign-in")
        return response

    def _page(
        self, request: web.Request, visitor: Visitor, status: int, problem: str | None
    ) -> web.Response:
        language = language_of(request)
        choices = [{"name": each.name, "title": each.title(language)} for each in
                   self._parts.providers]  # fmt: skip
        values = {"choices": choices, "problem": problem}
        response = self._renderer.render(
            request, "sign_in.html", values, visitor=visitor, status=status,
            shown_at=None if problem is None else "/sign-in",
        )  # fmt: skip
        if status == 503:
            response.headers["Retry-After"] = "10"
        return response
