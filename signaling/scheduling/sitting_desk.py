"""The page of one sitting for coordinators, and what its buttons do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from sfu.values import Role
from signaling.accounts.bodies import BadName
from signaling.accounts.rights import Action
from signaling.accounts.visitor import Visitor
from signaling.audit.trail import AuditAction, AuditEntry
from signaling.scheduling.agenda import (
    AgendaRow,
    BadAgenda,
    MergedRows,
    list_agenda,
    merge_rows,
    parse_rows,
    read_rows,
    rows_of,
)
from signaling.scheduling.desk_parts import (
    MAX_FORM_BYTES,
    DeskParts,
    find_sitting,
)
from signaling.scheduling.places import Place
from signaling.scheduling.sitting_changes import Seen, SittingChanges
from signaling.scheduling.sitting_form import YES, AgendaLine, write_agenda
from signaling.scheduling.sitting_lists import phase_of
from signaling.scheduling.sitting_names import SittingNames, names_of
from signaling.scheduling.sitting_pages import form_of_sitting
from signaling.scheduling.sitting_refused import NOTHING_REFUSED, Refused, minutes_of
from signaling.scheduling.sitting_seen import SeenSitting, changed_facts, seen_of, write_seen
from signaling.scheduling.sitting_templates import TooManyTemplates, create_template
from signaling.scheduling.sittings import (
    EXTENSIONS_MIN,
    NoRoomThen,
    NotNow,
    Overlap,
    count_rest_of_series,
    obstacle_to_change,
    target_of,
    times_of,
)
from signaling.scheduling.windows import entry_window
from signaling.storage.database import ChangedMeanwhile
from signaling.storage.models import AgendaItem, Sitting

DONE = frozenset({"created", "series", "changed", "cancelled", "extended", "ended", "agenda",
                  "template"})  # fmt: skip


Act = Callable[[Visitor, Seen, Mapping[str, str]], Awaitable[Sitting]]


class SittingDesk:
    """Answers `/desk/sittings/{id}` and what is below it."""

    def __init__(self, parts: DeskParts) -> None:
        self._parts = parts
        self._accounts = parts.accounts
        self._changes = SittingChanges(parts)

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        sitting = "/desk/sittings/{id}"
        app.router.add_get(sitting, self.show)
        app.router.add_post(sitting + "/cancel", self.cancel)
        app.router.add_post(sitting + "/extend", self.extend)
        app.router.add_post(sitting + "/end", self.end)
        app.router.add_get(sitting + "/agenda", self.agenda)
        app.router.add_post(sitting + "/agenda", self.change_agenda)
        app.router.add_post(sitting + "/template", self.keep_as_template)

    async def show(self, request: web.Request) -> web.Response:
        """Show a sitting to the coordinators of its body."""
        visitor = await self._parts.require(request)
        return await self._sitting_page(request, visitor)

    async def cancel(self, request: web.Request) -> web.Response:
        """Call a sitting off, or all that follow in its series, with a reason."""

        async def cancel(visitor: Visitor, seen: Seen, form: Mapping[str, str]) -> Sitting:
            return await self._changes.cancel(
                visitor, seen, form.get("reason", ""), whole_series=form.get("series") == YES
            )

        return await self._act(request, "cancelled", cancel)

    async def extend(self, request: web.Request) -> web.Response:
        """Let a sitting go on, if there is room."""

        async def extend(visitor: Visitor, seen: Seen, form: Mapping[str, str]) -> Sitting:
            return await self._changes.extend(visitor, seen, minutes_of(form))

        return await self._act(request, "extended", extend)

    async def end(self, request: web.Request) -> web.Response:
        """Close a sitting."""

        async def end(visitor: Visitor, seen: Seen, _: Mapping[str, str]) -> Sitting:
            return await self._changes.end(visitor, seen)

        return await self._act(request, "ended", end)

    async def agenda(self, request: web.Request) -> web.Response:
        """Show the editor of the agenda."""
        visitor = await self._parts.require(request)
        sitting, items = await self._read_agenda(visitor, request.match_info["id"])
        return self._agenda_page(request, visitor, EditedAgenda(sitting, rows_of(items)))

    async def change_agenda(self, request: web.Request) -> web.Response:
        """Keep the agenda as the editor has it, if nobody has changed the sitting since it was shown."""
        visitor, form = await self._parts.read_form(request, max_bytes=MAX_FORM_BYTES)
        typed, seen = read_rows(form), _seen(request, form)
        try:
            sitting = await self._changes.change_agenda(visitor, seen, parse_rows(typed))
        except NotNow as problem:
            shown, items = await self._read_agenda(visitor, seen.sitting_id)
            kept = EditedAgenda(shown, typed, current=items, obstacle=str(problem))
            return self._agenda_page(request, visitor, kept)
        except BadAgenda as mistake:
            shown, _ = await self._read_agenda(visitor, seen.sitting_id)
            return self._agenda_page(
                request, visitor, EditedAgenda(shown, typed, mistake.errors), version=seen.version
            )
        except (ChangedMeanwhile, web.HTTPConflict):
            shown, items = await self._read_agenda(visitor, seen.sitting_id)
            # What was typed stays; saved once more, it replaces what the other made of it.
            merged = merge_rows(typed, items)
            return self._agenda_page(
                request, visitor, EditedAgenda(shown, merged.rows, merged=merged, current=items)
            )
        raise web.HTTPSeeOther(f"/desk/sittings/{sitting.id}?done=agenda")

    async def keep_as_template(self, request: web.Request) -> web.Response:
        """Keep a sitting's fields and agenda, to make others like it."""
        visitor, form = await self._parts.read_form(request)
        try:
            async with self._accounts.database.write() as session:
                sitting = await find_sitting(
                    session, request.match_info["id"], visitor, Action.MANAGE_SITTING
                )
                place = Place(sitting.body_id, "", sitting.unit_id)
                if not visitor.may(Action.MANAGE_TEMPLATES, place.target):
                    raise web.HTTPNotFound()
                items = await list_agenda(session, sitting.id)
                agenda = write_agenda([AgendaLine(each.title, each.speaker) for each in items])
                template = await create_template(
                    session, visitor.actor.person_id, place, form.get("template_name", ""),
                    replace(form_of_sitting(sitting), agenda=agenda), now=self._accounts.now(),
                )  # fmt: skip
                await self._accounts.trail.record(
                    session,
                    AuditEntry(
                        self._accounts.now(), visitor.actor.person_id, AuditAction.CREATE_TEMPLATE,
                        "template", template.id,
                    ),
                )  # fmt: skip
        except BadName:
            problem = NotNow("template_name_bad")
            return await self._sitting_page(request, visitor, Refused(form, problem))
        except TooManyTemplates:
            problem = NotNow("templates_many")
            return await self._sitting_page(request, visitor, Refused(form, problem))
        raise web.HTTPSeeOther(f"/desk/sittings/{sitting.id}?done=template")

    async def _act(self, request: web.Request, done: str, act: Act) -> web.Response:
        """Do what a button of the page says to the sitting that was shown, or tell why not."""
        visitor, form = await self._parts.read_form(request)
        try:
            sitting = await act(visitor, _seen(request, form), form)
        except (NotNow, Overlap, NoRoomThen) as problem:
            return await self._sitting_page(request, visitor, Refused(form, problem))
        except (ChangedMeanwhile, web.HTTPConflict):
            return await self._sitting_page(request, visitor, Refused(form, is_stale=True))
        raise web.HTTPSeeOther(f"/desk/sittings/{sitting.id}?done={done}")

    async def _sitting_page(
        self, request: web.Request, visitor: Visitor, refused: Refused = NOTHING_REFUSED
    ) -> web.Response:
        accounts = self._accounts
        async with accounts.database.read() as session:
            sitting = await find_sitting(
                session, request.match_info["id"], visitor, Action.TAKE_PART_IN_SITTING
            )
            view = await _read_view(session, sitting)
        may_manage = visitor.may(Action.MANAGE_SITTING, target_of(sitting))
        now, times = accounts.now(), times_of(sitting)
        done = request.query.get("done", "")
        return self._parts.pages.page(
            request, "desk_sitting.html", visitor, status=refused.status, sitting=sitting, view=view,
            phase=phase_of(times, now).value,
            opens_at=entry_window(times, Role.MEMBER)[0],
            opens_first_at=entry_window(times, Role.CHAIR)[0],
            may_manage=may_manage, may_supervise=visitor.may(
                Action.SUPERVISE_SITTING, target_of(sitting)
            ),
            done=done if done in DONE else "", refused=refused,
            action=request.path.rpartition("/")[2], seen=write_seen(view.seen),
            changed=changed_facts(refused.seen or view.seen, view.seen),
            extensions=EXTENSIONS_MIN,
        )  # fmt: skip

    async def _read_agenda(
        self, visitor: Visitor, sitting_id: str
    ) -> tuple[Sitting, Sequence[AgendaItem]]:
        async with self._accounts.database.read() as session:
            sitting = await find_sitting(session, sitting_id, visitor, Action.MANAGE_SITTING)
            return sitting, await list_agenda(session, sitting.id)

    def _agenda_page(
        self, request: web.Request, visitor: Visitor, agenda: EditedAgenda, *, version: str = ""
    ) -> web.Response:
        return self._parts.pages.page(
            request, "agenda.html", visitor, status=agenda.status, agenda=agenda,
            sitting=agenda.sitting, errors=agenda.errors,
            version=version or str(agenda.sitting.version),
            obstacle=agenda.obstacle or obstacle_to_change(agenda.sitting, self._accounts.now()),
        )  # fmt: skip


