"""The pages between the first sign-in and everything else: terms of use, e-mail (R15–R17)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from aiohttp import web

from signaling.accounts.parts import PageParts
from signaling.accounts.people import TooManyLinks
from signaling.accounts.texts import clean_line, parse_email
from signaling.accounts.visitor import Stage, Visitor
from signaling.audit.trail import AuditAction, AuditEntry
from signaling.scheduling.linking import link_seats
from signaling.storage.models import Person

MAX_TOKEN_LENGTH = 64


class EntryPages:
    """Answers `/terms`, `/email` and `/email/confirm/{token}`."""

    def __init__(self, parts: PageParts) -> None:
        self._parts = parts
        self._accounts = parts.accounts

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        app.router.add_get("/terms", self.terms)
        app.router.add_post("/terms", self.accept_terms)
        app.router.add_get("/email", self.email)
        app.router.add_post("/email", self.declare_email)
        app.router.add_get("/email/confirm/{token}", self.show_confirmation, allow_head=False)
        app.router.add_post("/email/confirm/{token}", self.confirm_email)

    async def terms(self, request: web.Request) -> web.Response:
        """Show the terms of use to anybody; ask those who must accept them."""
        visitor = await self._accounts.visitors.or_anonymous(request)
        return self._terms_page(request, visitor, 200, {})

    async def accept_terms(self, request: web.Request) -> web.Response:
        """Keep version and time of the acceptance."""
        accounts = self._accounts
        visitor, form = await accounts.visitors.read_form(request, Stage.TERMS)
        version = accounts.config.terms_version
        if form.get("accept") != "yes" or form.get("version") != version:
            return self._terms_page(request, visitor, 422, {"accept": "terms_unaccepted"})
        now = accounts.now()
        async with accounts.database.write() as session:
            person = await session.get_one(Person, visitor.actor.person_id)
            await accounts.people.accept_terms(session, person, version, now)
            await accounts.trail.record(
                session,
                AuditEntry(now, person.id, AuditAction.ACCEPT_TERMS, "terms", version),
            )
            stage = await accounts.visitors.stage_of(session, person)
        return accounts.visitors.lead_on(request, person.id, stage)

    async def email(self, request: web.Request) -> web.Response:
        """Ask for the e-mail address, or to look into the mail."""
        visitors = self._accounts.visitors
        visitor = await visitors.require(request, Stage.EMAIL)
        person_id = visitor.actor.person_id
        kept = visitors.destinations.of(request, person_id)
        if visitor.stage is Stage.READY and kept.goal and kept.person_id:
            # Confirmed in another browser while this one waited.
            return visitors.lead_on(request, person_id, visitor.stage)
        return await self._email_page(request, visitor, 200, {}, "")

    async def declare_email(self, request: web.Request) -> web.Response:
        """Send a link to the declared address."""
        accounts = self._accounts
        visitor, form = await accounts.visitors.read_form(request, Stage.EMAIL)
        accounts.take_turn(visitor)
        typed = clean_line(form.get("email", ""))
        try:
            email = parse_email(typed)
        except ValueError:
            code = "email_bad" if typed else "email_missing"
            return await self._email_page(request, visitor, 422, {"email": code}, typed)
        try:
            await self._send_link(visitor, email)
        except TooManyLinks:
            return await self._email_page(request, visitor, 429, {"email": "email_often"}, typed)
        response = web.Response(status=303, headers={"Location": "/email"})
        destinations = accounts.visitors.destinations
        person_id = visitor.actor.person_id
        destinations.keep(request, response, destinations.of(request, person_id), person_id)
        return response

    async def show_confirmation(self, request: web.Request) -> web.Response:
        """Ask for the click that confirms: programs that open links in mails must not."""
        visitor = await self._accounts.visitors.require(request, Stage.EMAIL)
        return self._parts.page(request, "email_confirm.html", visitor, has_failed=False)

    async def confirm_email(self, request: web.Request) -> web.Response:
        """Confirm; the link is good for the person who asked for it only."""
        accounts = self._accounts
        visitor, _ = await accounts.visitors.read_form(request, Stage.EMAIL)
        accounts.take_turn(visitor)
        token, now = request.match_info["token"], accounts.now()
        async with accounts.database.write() as session:
            person = await session.get_one(Person, visitor.actor.person_id)
            is_good = len(token) <= MAX_TOKEN_LENGTH and await accounts.people.confirm_email(
                session, person, token, now
            )
            result = "done" if is_good else "refused"
            await accounts.trail.record(
                session, AuditEntry(now, person.id, AuditAction.CONFIRM_EMAIL, result=result)
            )
            if is_good:
                await link_seats(session, accounts.trail, person, now)
        if not is_good:
            return self._parts.page(
                request, "email_confirm.html", visitor, status=410, has_failed=True
            )
        return accounts.visitors.lead_on(request, person.id, Stage.READY, "/account?done=email")

    async def _send_link(self, visitor: Visitor, email: str) -> None:
        accounts = self._accounts
        now, hours = accounts.now(), accounts.config.email_link_hours
        async with accounts.database.write() as session:
            person = await session.get_one(Person, visitor.actor.person_id)
            token = await accounts.people.declare_email(
                session, person, email, now, lifetime=timedelta(hours=hours),
                max_an_hour=accounts.config.email_links_per_hour,
            )  # fmt: skip
            link = f"{accounts.public_origin}/email/confirm/{token}"
            values = {"link": link, "hours": hours}
            accounts.mails.put(session, person, "confirm_email", values, recipient=email)
            await accounts.trail.record(
                session, AuditEntry(now, person.id, AuditAction.DECLARE_EMAIL)
            )

    def _terms_page(
        self, request: web.Request, visitor: Visitor, status: int, errors: Mapping[str, str]
    ) -> web.Response:
        return self._parts.page(
            request, "terms.html", visitor, status=status, errors=errors,
            version=self._accounts.config.terms_version,
            must_accept=visitor.stage is Stage.TERMS,
        )  # fmt: skip

    async def _email_page(
        self, request: web.Request, visitor: Visitor, status: int, errors: Mapping[str, str],
        typed: str,
    ) -> web.Response:  # fmt: skip
        accounts = self._accounts
        async with accounts.database.read() as session:
            declared = await accounts.people.declared_email(session, visitor.actor.person_id)
        is_waiting = (
            declared is not None and declared.used_at is None
            and declared.expires_at > accounts.now()
        )  # fmt: skip
        return self._parts.page(
            request, "email.html", visitor, status=status, errors=errors, typed=typed,
            waiting_email=declared.email if declared is not None and is_waiting else "",
            is_change=visitor.stage is Stage.READY,
            leads_on=bool(accounts.visitors.destinations.of(request, visitor.actor.person_id).goal),
        )  # fmt: skip
