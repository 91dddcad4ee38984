"""The desk of records: the audit trail, whose reading is audited, and mail with its state."""

from __future__ import annotations

import re
from collections.abc import Sequence

from aiohttp import web
from sqlalchemy import select

from signaling.accounts.parts import AccountParts, PageParts
from signaling.accounts.rights import Action
from signaling.accounts.texts import mask_email
from signaling.accounts.visitor import Visitor
from signaling.audit.reader import read_records
from signaling.audit.trail import AuditAction, AuditEntry
from signaling.storage.models import AuditRecord, Mail

PAGE_SIZE = 50
MAX_OUTBOX_MAILS = 50
"""LIMIT: mails on one page of the outbox; older ones stay in the database."""
LARGEST_NUMBER = 2**62

Filter = tuple[int | None, str, str]
"""Numbers below which; action and actor, or empty."""

_ACTOR = re.compile(r"[0-9a-f]{32}|anonymous|system")
_LINK = re.compile(r"https?://[^\s]+")


class RecordPages:
    """Answers `/administration/audit`, `/administration/mail` and, in development, `/outbox`."""

    def __init__(self, parts: PageParts, *, has_outbox: bool) -> None:
        self._parts = parts
        self._accounts = parts.accounts
        self._has_outbox = has_outbox

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        app.router.add_get("/administration/audit", self.audit)
        app.router.add_get("/administration/mail", self.mail)
        if self._has_outbox:
            app.router.add_get("/outbox", self.outbox)
            app.router.add_get("/outbox/{id}/invite.ics", self.calendar)

    async def audit(self, request: web.Request) -> web.Response:
        """Show the trail. That somebody looked is the newest record of the next look."""
        visitor = await self._accounts.visitors.require(request)
        wanted = _parse_filter(request)
        rows = await look_at_trail(self._accounts, visitor, wanted, PAGE_SIZE + 1)
        _, action, actor = wanted
        return self._parts.page(
            request, "audit.html", visitor, rows=rows[:PAGE_SIZE],
            before=rows[PAGE_SIZE - 1].number if len(rows) > PAGE_SIZE else None,
            action_shown=action, actor_shown=actor, actions=[each.value for each in AuditAction],
        )  # fmt: skip

    async def mail(self, request: web.Request) -> web.Response:
        """Show the state of mails, without texts and with masked addresses."""
        accounts = self._accounts
        visitor = await accounts.visitors.require(request)
        if not visitor.may(Action.READ_MAIL_STATES):
            raise web.HTTPNotFound()
        async with accounts.database.write() as session:
            query = select(Mail).order_by(Mail.created_at.desc(), Mail.id).limit(PAGE_SIZE)
            mails = list(await session.scalars(query))
            await accounts.trail.record(
                session,
                AuditEntry(accounts.now(), visitor.actor.person_id, AuditAction.READ_MAIL_STATES),
            )
        rows = [(mail, mask_email(mail.recipient)) for mail in mails]
        return self._parts.page(request, "mail.html", visitor, rows=rows)

    async def outbox(self, request: web.Request) -> web.Response:
        """Show mails in place of sending them. For development: anybody may read all."""
        accounts = self._accounts
        visitor = await accounts.visitors.or_anonymous(request)
        async with accounts.database.read() as session:
            query = select(Mail).order_by(Mail.created_at.desc(), Mail.id).limit(MAX_OUTBOX_MAILS)
            mails = list(await session.scalars(query))
        rows = [(mail, split_links(mail.text)) for mail in mails]
        return self._parts.page(request, "outbox.html", visitor, rows=rows)

    async def calendar(self, request: web.Request) -> web.Response:
        """Give the calendar part of a mail in the outbox."""
        async with self._accounts.database.read() as session:
            mail = await session.get(Mail, request.match_info["id"])
        if mail is None or not mail.calendar:
            raise web.HTTPNotFound()
        return web.Response(text=mail.calendar, content_type="text/calendar", charset="utf-8")


async def look_at_trail(
    accounts: AccountParts, visitor: Visitor, wanted: Filter, limit: int
) -> Sequence[AuditRecord]:
    """Return records, the newest first, and record that somebody looked.

    Raises:
        HTTPNotFound: the visitor may not.
    """
    if not visitor.may(Action.READ_AUDIT):
        raise web.HTTPNotFound()
    before, action, actor = wanted
    async with accounts.database.write() as session:
        rows = await read_records(session, before=before, action=action, actor=actor, limit=limit)
        facts: dict[str, str | int | bool] = {"filtered": bool(action or actor)}
        await accounts.trail.record(
            session,
            AuditEntry(
                accounts.now(), visitor.actor.person_id, AuditAction.READ_AUDIT, facts=facts
            ),
        )
    return rows


def split_links(text: str) -> list[tuple[str, bool]]:
    """Return the text in pieces; True: the piece is an address to follow."""
    pieces, position = [], 0
    for match in _LINK.finditer(text):
        pieces += [(text[position : match.start()], False), (match[0], True)]
        position = match.end()
    return [piece for piece in [*pieces, (text[position:], False)] if piece[0]]


def _parse_filter(request: web.Request) -> Filter:
    before_text = request.query.get("before", "")
    is_number = before_text.isascii() and before_text.isdigit() and len(before_text) < 19
    action = request.query.get("action", "")
    actor = request.query.get("actor", "")
    return (
        min(int(before_text), LARGEST_NUMBER) if is_number else None,
        action if action in set(AuditAction) else "",
        actor if _ACTOR.fullmatch(actor) else "",
    )