@dataclass(frozen=True)
class EditedAgenda:
    """An agenda as its editor shows it."""

    sitting: Sitting
    rows: Sequence[AgendaRow]
    errors: Mapping[str, str] = field(default_factory=dict)
    merged: MergedRows | None = None
    """Somebody else changed the sitting since the editor was shown."""
    current: Sequence[AgendaItem] = ()
    """What the agenda is, if not what was typed."""
    obstacle: str = ""
    """Code of why what was typed was not saved and cannot be."""

    @property
    def status(self) -> int:
        """Status of the answer."""
        if self.merged is not None or self.obstacle:
            return 409
        return 422 if self.errors else 200


def _seen(request: web.Request, form: Mapping[str, str]) -> Seen:
    return Seen(request.match_info["id"], form.get("version", ""))


@dataclass(frozen=True)
class SittingView:
    """What the page of a sitting tells beside its fields."""

    names: SittingNames
    agenda: Sequence[AgendaItem]
    series: int
    """Planned sittings of its series that follow."""
    seen: SeenSitting
    """What its forms carry."""


async def _read_view(session: AsyncSession, sitting: Sitting) -> SittingView:
    agenda = await list_agenda(session, sitting.id)
    return SittingView(
        names=await names_of(session, sitting),
        agenda=agenda,
        series=await count_rest_of_series(session, sitting),
        seen=seen_of(sitting, agenda),
    )
