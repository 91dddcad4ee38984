"""Documents of a sitting at the coordinator's desk (R36): add, look at, remove."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.parts import PageParts
from signaling.accounts.rights import Action
from signaling.accounts.visitor import Visitor
from signaling.audit.trail import AuditAction, AuditEntry
from signaling.scheduling.desk_parts import find_sitting
from signaling.scheduling.files import (
    MAX_FILE_BYTES,
    MEDIA_TYPES,
    FileRefused,
    add_file,
    check_document,
    list_files,
)
from signaling.scheduling.scanner import Scanner, ScannerUnavailable
from signaling.storage.models import AgendaFile, AgendaItem, Sitting

RETRY_AFTER_S = 60


class FilePages:
    """Answers `/desk/sittings/{id}/files…`."""

    def __init__(self, parts: PageParts, scanner: Scanner) -> None:
        self._parts = parts
        self._accounts = parts.accounts
        self._scanner = scanner

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        files = "/desk/sittings/{id}/files"
        app.router.add_get(files, self.list)
        app.router.add_post(files, self.add)
        app.router.add_post(files + "/{file}/remove", self.remove)

    async def list(self, request: web.Request) -> web.Response:
        """Show the documents."""
        visitor = await self._accounts.visitors.require(request)
        return await self._page(request, visitor, 200, {})

    async def add(self, request: web.Request) -> web.Response:
        """Keep a document once it is known to be what it says, and clean."""
        accounts = self._accounts
        async with accounts.database.read() as session:  # before 20 MB are read for nothing
            visitor = await accounts.visitors.require(request)
            await find_sitting(session, request.match_info["id"], visitor, Action.MANAGE_SITTING)
        visitor, upload = await accounts.visitors.read_upload(
            request, max_file_bytes=MAX_FILE_BYTES
        )
        accounts.take_turn(visitor)
        file = upload.files.get("file")
        try:
            if file is None:
                raise FileRefused("file_missing")
            # In a thread: an archive of half a million empty parts takes seconds to list.
            document = await asyncio.to_thread(check_document, file.name, file.content)
            if not await self._scanner.is_clean(document.content):
                raise FileRefused("file_infected")
            async with accounts.database.write() as session:
                sitting = await find_sitting(
                    session, request.match_info["id"], visitor, Action.MANAGE_SITTING
                )
                kept = await add_file(
                    session, sitting, document, by=visitor.actor.person_id, now=accounts.now(),
                    item_id=await _find_item(session, sitting, upload.fields.get("item", "")),
                )  # fmt: skip
                await self._record(session, visitor, AuditAction.ADD_FILE, kept)
        except FileRefused as refusal:
            return await self._page(request, visitor, 422, {"file": refusal.code})
        except ScannerUnavailable:
            raise web.HTTPServiceUnavailable(
                text="scanner_unavailable", headers={"Retry-After": str(RETRY_AFTER_S)}
            ) from None
        raise web.HTTPSeeOther(f"/desk/sittings/{sitting.id}/files?done=added")

    async def remove(self, request: web.Request) -> web.Response:
        """Remove a document."""
        accounts = self._accounts
        visitor, _ = await accounts.visitors.read_form(request)
        accounts.take_turn(visitor)
        async with accounts.database.write() as session:
            sitting = await find_sitting(
                session, request.match_info["id"], visitor, Action.MANAGE_SITTING
            )
            file = await session.get(AgendaFile, request.match_info["file"])
            if file is None or file.sitting_id != sitting.id:
                raise web.HTTPNotFound()
            await session.delete(file)
            await self._record(session, visitor, AuditAction.REMOVE_FILE, file)
        raise web.HTTPSeeOther(f"/desk/sittings/{sitting.id}/files?done=removed")

    async def _page(
        self, request: web.Request, visitor: Visitor, status: int, errors: Mapping[str, str]
    ) -> web.Response:
        async with self._accounts.database.read() as session:
            sitting = await find_sitting(
                session, request.match_info["id"], visitor, Action.MANAGE_SITTING
            )
            files = await list_files(session, sitting.id)
            items = list(
                await session.scalars(
                    select(AgendaItem)
                    .where(AgendaItem.sitting_id == sitting.id)
                    .order_by(AgendaItem.number, AgendaItem.id)
                )
            )
        done = request.query.get("done", "")
        return self._parts.page(
            request, "sitting_files.html", visitor, status=status, sitting=sitting, files=files,
            items=items, errors=errors, accepted=",".join(MEDIA_TYPES),
            max_mb=MAX_FILE_BYTES // 2**20, done=done if done in ("added", "removed") else "",
        )  # fmt: skip

    async def _record(
        self, session: AsyncSession, visitor: Visitor, action: AuditAction, file: AgendaFile
    ) -> None:
        entry = AuditEntry(
            self._accounts.now(), visitor.actor.person_id, action, "agenda_file", file.id,
            facts={"size_bytes": file.size_bytes, "media_type": file.media_type},
        )  # fmt: skip
        await self._accounts.trail.record(session, entry)


async def _find_item(session: AsyncSession, sitting: Sitting, item_id: str) -> str | None:
    """Return the item the document belongs to; None: to the sitting as a whole."""
    item = await session.get(AgendaItem, item_id[:32]) if item_id else None
    return item.id if item is not None and item.sitting_id == sitting.id else None
