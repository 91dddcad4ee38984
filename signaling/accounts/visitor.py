"""Who is asking for a page, and whether they are far enough to get it (R15–R17)."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

import msgspec
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.assignments import held_roles
from signaling.accounts.config import AccountsConfig
from signaling.accounts.destination import Destinations, Kept
from signaling.accounts.rights import NOTHING_IN_PARTICULAR, Action, Actor, Target, may
from signaling.accounts.rights import may_somewhere as may_somewhere_of
from signaling.accounts.uploads import Upload, read_upload
from signaling.accounts.web_sessions import WebSessions
from signaling.storage.database import Database, StorageUnavailable
from signaling.storage.models import Person, TermsAcceptance
from signaling.vault import Vault, token_hash

FORM_FIELD = "csrf"
FORM_TYPE = "application/x-www-form-urlencoded"


class Stage(IntEnum):
    """How far somebody is. Nothing but the next step is open before the last one."""

    ANONYMOUS = 0
    TERMS = 1
    """Signed in; has yet to accept the terms of use."""
    EMAIL = 2
    """Has yet to declare and confirm an e-mail address."""
    READY = 3


NEXT_STEP = {Stage.ANONYMOUS: "/sign-in", Stage.TERMS: "/terms", Stage.EMAIL: "/email"}


NOBODY = Actor("")


@dataclass(frozen=True)
class Visitor:
    """Who is asking."""

    stage: Stage = Stage.ANONYMOUS
    person: Person | None = None
    """Detached: to read, not to change."""
    actor: Actor = NOBODY
    session_token: str = ""
    form_token: str = ""
    """Every form brings it back (CSRF)."""

    @property
    def is_signed_in(self) -> bool:
        """Whether anybody is."""
        return self.person is not None

    @property
    def name(self) -> str:
        """What the header shows."""
        return self.person.full_name if self.person is not None else ""

    def may(self, action: Action, target: Target = NOTHING_IN_PARTICULAR) -> bool:
        """Ask the table of rights."""
        return self.stage is Stage.READY and may(self.actor, action, target)

    def may_somewhere(self, action: str) -> bool:
        """Ask what menus show; templates name actions by their value."""
        return self.stage is Stage.READY and may_somewhere_of(self.actor, Action(action))


ANONYMOUS = Visitor()
_CACHED = web.RequestKey("visitor", Visitor)


class Visitors:
    """Finds out who is asking."""

    def __init__(
        self, database: Database, sessions: WebSessions, vault: Vault, config: AccountsConfig, *,
        is_https: bool, now: Callable[[], datetime],
    ) -> None:  # fmt: skip
        self._database = database
        self._sessions = sessions
        self._vault = vault
        self._terms_version = config.terms_version
        self._now = now
        self._is_https = is_https
        # RFC 6265bis §4.1.3.2: with this prefix no other host, path or plain HTTP can set it.
        self.cookie_name = "__Host-session" if is_https else "session"
        self.guest_cookie_name = "__Host-guest" if is_https else "guest"
        """Of people who wait at a door without having signed in."""
        self.destinations = Destinations(vault, is_https, config.email_link_hours * 3600, now)

    async def of(self, request: web.Request) -> Visitor:
        """Return who is asking.

        Raises:
            StorageUnavailable: it cannot be known now.
        """
        cached = request.get(_CACHED)
        if cached is None:
            cached = request[_CACHED] = await self._find(request)
        return cached

    async def or_anonymous(self, request: web.Request) -> Visitor:
        """Return who is asking; nobody if that cannot be known: rooms do not need accounts."""
        try:
            return await self.of(request)
        except StorageUnavailable:
            return ANONYMOUS

    async def require(
        self, request: web.Request, stage: Stage = Stage.READY, *, goal: str | None = None
    ) -> Visitor:
        """Return who is asking if they are at `stage` or beyond.

        `goal` is the page to be led to afterwards, if it is not the one that was asked for.

        Raises:
            HTTPSeeOther: to the step that comes before.
        """
        visitor = await self.of(request)
        if visitor.stage < stage:
            answer = web.HTTPSeeOther(NEXT_STEP[visitor.stage])
            if request.method == "GET":
                self.destinations.note(
                    request, answer, goal or str(request.rel_url),
                    person_id=visitor.actor.person_id, is_step=stage is not Stage.READY,
                )  # fmt: skip
            raise answer
        return visitor

    def lead_on(
        self, request: web.Request, person_id: str, stage: Stage, default: str = "/account"
    ) -> web.Response:
        """Return the answer that leads somebody to their next step, or to where they were going."""
        kept = self.destinations.of(request, person_id)
        if stage >= Stage.EMAIL and kept.step:
            path, kept = kept.step, msgspec.structs.replace(kept, step="")
        elif stage is Stage.READY:
            path, kept = kept.goal or default, Kept()
        else:
            path = NEXT_STEP[stage]
        response = web.Response(status=303, headers={"Location": path})
        self.destinations.keep(request, response, kept, person_id)
        return response

    async def read_form(
        self, request: web.Request, stage: Stage = Stage.READY, *, max_bytes: int | None = None
    ) -> tuple[Visitor, Mapping[str, str]]:
        """Return who sent a form and its text fields.

        `max_bytes` allows more than forms have otherwise.

        Raises:
            HTTPForbidden: it is not from a page of this session.
            HTTPSeeOther: as `require`.
        """
        visitor = await self.require(request, stage)
        if request.content_type != FORM_TYPE:
            raise web.HTTPUnsupportedMediaType(text="not_a_form")
        if max_bytes is not None:
            request = request.clone(client_max_size=max_bytes)
        posted = await request.post()
        form = {key: value for key, value in posted.items() if isinstance(value, str)}
        _check_origin_of(form, visitor)
        return visitor, form

    async def read_upload(
        self, request: web.Request, *, max_file_bytes: int,
        long_fields: frozenset[str] = frozenset(),
    ) -> tuple[Visitor, Upload]:  # fmt: skip
        """Return who sent a form with files, and the form.

        Raises:
            HTTPForbidden, HTTPSeeOther: as `read_form`.
            HTTPException: as `signaling.accounts.uploads.read_upload`.
        """
        visitor = await self.require(request)
        upload = await read_upload(request, max_file_bytes=max_file_bytes, long_fields=long_fields)
        _check_origin_of(upload.fields, visitor)
        return visitor, upload

    def holders(self, request: web.Request) -> frozenset[str]:
        """Return the hashes of the cookies by which a browser can be told from others.

        They prove nothing about who it is: a ticket that was given to one of them does.
        """
        names = (self.cookie_name, self.guest_cookie_name)
        return frozenset(
            token_hash(request.cookies[name]) for name in names if request.cookies.get(name)
        )

    async def stage_of(self, session: AsyncSession, person: Person) -> Stage:
        """Return how far a person is who has signed in."""
        accepted = await session.get(TermsAcceptance, (person.id, self._terms_version))
        return _stage_of(person, has_accepted=accepted is not None)

    def set_cookie(self, response: web.StreamResponse, token: str, max_age_s: int) -> None:
        """Give the browser its session."""
        response.set_cookie(
            self.cookie_name, token, max_age=max_age_s, path="/", httponly=True, samesite="Lax",
            secure=self._is_https,
        )  # fmt: skip

    def clear_cookie(self, response: web.StreamResponse) -> None:
        """Take the session from the browser."""
        response.del_cookie(self.cookie_name, path="/", secure=self._is_https, httponly=True)

    async def _find(self, request: web.Request) -> Visitor:
        token = request.cookies.get(self.cookie_name)
        if not token:
            return ANONYMOUS
        now = self._now()
        async with self._database.read() as session:
            found = await self._sessions.find(session, token, now, self._terms_version)
            if found is None:
                return ANONYMOUS
            person = found.person
            roles = await held_roles(session, person.id)
        if self._sessions.wants_touch(found.seen_at, now):
            async with self._database.write() as session:
                await self._sessions.touch(session, token, now)
        stage = _stage_of(person, has_accepted=found.has_accepted)
        actor = Actor(person.id, roles)
        return Visitor(stage, person, actor, token, self._vault.form_token(token))


def _stage_of(person: Person, *, has_accepted: bool) -> Stage:
    if not has_accepted:
        return Stage.TERMS
    return Stage.READY if person.email else Stage.EMAIL


def _check_origin_of(form: Mapping[str, str], visitor: Visitor) -> None:
    sent = form.get(FORM_FIELD, "").encode()
    if not hmac.compare_digest(sent, visitor.form_token.encode()):
        raise web.HTTPForbidden(text="stale_form")
