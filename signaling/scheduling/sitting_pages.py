"""Making and changing a sitting: its form, with everything that can stand in its way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.rights import Action, places_of
from signaling.accounts.visitor import Visitor
from signaling.scheduling.agenda import list_agenda
from signaling.scheduling.desk_parts import (
    MAX_FORM_BYTES,
    DeskParts,
    find_sitting,
    new_request_key,
)
from signaling.scheduling.places import list_places, place_value
from signaling.scheduling.sitting_changes import Seen, SittingChanges
from signaling.scheduling.sitting_form import (
    YES,
    AgendaLine,
    BadForm,
    SittingForm,
    form_of_template,
    read_form,
    write_agenda,
)
from signaling.scheduling.sitting_templates import list_templates, template_target
from signaling.scheduling.sittings import NoRoomThen, NotNow, Overlap, SentTwice, target_of
from signaling.scheduling.wall_time import to_wall
from signaling.storage.database import ChangedMeanwhile
from signaling.storage.models import Sitting, SittingTemplate

USED_TIME = "%Y-%m-%dT%H:%M"
"""What the button that takes the offered time sends."""


@dataclass(frozen=True)
class FormState:
    """A form as it is shown."""

    form: SittingForm
    errors: Mapping[str, str] = field(default_factory=dict)
    moments: tuple[datetime, ...] = ()
    overlap: Overlap | None = None
    full: NoRoomThen | None = None
    is_stale: bool = False
    """Somebody else changed the sitting since the form was shown."""

    @property
    def status(self) -> int:
        """Status of the answer."""
        if self.overlap is not None or self.full is not None or self.is_stale:
            return 409
        return 422 if self.errors else 200


class SittingPages:
    """Answers `/desk/sittings/new`, `POST /desk/sittings` and `/desk/sittings/{id}/edit`."""

    def __init__(self, parts: DeskParts) -> None:
        self._parts = parts
        self._accounts = parts.accounts
        self._changes = SittingChanges(parts)

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        app.router.add_get("/desk/sittings/new", self.new)
        app.router.add_post("/desk/sittings", self.create)
        app.router.add_get("/desk/sittings/{id}/edit", self.edit)
        app.router.add_post("/desk/sittings/{id}/edit", self.change)

    async def new(self, request: web.Request) -> web.Response:
        """Show the form: empty, from a template, or like another sitting."""
        visitor = await self._parts.require(request)
        async with self._accounts.database.read() as session:
            form = await self._prefilled(session, request, visitor)
        day = request.query.get("date", "")
        form = replace(form, date=day[:10] if day else form.date)
        return await self._form_page(request, visitor, FormState(form))

    async def create(self, request: web.Request) -> web.Response:
        """Make a sitting, or all of a series; or show the form with what stands in its way."""
        parts = self._parts
        visitor, fields = await parts.read_form(request, max_bytes=MAX_FORM_BYTES)
        form, origin = _read(fields), parts.origin(visitor, fields)
        try:
            made = await self._changes.create(visitor, form, origin)
            sitting_id, count = made[0].id, len(made)
        except SentTwice as before:
            raise web.HTTPSeeOther(f"/desk/sittings/{before.sitting_id}") from None
        except (BadForm, Overlap, NoRoomThen) as obstacle:
            return await self._form_page(
                request, visitor, _state_of(form, obstacle), key=fields.get("request_key", "")
            )
        raise web.HTTPSeeOther(
            f"/desk/sittings/{sitting_id}?done={'created' if count == 1 else 'series'}"
        )

    async def edit(self, request: web.Request) -> web.Response:
        """Show the form of a sitting."""
        visitor = await self._parts.require(request)
        async with self._accounts.database.read() as session:
            sitting = await find_sitting(
                session, request.match_info["id"], visitor, Action.MANAGE_SITTING
            )
        state = FormState(form_of_sitting(sitting))
        return await self._form_page(
            request, visitor, state, sitting=sitting, version=str(sitting.version)
        )

    async def change(self, request: web.Request) -> web.Response:
        """Change a sitting that nobody has changed since it was shown."""
        parts = self._parts
        visitor, fields = await parts.read_form(request, max_bytes=MAX_FORM_BYTES)
        form = replace(_read(fields), rhythm="", agenda="")
        seen = Seen(request.match_info["id"], fields.get("version", ""))
        try:
            sitting = await self._changes.change(visitor, seen, form)
        except (BadForm, Overlap, NoRoomThen, NotNow) as obstacle:
            async with self._accounts.database.read() as session:
                shown = await find_sitting(
                    session, request.match_info["id"], visitor, Action.MANAGE_SITTING
                )
            return await self._form_page(
                request, visitor, _state_of(form, obstacle), sitting=shown,
                version=fields.get("version", ""),
            )  # fmt: skip
        except (ChangedMeanwhile, web.HTTPConflict):
            async with self._accounts.database.read() as session:
                shown = await find_sitting(
                    session, request.match_info["id"], visitor, Action.MANAGE_SITTING
                )
            # What was typed stays; saved once more, it replaces what the other made of it.
            return await self._form_page(
                request, visitor, FormState(form, is_stale=True), sitting=shown,
                version=str(shown.version),
            )  # fmt: skip
        raise web.HTTPSeeOther(f"/desk/sittings/{sitting.id}?done=changed")

    async def _prefilled(
        self, session: AsyncSession, request: web.Request, visitor: Visitor
    ) -> SittingForm:
        if (template_id := request.query.get("template")) is not None:
            template = await session.get(SittingTemplate, template_id)
            if template is None or not visitor.may(
                Action.MANAGE_TEMPLATES, template_target(template)
            ):
                raise web.HTTPNotFound()
            return form_of_template(template.fields)
        if (copied_id := request.query.get("copy")) is not None:
            copied = await session.get(Sitting, copied_id)
            if copied is None or not visitor.may(Action.MANAGE_SITTING, target_of(copied)):
                raise web.HTTPNotFound()
            items = await list_agenda(session, copied.id)
            agenda = write_agenda([AgendaLine(each.title, each.speaker) for each in items])
            return replace(form_of_sitting(copied), date="", agenda=agenda)
        return SittingForm()

    async def _form_page(
        self, request: web.Request, visitor: Visitor, state: FormState, *,
        sitting: Sitting | None = None, version: str = "", key: str = "",
    ) -> web.Response:  # fmt: skip
        async with self._accounts.database.read() as session:
            places = await list_places(session, visitor.actor)
            templates = [] if sitting is not None else await list_templates(
                session, places_of(visitor.actor, Action.MANAGE_TEMPLATES)
            )  # fmt: skip
        return self._parts.pages.page(
            request, "sitting_form.html", visitor, status=state.status, state=state,
            form=state.form, errors=state.errors, places=places, templates=templates,
            sitting=sitting, version=version, request_key=key or new_request_key(),
            limits=self._parts.limits, today=to_wall(self._accounts.now()).date(),
        )  # fmt: skip


def form_of_sitting(sitting: Sitting) -> SittingForm:
    """Return the form that would make a sitting as it is."""
    wall = to_wall(sitting.starts_at)
    minutes = (sitting.ends_at - sitting.starts_at).total_seconds() // 60
    return SittingForm(
        place=place_value(sitting.body_id, sitting.unit_id, sitting.collective_body_id),
        title=sitting.title, kind=sitting.kind, mode=sitting.mode, date=wall.date().isoformat(),
        time=wall.strftime("%H:%M"), length_min=str(int(minutes)),
        participants=str(sitting.expected_participants),
        open_before_min=str(sitting.open_before_min), is_closed=YES if sitting.is_closed else "",
        admits_guests=YES if sitting.admits_guests else "",
    )  # fmt: skip


def _read(fields: Mapping[str, str]) -> SittingForm:
    """Return the form; with the time that was offered, if its button was pressed."""
    form = read_form(fields)
    day, separator, clock = fields.get("use", "").partition("T")
    return replace(form, date=day[:10], time=clock[:5]) if separator else form


def _state_of(form: SittingForm, obstacle: Exception) -> FormState:
    match obstacle:
        case BadForm():
            return FormState(form, obstacle.errors, tuple(obstacle.moments))
        case Overlap():
            return FormState(form, {"date": "sitting_overlap"}, overlap=obstacle)
        case NoRoomThen():
            return FormState(form, {"date": "capacity_full"}, full=obstacle)
        case _:
            return FormState(form, {"date": str(obstacle)})
