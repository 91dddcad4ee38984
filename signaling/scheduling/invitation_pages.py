"""The coordinator's list of invited people (R10, R22, R27): add one, all members, or a file of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from signaling.accounts.parts import PageParts
from signaling.accounts.rights import Action
from signaling.accounts.visitor import Visitor
from signaling.scheduling.desk_parts import find_sitting
from signaling.scheduling.invitation_changes import InvitationChanges
from signaling.scheduling.invitation_form import BadInvitee, parse_invitee
from signaling.scheduling.invitations import (
    INVITABLE_ROLES,
    ROOM_ROLES,
    Invitee,
    TooManyInvited,
    count_invited,
    list_invited,
)
from signaling.scheduling.people_csv import (
    MAX_BYTES,
    PeopleList,
    UnreadableList,
    decode,
    parse_people_text,
)
from signaling.scheduling.values import SittingState

PAGE_SIZE = 50
MAX_BAD_LINES_SHOWN = 50
MAX_CURSOR_LENGTH = 300


@dataclass(frozen=True)
class Preview:
    """A list that was read and waits for the coordinator's word."""

    text: str
    """What comes back with that word."""
    listed: PeopleList


class InvitationPages:
    """Answers `/desk/sittings/{id}/invited…`."""

    def __init__(self, parts: PageParts, changes: InvitationChanges) -> None:
        self._parts = parts
        self._accounts = parts.accounts
        self._changes = changes

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        invited = "/desk/sittings/{id}/invited"
        app.router.add_get(invited, self.list)
        app.router.add_post(invited, self.invite_one)
        app.router.add_post(invited + "/members", self.invite_members)
        app.router.add_post(invited + "/file", self.invite_file)
        app.router.add_post(invited + "/{invitation}/revoke", self.revoke)
        app.router.add_post(invited + "/{invitation}/resend", self.resend)

    async def list(self, request: web.Request) -> web.Response:
        """Show who is invited and whether the mails went out."""
        visitor = await self._accounts.visitors.require(request)
        return await self._page(request, visitor)

    async def invite_one(self, request: web.Request) -> web.Response:
        """Invite one person of any body, known or new."""
        accounts = self._accounts
        visitor, form = await accounts.visitors.read_form(request)
        accounts.take_turn(visitor)
        try:
            invitee = parse_invitee(form)
        except BadInvitee as mistake:
            return await self._page(request, visitor, status=422, errors=mistake.errors, typed=form)
        return await self._invite(request, visitor, [invitee])

    async def invite_members(self, request: web.Request) -> web.Response:
        """Invite everybody of the collective body in one step."""
        accounts = self._accounts
        visitor, _ = await accounts.visitors.read_form(request)
        accounts.take_turn(visitor)
        invitees = await self._changes.members_of(visitor, request.match_info["id"])
        return await self._invite(request, visitor, invitees)

    async def invite_file(self, request: web.Request) -> web.Response:
        """Read a list and show what it says; with the word `confirm`, invite whom it lists."""
        accounts = self._accounts
        visitor, upload = await accounts.visitors.read_upload(
            request, max_file_bytes=MAX_BYTES, long_fields=frozenset({"list"})
        )
        accounts.take_turn(visitor)
        try:
            file = upload.files.get("file")
            text = decode(file.content) if file is not None else upload.fields.get("list", "")
            listed = parse_people_text(text)
        except UnreadableList as refusal:
            errors = {"file": str(refusal)}
            return await self._page(request, visitor, status=422, errors=errors)
        if upload.fields.get("step") != "confirm":
            return await self._page(request, visitor, preview=Preview(text, listed))
        invitees = [
            Invitee(each.name, each.email, ROOM_ROLES[each.office], each.office)
            for each in listed.people
        ]
        return await self._invite(request, visitor, invitees)

    async def revoke(self, request: web.Request) -> web.Response:
        """Take an invitation back; the link leads nowhere from now on."""
        accounts = self._accounts
        visitor, _ = await accounts.visitors.read_form(request)
        accounts.take_turn(visitor)
        return await self._change_one(request, visitor, self._changes.revoke, "revoked")

    async def resend(self, request: web.Request) -> web.Response:
        """Send the same invitation again."""
        accounts = self._accounts
        visitor, _ = await accounts.visitors.read_form(request)
        accounts.take_turn(visitor)
        return await self._change_one(request, visitor, self._changes.resend, "resent")

    async def _change_one(
        self, request: web.Request, visitor: Visitor,
        change: Callable[[Visitor, str, str], Awaitable[None]], done: str,
    ) -> web.Response:  # fmt: skip
        sitting_id = request.match_info["id"]
        try:
            await change(visitor, sitting_id, request.match_info["invitation"])
        except web.HTTPConflict:
            return await self._page(
                request, visitor, status=409
            )  # it says that the sitting is over
        raise web.HTTPSeeOther(f"/desk/sittings/{sitting_id}/invited?done={done}")

    async def _invite(
        self, request: web.Request, visitor: Visitor, invitees: Sequence[Invitee]
    ) -> web.Response:
        sitting_id = request.match_info["id"]
        try:
            added = await self._changes.invite(visitor, sitting_id, invitees)
        except TooManyInvited:
            errors = {"file": "invited_many"}
            return await self._page(request, visitor, status=422, errors=errors)
        except web.HTTPConflict:
            return await self._page(
                request, visitor, status=409
            )  # it says that the sitting is over
        # How many, so that a list sent twice says "nobody new" instead of nothing.
        raise web.HTTPSeeOther(f"/desk/sittings/{sitting_id}/invited?done=invited&count={added}")

    async def _page(
        self, request: web.Request, visitor: Visitor, *, status: int = 200,
        errors: Mapping[str, str] | None = None, typed: Mapping[str, str] | None = None,
        preview: Preview | None = None,
    ) -> web.Response:  # fmt: skip
        async with self._accounts.database.read() as session:
            sitting = await find_sitting(
                session, request.match_info["id"], visitor, Action.INVITE_TO_SITTING
            )
            after = _parse_after(request)
            rows = await list_invited(session, sitting.id, after=after, limit=PAGE_SIZE + 1)
            are_all = after is None and len(rows) <= PAGE_SIZE
            count = len(rows) if are_all else await count_invited(session, sitting.id)
        last = rows[PAGE_SIZE - 1].invitation if len(rows) > PAGE_SIZE else None
        done = request.query.get("done", "")
        return self._parts.page(
            request, "sitting_invited.html", visitor, status=status, sitting=sitting,
            rows=rows[:PAGE_SIZE], after=f"{last.id}_{last.name}" if last else "", count=count,
            is_open=sitting.state == SittingState.PLANNED, roles=INVITABLE_ROLES,
            errors=errors or {}, typed=typed or {}, preview=preview,
            max_bad_lines=MAX_BAD_LINES_SHOWN, done=done if done in DONE else "",
            added=_parse_count(request),
        )  # fmt: skip


def _parse_after(request: web.Request) -> tuple[str, str] | None:
    last_id, separator, name = request.query.get("after", "")[:MAX_CURSOR_LENGTH].partition("_")
    return (name, last_id) if separator else None


def _parse_count(request: web.Request) -> int:
    text = request.query.get("count", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0


DONE = frozenset({"invited", "revoked", "resent"})
