"""The desk of ΚΕΠ: add and remove them, vary their hours and parameters, close days (R67)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from aiohttp import web
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.rights import Action
from signaling.accounts.texts import fold
from signaling.accounts.visitor import Visitor
from signaling.audit.trail import AuditAction
from signaling.kep.holidays import holidays_of
from signaling.kep.parts import KepParts, check
from signaling.kep.plan_changes import Work, change_plans, find_kep
from signaling.kep.plan_forms import (
    KepForm,
    Mistakes,
    SpecialDayForm,
    parse_hours,
    parse_kep,
    parse_special_days,
)
from signaling.kep.plan_views import read_kep_view
from signaling.kep.samples import CLOSES_MIN, OPENS_MIN, WORKDAYS
from signaling.storage.database import ChangedMeanwhile
from signaling.storage.models import Kep, KepHours, KepSpecialDay, Municipality

Form = Mapping[str, str]
EMPTY: Form = {}
ADMINISTRATION = "/administration/kep"
DONE = frozenset({"changed", "not_cancelled"})
"""What the page of a ΚΕΠ can be told that was done."""


class KepPages:
    """Answers `/administration/kep/keps…` and `/administration/kep/days…`."""

    def __init__(self, parts: KepParts) -> None:
        self._parts = parts
        self._accounts = parts.accounts

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        keps = ADMINISTRATION + "/keps"
        app.router.add_get(keps, self.list)
        app.router.add_post(keps, self.create)
        app.router.add_get(keps + "/{id}", self.show)
        app.router.add_post(keps + "/{id}", self.change)
        app.router.add_post(keps + "/{id}/hours", self.change_hours)
        app.router.add_post(keps + "/{id}/days", self.add_days)
        app.router.add_post(keps + "/{id}/days/{day}/remove", self.remove_day)
        app.router.add_get(ADMINISTRATION + "/days", self.list_days)
        app.router.add_post(ADMINISTRATION + "/days", self.add_days_everywhere)
        app.router.add_post(ADMINISTRATION + "/days/{day}/remove", self.remove_day)

    async def list(self, request: web.Request) -> web.Response:
        """Show all ΚΕΠ, and the form for another one."""
        visitor = await self._accounts.visitors.require(request)
        return await self._list_page(request, visitor, EMPTY, EMPTY)

    async def create(self, request: web.Request) -> web.Response:
        """Add a ΚΕΠ, open on workdays from 08:00 to 14:30 (R87)."""

        async def work(session: AsyncSession, form: Form) -> str:
            typed = parse_kep(form)
            kep = Kep(created_at=self._accounts.now())
            await _fill(session, kep, typed)
            session.add(kep)
            await session.flush()
            session.add_all(
                KepHours(kep_id=kep.id, weekday=day, opens_min=OPENS_MIN, closes_min=CLOSES_MIN)
                for day in WORKDAYS
            )
            return kep.id

        try:
            _, _, kep_id = await change_plans(
                self._parts, request, work, action=AuditAction.CREATE_KEP
            )
        except Mistakes as mistakes:
            visitor, form = await self._accounts.visitors.read_form(request)
            return await self._list_page(request, visitor, mistakes.errors, form)
        raise web.HTTPSeeOther(f"{ADMINISTRATION}/keps/{kep_id}")

    async def show(self, request: web.Request) -> web.Response:
        """Show one ΚΕΠ with everything that can be changed."""
        visitor = await self._accounts.visitors.require(request)
        return await kep_page(self._parts, request, visitor)

    async def change(self, request: web.Request) -> web.Response:
        """Change a ΚΕΠ, or close or open it."""

        async def work(session: AsyncSession, form: Form) -> str:
            kep = await find_kep(session, request)
            if str(kep.version) != form.get("version"):
                raise web.HTTPConflict(text="changed_meanwhile")
            if form.get("set") in ("open", "closed"):
                kep.is_active = form["set"] == "open"
            else:
                await _fill(session, kep, parse_kep(form))
            return kep.id

        try:
            return await change_kep(self._parts, request, work)
        except (ChangedMeanwhile, web.HTTPConflict):
            visitor, form = await self._accounts.visitors.read_form(request)
            return await kep_page(self._parts, request, visitor, EMPTY, form, is_stale=True)

    async def change_hours(self, request: web.Request) -> web.Response:
        """Set the opening hours of the week."""

        async def work(session: AsyncSession, form: Form) -> str:
            kep = await find_kep(session, request)
            hours = parse_hours(form)
            await session.execute(delete(KepHours).where(KepHours.kep_id == kep.id))
            session.add_all(
                KepHours(kep_id=kep.id, weekday=day, opens_min=opens, closes_min=closes)
                for day, (opens, closes) in hours.items()
            )
            return kep.id

        return await change_kep(self._parts, request, work)

    async def add_days(self, request: web.Request) -> web.Response:
        """Close a ΚΕΠ on some days, or give them hours of their own."""

        async def work(session: AsyncSession, form: Form) -> str:
            kep = await find_kep(session, request)
            await _set_days(session, kep.id, parse_special_days(form))
            return kep.id

        return await change_kep(self._parts, request, work)

    async def remove_day(self, request: web.Request) -> web.Response:
        """Let the usual hours hold again."""
        kep_id = request.match_info.get("id")

        async def work(session: AsyncSession, form: Form) -> str | None:
            row = await session.get(KepSpecialDay, request.match_info["day"])
            if row is None or row.kep_id != kep_id:
                raise web.HTTPNotFound()
            await session.delete(row)
            return kep_id

        await change_plans(self._parts, request, work)
        raise web.HTTPSeeOther(ADMINISTRATION + (f"/keps/{kep_id}" if kep_id else "/days"))

    async def list_days(self, request: web.Request) -> web.Response:
        """Show holidays and closures of all ΚΕΠ."""
        visitor = await self._accounts.visitors.require(request)
        return await self._days_page(request, visitor, EMPTY, EMPTY)

    async def add_days_everywhere(self, request: web.Request) -> web.Response:
        """Close all ΚΕΠ on some days, or give them hours of their own."""

        async def work(session: AsyncSession, form: Form) -> None:
            await _set_days(session, None, parse_special_days(form))

        try:
            await change_plans(self._parts, request, work)
        except Mistakes as mistakes:
            visitor, form = await self._accounts.visitors.read_form(request)
            return await self._days_page(request, visitor, mistakes.errors, form)
        raise web.HTTPSeeOther(ADMINISTRATION + "/days")

    async def _list_page(
        self, request: web.Request, visitor: Visitor, errors: Form, typed: Form
    ) -> web.Response:
        check(visitor, Action.MANAGE_KEPS)
        async with self._accounts.database.read() as session:
            rows = (
                await session.execute(
                    select(Kep, Municipality.name)
                    .join(Municipality, Municipality.id == Kep.municipality_id)
                    .order_by(Municipality.name_key, Kep.name_key)
                )
            ).all()
            municipalities = list(
                await session.scalars(select(Municipality).order_by(Municipality.name_key))
            )
        return self._parts.pages.page(
            request, "kep_admin_list.html", visitor, status=422 if errors else 200, rows=rows,
            municipalities=municipalities, errors=errors, typed=typed, config=self._parts.config,
        )  # fmt: skip

    async def _days_page(
        self, request: web.Request, visitor: Visitor, errors: Form, typed: Form
    ) -> web.Response:
        check(visitor, Action.MANAGE_KEPS)
        today = self._parts.today
        async with self._accounts.database.read() as session:
            rows = await session.scalars(
                select(KepSpecialDay)
                .where(KepSpecialDay.kep_id.is_(None), KepSpecialDay.day >= today)
                .order_by(KepSpecialDay.day)
            )
            days = list(rows)
        return self._parts.pages.page(
            request, "kep_admin_days.html", visitor, status=422 if errors else 200, days=days,
            holidays=_holidays_after(today), errors=errors, typed=typed,
        )  # fmt: skip


async def change_kep(parts: KepParts, request: web.Request, work: Work) -> web.Response:
    """Make a change to one ΚΕΠ and show it; with mistakes, show what was typed."""
    try:
        _, _, kep_id = await change_plans(parts, request, work)
    except Mistakes as mistakes:
        visitor, form = await parts.accounts.visitors.read_form(request)
        return await kep_page(parts, request, visitor, mistakes.errors, form)
    raise web.HTTPSeeOther(f"{ADMINISTRATION}/keps/{kep_id}?done=changed")


async def kep_page(
    parts: KepParts, request: web.Request, visitor: Visitor, errors: Form = EMPTY,
    typed: Form = EMPTY, *, is_stale: bool = False,
) -> web.Response:  # fmt: skip
    """Show one ΚΕΠ with everything that can be changed. `is_stale`: it was changed since it was shown to
    who typed this."""
    check(visitor, Action.MANAGE_KEPS)
    async with parts.accounts.database.read() as session:
        kep = await find_kep(session, request)
        view = await read_kep_view(session, parts, kep)
    done = request.query.get("done", "")
    return parts.pages.page(
        request, "kep_admin_kep.html", visitor, status=409 if is_stale else 422 if errors else 200,
        is_stale=is_stale, kep=kep, view=view, errors=errors, typed=typed, config=parts.config,
        today=parts.today, done=done if done in DONE else "",
    )  # fmt: skip


async def _fill(session: AsyncSession, kep: Kep, typed: KepForm) -> None:
    if await session.get(Municipality, typed.municipality_id) is None:
        raise Mistakes(municipality_id="municipality_missing")
    kep.municipality_id, kep.name, kep.name_key = (
        typed.municipality_id,
        typed.name,
        fold(typed.name),
    )
    kep.address, kep.phone, kep.serves_business = typed.address, typed.phone, typed.serves_business
    kep.slot_minutes, kep.gap_minutes = typed.slot_minutes, typed.gap_minutes
    kep.horizon_days = typed.horizon_days


async def _set_days(session: AsyncSession, kep_id: str | None, typed: SpecialDayForm) -> None:
    """Put the days in place of what was said of them before."""
    where = KepSpecialDay.kep_id.is_(None) if kep_id is None else KepSpecialDay.kep_id == kep_id
    await session.execute(delete(KepSpecialDay).where(where, KepSpecialDay.day.in_(typed.days)))
    opens, closes = typed.hours or (None, None)
    session.add_all(
        KepSpecialDay(
            kep_id=kep_id, day=day, opens_min=opens, closes_min=closes, reason=typed.reason
        )
        for day in typed.days
    )


def _holidays_after(today: date) -> list[tuple[date, str]]:
    """Return the holidays of the next twelve months."""
    both = {**holidays_of(today.year), **holidays_of(today.year + 1)}
    return [(day, name) for day, name in sorted(both.items()) if 0 <= (day - today).days <= 365]
