"""The form «Επικοινωνία» for everybody (R31), and the desk where administrators read what came."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from signaling.accounts.parts import PageParts
from signaling.accounts.rights import Action
from signaling.accounts.visitor import Stage, Visitor
from signaling.audit.trail import AuditAction, AuditEntry
from signaling.frame_socket import is_own_origin
from signaling.helpdesk.check_pages import SAME_ORIGIN_REFERRER
from signaling.helpdesk.config import ContactConfig
from signaling.helpdesk.contact_form import (
    MAX_TEXT,
    ContactForm,
    Mistakes,
    Topic,
    parse_contact,
    parse_report,
    report_lines,
)
from signaling.helpdesk.contact_records import (
    TooManyUnanswered,
    find_message,
    list_messages,
    put_message,
)
from signaling.paging import parse_cursor, write_cursor
from signaling.rate_limits import RateLimit

PAGE_SIZE = 30
FULL_RETRY_S = 3600
ADMINISTRATION = "/administration/contact"
COMPOSE = "compose"
"""Value of the field `step` of a form that only brings a report along."""
NOTHING_TYPED: Mapping[str, str] = {}


@dataclass(frozen=True)
class ContactSettings:
    """What the form is told."""

    config: ContactConfig
    origins: frozenset[str]
    address_of: Callable[[web.Request], str]


class ContactPages:
    """Answers `/contact` and `/administration/contact…`."""

    def __init__(self, parts: PageParts, settings: ContactSettings) -> None:
        self._parts = parts
        self._accounts = parts.accounts
        self._settings = settings
        config = settings.config
        self._limit = RateLimit(burst=float(config.burst), rate=config.per_hour / 3600)

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        app.router.add_get("/contact", self.form)
        app.router.add_post("/contact", self.send)
        app.router.add_get(ADMINISTRATION, self.list)
        app.router.add_post(ADMINISTRATION + "/{id}/answered", self.answered)

    async def form(self, request: web.Request) -> web.Response:
        """Show the form, or thanks for a message."""
        visitor = await self._accounts.visitors.of(request)
        if request.query.get("done") == "sent":
            return self._page(request, "contact_thanks.html", visitor)
        return self._form_page(request, visitor, _known(visitor), {})

    async def send(self, request: web.Request) -> web.Response:
        """Keep a message and tell the operator of it; or show the form with a report filled in."""
        accounts = self._accounts
        if not is_own_origin(request.headers.getall("Origin", []), self._settings.origins):
            raise web.HTTPForbidden(text="wrong_origin")
        visitor, form = await accounts.visitors.read_form(request, Stage.ANONYMOUS)
        if form.get("step") == COMPOSE:
            return self._compose(request, visitor, form)
        try:
            contact = parse_contact(form)
        except Mistakes as mistakes:
            return self._form_page(request, visitor, form, mistakes.errors, status=422)
        if visitor.is_signed_in:
            accounts.take_turn(visitor)
        else:
            self._limit.take(self._settings.address_of(request), accounts.monotonic_s())
        await self._keep(contact, visitor)
        raise web.HTTPSeeOther("/contact?done=sent")

    async def list(self, request: web.Request) -> web.Response:
        """Show what came. That somebody read it is audited."""
        accounts = self._accounts
        visitor = await self._administrator(request)
        is_answered = request.query.get("show") == "answered"
        before = parse_cursor(request.query.get("before", ""))
        async with accounts.database.write() as session:
            rows = await list_messages(
                session, is_answered=is_answered, before=before, limit=PAGE_SIZE + 1
            )
            await accounts.trail.record(
                session,
                AuditEntry(accounts.now(), visitor.actor.person_id, AuditAction.READ_CONTACT),
            )
        shown = rows[:PAGE_SIZE]
        last = shown[-1] if len(rows) > PAGE_SIZE else None
        return self._parts.page(
            request, "contact_list.html", visitor, is_answered=is_answered,
            rows=[(row, report_lines(row.report)) for row in shown],
            before=write_cursor(last.created_at, last.id) if last is not None else "",
            done=request.query.get("done") == "answered",
        )  # fmt: skip

    async def answered(self, request: web.Request) -> web.Response:
        """Mark a message as answered; once is enough."""
        accounts = self._accounts
        await self._administrator(request)
        visitor, _ = await accounts.visitors.read_form(request)
        accounts.take_turn(visitor)
        now = accounts.now()
        async with accounts.database.write() as session:
            message = await find_message(session, request.match_info["id"])
            if message is None:
                raise web.HTTPNotFound()
            if message.answered_at is None:
                message.answered_at = now
                await accounts.trail.record(
                    session,
                    AuditEntry(
                        now, visitor.actor.person_id, AuditAction.ANSWER_CONTACT,
                        "contact_message", message.id,
                    ),
                )  # fmt: skip
        raise web.HTTPSeeOther(f"{ADMINISTRATION}?done=answered")

    async def _administrator(self, request: web.Request) -> Visitor:
        visitor = await self._accounts.visitors.require(request)
        if not visitor.may(Action.READ_CONTACT):
            raise web.HTTPNotFound()
        return visitor

    async def _keep(self, contact: ContactForm, visitor: Visitor) -> None:
        accounts = self._accounts
        person_id = visitor.person.id if visitor.person is not None else None
        try:
            async with accounts.database.write() as session:
                await put_message(session, contact, person_id, accounts.now())
                if self._settings.config.address:
                    values = {
                        "contact": contact,
                        "report": report_lines(contact.report),
                        "link": f"{accounts.public_origin}{ADMINISTRATION}",
                    }
                    recipient = self._settings.config.address
                    accounts.mails.put_to(session, recipient, "contact_message", values)
        except TooManyUnanswered:
            raise web.HTTPServiceUnavailable(
                text="too_many_messages", headers={"Retry-After": str(FULL_RETRY_S)}
            ) from None

    def _compose(
        self, request: web.Request, visitor: Visitor, form: Mapping[str, str]
    ) -> web.Response:
        values = {**_known(visitor), "topic": Topic.SOUND_AND_PICTURE.value}
        try:
            parse_report(form.get("report", ""))
        except ValueError:
            return self._form_page(request, visitor, values, {"report": "report_bad"}, status=422)
        values["report"] = form.get("report", "")
        return self._form_page(request, visitor, values, {})

    def _form_page(
        self, request: web.Request, visitor: Visitor, form: Mapping[str, str],
        errors: Mapping[str, str], *, status: int = 200,
    ) -> web.Response:  # fmt: skip
        report = form.get("report", "") if "report" not in errors else ""
        return self._page(
            request, "contact.html", visitor, status=status, form=form, errors=errors,
            topics=[each.value for each in Topic], max_text=MAX_TEXT, report=report,
            report_lines=report_lines(parse_report(report)), phone=self._settings.config.phone,
        )  # fmt: skip

    def _page(
        self, request: web.Request, name: str, visitor: Visitor, *, status: int = 200,
        shown_at: str | None = None, **values: object,
    ) -> web.Response:  # fmt: skip
        response = self._parts.page(
            request, name, visitor, status=status, shown_at=shown_at, **values
        )
        response.headers.update(SAME_ORIGIN_REFERRER)
        return response


def _known(visitor: Visitor) -> Mapping[str, str]:
    """Return what need not be typed by who is signed in."""
    if visitor.person is None:
        return NOTHING_TYPED
    return {"name": visitor.person.full_name, "email": visitor.person.email or ""}
