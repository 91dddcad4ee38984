"""Templates of sittings: made from a form or kept from a sitting, changed, thrown away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.bodies import BadName, parse_name
from signaling.accounts.rights import Action, places_of
from signaling.accounts.visitor import Visitor
from signaling.audit.trail import AuditAction, AuditEntry
from signaling.scheduling.desk_parts import MAX_FORM_BYTES, DeskParts
from signaling.scheduling.places import Place, find_place, list_places
from signaling.scheduling.sitting_form import (
    BadForm,
    SittingForm,
    form_of_template,
    parse_template,
    read_form,
    template_fields,
)
from signaling.scheduling.sitting_templates import (
    TooManyTemplates,
    create_template,
    list_templates,
    template_target,
)
from signaling.storage.database import ChangedMeanwhile
from signaling.storage.models import SittingTemplate


class TemplatePages:
    """Answers `/desk/templates…`."""

    def __init__(self, parts: DeskParts) -> None:
        self._parts = parts
        self._accounts = parts.accounts

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        app.router.add_get("/desk/templates", self.list)
        app.router.add_post("/desk/templates", self.create)
        app.router.add_get("/desk/templates/new", self.new)
        app.router.add_get("/desk/templates/{id}", self.show)
        app.router.add_post("/desk/templates/{id}", self.change)
        app.router.add_post("/desk/templates/{id}/delete", self.delete)

    async def list(self, request: web.Request) -> web.Response:
        """Show the templates of the places this person works in."""
        visitor = await self._parts.require(request)
        async with self._accounts.database.read() as session:
            rows = await list_templates(session, places_of(visitor.actor, Action.MANAGE_TEMPLATES))
        return self._parts.pages.page(request, "templates.html", visitor, rows=rows)

    async def new(self, request: web.Request) -> web.Response:
        """Show the empty form."""
        visitor = await self._parts.require(request)
        return await self._form_page(request, visitor, SittingForm(), "")

    async def create(self, request: web.Request) -> web.Response:
        """Make a template."""
        visitor, fields = await self._parts.read_form(request, max_bytes=MAX_FORM_BYTES)
        form, name = read_form(fields), fields.get("template_name", "")
        try:
            async with self._accounts.database.write() as session:
                place = await self._check(session, visitor, form, name)
                made = await create_template(
                    session, visitor.actor.person_id, place, name, form, now=self._accounts.now()
                )
                await self._record(session, visitor, AuditAction.CREATE_TEMPLATE, made.id)
        except BadForm as mistake:
            return await self._form_page(request, visitor, form, name, errors=mistake.errors)
        except TooManyTemplates:
            errors = {"template_name": "templates_many"}
            return await self._form_page(request, visitor, form, name, errors=errors)
        raise web.HTTPSeeOther("/desk/templates")

    async def show(self, request: web.Request) -> web.Response:
        """Show the form of a template."""
        visitor = await self._parts.require(request)
        async with self._accounts.database.read() as session:
            found = await _find(session, request, visitor)
        form = form_of_template(found.fields)
        return await self._form_page(
            request, visitor, form, found.name, template=found, version=str(found.version)
        )

    async def change(self, request: web.Request) -> web.Response:
        """Change a template that nobody has changed since it was shown."""
        visitor, fields = await self._parts.read_form(request, max_bytes=MAX_FORM_BYTES)
        form, name = read_form(fields), fields.get("template_name", "")
        try:
            async with self._accounts.database.write() as session:
                found = await _find(session, request, visitor)
                if str(found.version) != fields.get("version"):
                    raise web.HTTPConflict(text="changed_meanwhile")
                place = await self._check(session, visitor, form, name)
                found.name, found.fields = parse_name(name), template_fields(form)
                found.body_id, found.unit_id = place.body_id, place.unit_id
                await self._record(session, visitor, AuditAction.CHANGE_TEMPLATE, found.id)
        except BadForm as mistake:
            async with self._accounts.database.read() as session:
                shown = await _find(session, request, visitor)
            return await self._form_page(
                request, visitor, form, name, errors=mistake.errors, template=shown,
                version=fields.get("version", ""),
            )  # fmt: skip
        except (ChangedMeanwhile, web.HTTPConflict):
            async with self._accounts.database.read() as session:
                shown = await _find(session, request, visitor)
            # What was typed stays; saved once more, it replaces what the other made of it.
            return await self._form_page(
                request, visitor, form, name, template=shown, version=str(shown.version),
                current=form_of_template(shown.fields),
            )  # fmt: skip
        raise web.HTTPSeeOther("/desk/templates")

    async def delete(self, request: web.Request) -> web.Response:
        """Throw a template away; sittings made from it stay."""
        visitor, _ = await self._parts.read_form(request)
        async with self._accounts.database.write() as session:
            found = await _find(session, request, visitor)
            await session.delete(found)
            await self._record(session, visitor, AuditAction.DELETE_TEMPLATE, found.id)
        raise web.HTTPSeeOther("/desk/templates")

    async def _check(
        self, session: AsyncSession, visitor: Visitor, form: SittingForm, name: str
    ) -> Place:
        """Return where the template belongs.

        Raises:
            BadForm: the form has mistakes.
        """
        errors: dict[str, str] = {}
        try:
            parse_template(form, self._parts.limits)
        except BadForm as mistake:
            errors |= mistake.errors
        try:
            parse_name(name)
        except BadName:
            errors["template_name"] = "template_name_bad"
        place = await find_place(session, visitor.actor, form.place)
        if place is None or not visitor.may(Action.MANAGE_TEMPLATES, place.target):
            errors["place"] = "place_missing"
        if errors or place is None:
            raise BadForm(form, errors)
        return place

    async def _record(
        self, session: AsyncSession, visitor: Visitor, action: AuditAction, template_id: str
    ) -> None:
        entry = AuditEntry(
            self._accounts.now(), visitor.actor.person_id, action, "template", template_id
        )
        await self._accounts.trail.record(session, entry)

    async def _form_page(
        self, request: web.Request, visitor: Visitor, form: SittingForm, name: str, *,
        errors: Mapping[str, str] | None = None, template: SittingTemplate | None = None,
        version: str = "", current: SittingForm | None = None,
    ) -> web.Response:  # fmt: skip
        async with self._accounts.database.read() as session:
            places = await list_places(session, visitor.actor)
        return self._parts.pages.page(
            request, "template_form.html", visitor,
            status=409 if current else 422 if errors else 200, current=current, places=places,
            form=replace(form, date="", time=""), template_name=name, errors=errors or {},
            template=template, version=version, limits=self._parts.limits,
        )  # fmt: skip


async def _find(session: AsyncSession, request: web.Request, visitor: Visitor) -> SittingTemplate:
    found = await session.get(SittingTemplate, request.match_info["id"])
    if found is None or not visitor.may(Action.MANAGE_TEMPLATES, template_target(found)):
        raise web.HTTPNotFound()
    return found
