"""The overall view of the administrators (R66, R67): use, bookings, services; who they are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.assignments import grant
from signaling.accounts.rights import AccountRole, Action, HeldRole
from signaling.accounts.texts import clean_line, fold
from signaling.accounts.visitor import Visitor
from signaling.audit.trail import AuditAction
from signaling.kep.forms import parse_choice
from signaling.kep.kep_pages import ADMINISTRATION, EMPTY
from signaling.kep.parts import KepParts, check
from signaling.kep.plan_changes import change_plans
from signaling.kep.plan_forms import Mistakes, parse_date, parse_title
from signaling.kep.plot import plot_bars
from signaling.kep.records import list_day
from signaling.kep.statistics import read_use
from signaling.kep.values import Theme
from signaling.storage.models import Kep, KepService, Municipality, Person, RoleAssignment

DAYS_SHOWN = 28
DAYS_BEFORE = 7
WEEK = 7
ADMINISTRATORS = "/administration/kep-administrators"
Form = Mapping[str, str]


class OverviewPages:
    """Answers `/administration/kep`, `…/bookings`, `…/services` and `/administration/kep-…`."""

    def __init__(self, parts: KepParts) -> None:
        self._parts = parts
        self._accounts = parts.accounts

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        app.router.add_get(ADMINISTRATION, self.overview)
        app.router.add_get(ADMINISTRATION + "/bookings", self.bookings)
        services = ADMINISTRATION + "/services"
        app.router.add_get(services, self.services)
        app.router.add_post(services, self.add_service)
        app.router.add_post(services + "/{service}", self.change_service)
        app.router.add_get(ADMINISTRATORS, self.administrators)
        app.router.add_post(ADMINISTRATORS, self.appoint)
        app.router.add_post(ADMINISTRATORS + "/{assignment}/end", self.end)

    async def overview(self, request: web.Request) -> web.Response:
        """Show how much is booked and used; that somebody looked is audited."""
        visitor = await self._accounts.visitors.require(request)
        check(visitor, Action.SEE_KEP_BOOKINGS)
        first = self._parts.today - timedelta(days=DAYS_BEFORE)
        async with self._accounts.database.write() as session:
            plans = await self._parts.plans.get(session)
            use = await read_use(session, plans, first, DAYS_SHOWN)
            await self._parts.record(session, visitor, AuditAction.READ_KEP_BOOKINGS)
        labels = [(f"{each.day:%d/%m}", each.appointments) for each in use.days]
        return self._parts.pages.page(
            request, "kep_admin_overview.html", visitor, use=use, plot=plot_bars(labels, WEEK),
            today=self._parts.today,
        )  # fmt: skip

    async def bookings(self, request: web.Request) -> web.Response:
        """Show the bookings of one ΚΕΠ on one day, without the citizens' data."""
        visitor = await self._accounts.visitors.require(request)
        check(visitor, Action.SEE_KEP_BOOKINGS)
        day = parse_date(request.query.get("day", "")) or self._parts.today
        async with self._accounts.database.write() as session:
            keps = list(await session.scalars(select(Kep).order_by(Kep.name_key)))
            asked = request.query.get("kep", "")
            kep = next((each for each in keps if each.id == asked), keps[0] if keps else None)
            rows = await list_day(session, kep.id, day) if kep is not None else []
            await self._parts.record(
                session, visitor, AuditAction.READ_KEP_BOOKINGS, "kep", kep.id if kep else ""
            )
        return self._parts.pages.page(
            request, "kep_admin_bookings.html", visitor, keps=keps, kep=kep, day=day, rows=rows
        )

    async def services(self, request: web.Request) -> web.Response:
        """Show the list of procedures (R72)."""
        visitor = await self._accounts.visitors.require(request)
        return await self._services_page(request, visitor, EMPTY, EMPTY)

    async def add_service(self, request: web.Request) -> web.Response:
        """Add a procedure; those of theme 4 belong to a municipality."""

        async def work(session: AsyncSession, form: Form) -> None:
            theme = parse_choice(Theme, form.get("theme", ""))
            if theme is None:
                raise Mistakes(theme="theme_missing")
            municipality_id = form.get("municipality_id", "")[:32] or None
            if theme is not Theme.MUNICIPAL:
                municipality_id = None
            elif not municipality_id or await session.get(Municipality, municipality_id) is None:
                raise Mistakes(municipality_id="municipality_missing")
            name = parse_title(form, "name")
            session.add(KepService(theme=theme, municipality_id=municipality_id, name=name))

        try:
            await change_plans(self._parts, request, work)
        except Mistakes as mistakes:
            visitor, form = await self._accounts.visitors.read_form(request)
            return await self._services_page(request, visitor, mistakes.errors, form)
        raise web.HTTPSeeOther(ADMINISTRATION + "/services")

    async def change_service(self, request: web.Request) -> web.Response:
        """Take a procedure off the list, or put it back."""

        async def work(session: AsyncSession, form: Form) -> None:
            row = await session.get(KepService, request.match_info["service"])
            if row is None:
                raise web.HTTPNotFound()
            row.is_active = form.get("set") == "open"

        await change_plans(self._parts, request, work)
        raise web.HTTPSeeOther(ADMINISTRATION + "/services")

    async def administrators(self, request: web.Request) -> web.Response:
        """Show who administers ΚΕΠ."""
        visitor = await self._accounts.visitors.require(request)
        return await self._administrators_page(request, visitor, EMPTY, "")

    async def appoint(self, request: web.Request) -> web.Response:
        """Make somebody with a confirmed address an administrator of ΚΕΠ."""
        accounts = self._accounts
        visitor, form = await accounts.visitors.read_form(request)
        check(visitor, Action.APPOINT_KEP_ADMINISTRATOR)
        accounts.take_turn(visitor)
        typed = clean_line(form.get("email", ""))
        async with accounts.database.write() as session:
            people = list(await session.scalars(select(Person).where(Person.email == typed)))
            if len(people) == 1:
                held = HeldRole(AccountRole.KEP_ADMINISTRATOR)
                assignment = await grant(session, people[0].id, held, accounts.now())
                await self._parts.record(
                    session, visitor, AuditAction.GRANT_ROLE, "role_assignment", assignment.id
                )
        if len(people) != 1:
            return await self._administrators_page(request, visitor, {"email": "nobody"}, typed)
        raise web.HTTPSeeOther(ADMINISTRATORS)

    async def end(self, request: web.Request) -> web.Response:
        """Take the role away."""
        accounts = self._accounts
        visitor, _ = await accounts.visitors.read_form(request)
        check(visitor, Action.END_KEP_ADMINISTRATOR)
        accounts.take_turn(visitor)
        async with accounts.database.write() as session:
            row = await session.get(RoleAssignment, request.match_info["assignment"])
            if row is None or row.role != AccountRole.KEP_ADMINISTRATOR:
                raise web.HTTPNotFound()
            if row.ended_at is None:
                row.ended_at = accounts.now()
                await self._parts.record(
                    session, visitor, AuditAction.END_ROLE, "role_assignment", row.id
                )
        raise web.HTTPSeeOther(ADMINISTRATORS)

    async def _services_page(
        self, request: web.Request, visitor: Visitor, errors: Form, typed: Form
    ) -> web.Response:
        check(visitor, Action.MANAGE_KEPS)
        async with self._accounts.database.read() as session:
            municipalities = list(
                await session.scalars(select(Municipality).order_by(Municipality.name_key))
            )
            rows = list(await session.scalars(select(KepService)))
        names = {each.id: each.name for each in municipalities}
        order = list(Theme)
        rows.sort(key=lambda each: (
            order.index(Theme(each.theme)), fold(names.get(each.municipality_id or "", "")),
            fold(each.name),
        ))  # fmt: skip
        return self._parts.pages.page(
            request, "kep_admin_services.html", visitor, status=422 if errors else 200, rows=rows,
            names=names, municipalities=municipalities, themes=order, errors=errors, typed=typed,
        )  # fmt: skip

    async def _administrators_page(
        self, request: web.Request, visitor: Visitor, errors: Form, typed: str
    ) -> web.Response:
        check(visitor, Action.APPOINT_KEP_ADMINISTRATOR)
        async with self._accounts.database.read() as session:
            rows = (
                await session.execute(
                    select(RoleAssignment, Person)
                    .join(Person, Person.id == RoleAssignment.person_id)
                    .where(
                        RoleAssignment.role == AccountRole.KEP_ADMINISTRATOR,
                        RoleAssignment.ended_at.is_(None),
                    )
                    .order_by(Person.family_name, RoleAssignment.id)
                )
            ).all()
        return self._parts.pages.page(
            request, "kep_admin_people.html", visitor, status=422 if errors else 200, rows=rows,
            errors=errors, typed=typed,
        )  # fmt: skip
