"""Members from a spreadsheet: what would be added is shown first, with what cannot be."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from signaling.accounts.visitor import Visitor
from signaling.scheduling.collective_bodies import (
    MAX_MEMBERS,
    BadMember,
    list_members,
)
from signaling.scheduling.collective_changes import CollectiveChanges, find_collective
from signaling.scheduling.desk_parts import DeskParts
from signaling.scheduling.people_csv import (
    MAX_BYTES,
    ListedPerson,
    PeopleList,
    UnreadableList,
    parse_people,
    parse_people_text,
)

LONG_FIELDS = frozenset({"people", "text"})
SHOWN_ROWS = 200


class ImportPages:
    """Answers `/desk/collective-bodies/{id}/import`."""

    def __init__(self, parts: DeskParts) -> None:
        self._parts = parts
        self._accounts = parts.accounts
        self._changes = CollectiveChanges(parts.accounts)

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        app.router.add_get("/desk/collective-bodies/{id}/import", self.show)
        app.router.add_post("/desk/collective-bodies/{id}/import", self.handle)

    async def show(self, request: web.Request) -> web.Response:
        """Ask for the file."""
        visitor = await self._parts.require(request)
        return await self._page(request, visitor, None)

    async def handle(self, request: web.Request) -> web.Response:
        """Show what a file says; then, when that is sent back, add it."""
        visitor, upload = await self._accounts.visitors.read_upload(
            request, max_file_bytes=MAX_BYTES, long_fields=LONG_FIELDS
        )
        self._accounts.take_turn(visitor)
        if "people" in upload.fields:
            return await self._add(request, visitor, upload.fields["people"])
        try:
            if "file" in upload.files:
                listed = parse_people(upload.files["file"].content)
            else:
                listed = parse_people_text(upload.fields.get("text", ""))
        except UnreadableList as error:
            return await self._page(request, visitor, None, {"file": str(error)})
        errors = {"file": "members_many"} if len(listed.people) > MAX_MEMBERS else {}
        return await self._page(request, visitor, listed, errors)

    async def _add(self, request: web.Request, visitor: Visitor, text: str) -> web.Response:
        collective_id = request.match_info["id"]
        try:
            listed = parse_people_text(text)
            result = await self._changes.import_people(visitor, collective_id, listed.people)
        except (UnreadableList, BadMember) as mistake:
            code = str(mistake) if isinstance(mistake, UnreadableList) else "members_many"
            return await self._page(request, visitor, None, {"file": code})
        query = f"done=imported&added={result.added}&known={result.known}"
        raise web.HTTPSeeOther(f"/desk/collective-bodies/{collective_id}?{query}")

    async def _page(
        self, request: web.Request, visitor: Visitor, listed: PeopleList | None,
        errors: Mapping[str, str] | None = None,
    ) -> web.Response:  # fmt: skip
        async with self._accounts.database.read() as session:
            found = await find_collective(session, request.match_info["id"], visitor)
            members = await list_members(session, found.id)
        seated = {each.email for each in members}
        people = listed.people if listed is not None else ()
        new = [each for each in people if each.email not in seated]
        return self._parts.pages.page(
            request, "member_import.html", visitor, status=422 if errors else 200, found=found,
            listed=listed, new=new[:SHOWN_ROWS], new_count=len(new),
            known_count=len(people) - len(new), bad=listed.bad[:SHOWN_ROWS] if listed else (),
            bad_count=len(listed.bad) if listed else 0, text=write_people(new),
            errors=errors or {},
        )  # fmt: skip


def write_people(people: list[ListedPerson]) -> str:
    """Return people as `parse_people_text` reads them."""
    return "\n".join(
        '"{}"\t{}\t{}'.format(each.name.replace('"', '""'), each.email, each.office.value)
        for each in people
    )
