"""What the invited see: their link, the sitting's page with agenda and documents, the calendar entry."""

from __future__ import annotations

from urllib.parse import quote

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from sfu.values import Role
from signaling.accounts.parts import PageParts
from signaling.accounts.rights import Action
from signaling.accounts.visitor import Visitor
from signaling.audit.trail import AuditAction, AuditEntry
from signaling.scheduling.desk_parts import find_sitting
from signaling.scheduling.files import list_files, read_content
from signaling.scheduling.invitation_mails import InvitationMails, load_facts
from signaling.scheduling.invitations import find_by_link, find_own
from signaling.scheduling.sittings import target_of, times_of
from signaling.scheduling.windows import decide_entry, entry_window
from signaling.storage.models import AgendaFile, Invitation, Person, Sitting


class InvitedPages:
    """Answers `/invitations/{secret}` and `/sittings/{id}…`."""

    def __init__(self, parts: PageParts, mails: InvitationMails) -> None:
        self._parts = parts
        self._accounts = parts.accounts
        self._mails = mails

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        app.router.add_get("/invitations/{secret}", self.open_link, allow_head=False)
        app.router.add_get("/sittings/{id}", self.show)
        app.router.add_get("/sittings/{id}/invite.ics", self.calendar)
        app.router.add_get("/sittings/{id}/files/{file}", self.file)

    async def open_link(self, request: web.Request) -> web.Response:
        """Lead on to the sitting, to an address without the secret.

        A link that is somebody else's answers exactly like one that never was.
        """
        accounts = self._accounts
        visitor = await accounts.visitors.require(request)
        now = accounts.now()
        async with accounts.database.write() as session:
            person = await session.get_one(Person, visitor.actor.person_id)
            found = await find_by_link(session, person, request.match_info["secret"], now)
            if found is None:
                return self._parts.page(request, "invitation_foreign.html", visitor, status=404)
            await accounts.trail.record(
                session,
                AuditEntry(now, person.id, AuditAction.OPEN_INVITATION, "invitation", found.id),
            )
        raise web.HTTPSeeOther(f"/sittings/{found.sitting_id}")

    async def show(self, request: web.Request) -> web.Response:
        """Show the sitting to who is invited or coordinates it."""
        accounts = self._accounts
        visitor = await accounts.visitors.require(request)
        async with accounts.database.read() as session:
            sitting, invitation = await self._find(session, visitor, request)
            facts = await load_facts(session, sitting)
            files = await list_files(session, sitting.id)
        role = Role(invitation.role) if invitation is not None else Role.COORDINATOR
        times = times_of(sitting)
        opens_at, _ = entry_window(times, role)
        return self._parts.page(
            request, "sitting.html", visitor, facts=facts, sitting=sitting, files=files,
            entry=decide_entry(times, role, accounts.now()).value, opens_at=opens_at,
            has_invitation=invitation is not None,
            may_manage=visitor.may(Action.MANAGE_SITTING, target_of(sitting)),
        )  # fmt: skip

    async def calendar(self, request: web.Request) -> web.Response:
        """Give the calendar entry again."""
        visitor = await self._require(request)
        async with self._accounts.database.read() as session:
            sitting, invitation = await self._find(session, visitor, request)
            if invitation is None:
                raise web.HTTPNotFound()
            facts = await load_facts(session, sitting)
        text = self._mails.calendar_of(facts, invitation)
        return web.Response(text=text, content_type="text/calendar", charset="utf-8")

    async def file(self, request: web.Request) -> web.Response:
        """Give a document, to be kept and not to be opened in our origin."""
        visitor = await self._require(request)
        async with self._accounts.database.read() as session:
            sitting, _ = await self._find(session, visitor, request)
            file = await session.get(AgendaFile, request.match_info["file"])
            if file is None or file.sitting_id != sitting.id:
                raise web.HTTPNotFound()
            content = await read_content(session, file.id)
        return document_response(file, content)

    async def _require(self, request: web.Request) -> Visitor:
        """Return who asks for a download; afterwards they are led to the page it is on."""
        page = f"/sittings/{request.match_info['id']}"
        return await self._accounts.visitors.require(request, goal=page)

    async def _find(
        self, session: AsyncSession, visitor: Visitor, request: web.Request
    ) -> tuple[Sitting, Invitation | None]:
        person = await session.get_one(Person, visitor.actor.person_id)
        invitation = await find_own(session, person, request.match_info["id"])
        invited = [person.id] if invitation is not None else []
        sitting = await find_sitting(
            session, request.match_info["id"], visitor, Action.TAKE_PART_IN_SITTING, invited
        )
        return sitting, invitation


def document_response(file: AgendaFile, content: bytes) -> web.Response:
    """Return a document as a download that no browser takes for a page of ours."""
    response = web.Response(body=content, content_type=file.media_type)
    response.headers["Content-Disposition"] = _disposition(file.name)
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response


def _disposition(name: str) -> str:
    # RFC 6266 §4.3, RFC 8187: the name in UTF-8, percent-encoded; nothing else of it is trusted.
    return f"attachment; filename*=UTF-8''{quote(name, safe='')}"
