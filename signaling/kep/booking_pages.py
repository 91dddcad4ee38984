"""Booking in the order of the decision (R47): theme, service, time, person, review."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.rights import Action, Target
from signaling.accounts.visitor import Visitor
from signaling.kep.booking import Order, TooManyAppointments
from signaling.kep.forms import PersonForm, parse_choice, parse_person_form
from signaling.kep.parts import KepParts, check
from signaling.kep.placing import NotOffered, OwnOverlap, SlotGone
from signaling.kep.plans import Plans, Wanted
from signaling.kep.records import list_own
from signaling.kep.search import step_from
from signaling.kep.times import make_picker, time_of
from signaling.kep.values import (
    IdentityDocument,
    SpecialRequirement,
    Theme,
    WayOfDelivery,
    ways_of_delivery,
)
from signaling.rendering import language_of
from signaling.storage.models import Kep, KepService, Municipality

MAX_KEY_LENGTH = 64
STEPS = 5
"""Of a booking: theme, service, time, person, review."""


@dataclass(frozen=True)
class Choice:
    """What was chosen so far."""

    service: KepService
    kep_id: str | None
    step: int | None

    @property
    def theme(self) -> Theme:
        """The theme of the service."""
        return Theme(self.service.theme)

    @property
    def wanted(self) -> Wanted:
        """What to look for."""
        return Wanted(self.theme, self.service.municipality_id, self.kep_id)

    def path(self, page: str, step: int | None = None) -> str:
        """Return the address of a page with this choice, and perhaps another time."""
        values = {"kep": self.kep_id, "step": self.step if step is None else step}
        query = "&".join(f"{key}={value}" for key, value in values.items() if value)
        return f"/kep/services/{self.service.id}/{page}" + (f"?{query}" if query else "")


@dataclass(frozen=True)
class Shown:
    """What a page with the form shows beside it."""

    form: PersonForm
    errors: Mapping[str, str] = field(default_factory=dict)
    offers: Sequence[int] = ()
    """Other times, after the chosen one was gone."""


class BookingPages:
    """Answers `/kep`, `/kep/guide`, `/kep/book…` and `/kep/services/…`."""

    def __init__(self, parts: KepParts) -> None:
        self._parts = parts
        self._accounts = parts.accounts

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        app.router.add_get("/kep", self.front)
        app.router.add_get("/kep/guide", self.guide)
        app.router.add_get("/kep/book", self.themes)
        app.router.add_get("/kep/book/{theme}", self.services)
        app.router.add_get("/kep/book/municipal/{municipality}", self.municipal_services)
        service = "/kep/services/{service}"
        app.router.add_get(service + "/times", self.times)
        app.router.add_get(service + "/person", self.person)
        app.router.add_post(service + "/person", self.correct)
        app.router.add_post(service + "/review", self.review)
        app.router.add_post(service + "/confirm", self.confirm)

    async def front(self, request: web.Request) -> web.Response:
        """Show what the service is; to who is signed in also the appointments ahead."""
        accounts = self._accounts
        visitor = await accounts.visitors.or_anonymous(request)
        rows: Sequence[object] = ()
        if visitor.person is not None:
            async with accounts.database.read() as session:
                rows = await list_own(session, visitor.person.id, since=accounts.now())
        return self._parts.pages.page(
            request, "kep_front.html", visitor, themes=list(Theme), rows=rows
        )

    async def guide(self, request: web.Request) -> web.Response:
        """Show the user manual (R61)."""
        visitor = await self._accounts.visitors.or_anonymous(request)
        return self._parts.pages.page(request, "kep_guide.html", visitor, config=self._parts.config)

    async def themes(self, request: web.Request) -> web.Response:
        """Step 1: the theme."""
        visitor = await self._visitor(request)
        return self._page(request, "kep_themes.html", visitor, 1, themes=list(Theme))

    async def services(self, request: web.Request) -> web.Response:
        """Step 2: the service, or the municipality that gives it."""
        visitor = await self._visitor(request)
        theme = parse_choice(Theme, request.match_info["theme"])
        if theme is None:
            raise web.HTTPNotFound()
        async with self._accounts.database.read() as session:
            if theme is Theme.MUNICIPAL:
                municipalities = await list_municipalities(session)
                return self._page(
                    request, "kep_municipalities.html", visitor, 2, municipalities=municipalities
                )
            services = await list_services(session, theme, None)
        return self._page(
            request, "kep_services.html", visitor, 2, theme=theme, services=services,
            municipality=None,
        )  # fmt: skip

    async def municipal_services(self, request: web.Request) -> web.Response:
        """Step 2: a service of one municipality (R71, R72)."""
        visitor = await self._visitor(request)
        async with self._accounts.database.read() as session:
            municipality = await session.get(Municipality, request.match_info["municipality"])
            if municipality is None or not municipality.is_active:
                raise web.HTTPNotFound()
            services = await list_services(session, Theme.MUNICIPAL, municipality.id)
        return self._page(
            request, "kep_services.html", visitor, 2, theme=Theme.MUNICIPAL, services=services,
            municipality=municipality,
        )  # fmt: skip

    async def times(self, request: web.Request) -> web.Response:
        """Step 3: day and hour, of what is really free (R42)."""
        visitor = await self._visitor(request)
        async with self._accounts.database.read() as session:
            choice = await _choice(session, request, request.query)
            search = await self._parts.search(session, choice.wanted)
            everywhere = Wanted(choice.theme, choice.service.municipality_id)
            places = await _places(session, search.plans, everywhere)
            picker = await make_picker(
                session, search, request.query.get("day", ""), language_of(request)
            )
        return self._page(
            request, "kep_times.html", visitor, 3, choice=choice, picker=picker, places=places,
        )  # fmt: skip

    async def person(self, request: web.Request) -> web.Response:
        """Step 4: who takes part, prefilled from the account (R48–R54)."""
        visitor = await self._visitor(request)
        assert visitor.person is not None, "invariant: required to be signed in"
        async with self._accounts.database.read() as session:
            choice = await _choice(session, request, request.query)
        if choice.step is None:
            raise web.HTTPSeeOther(choice.path("times"))
        form = PersonForm(email=visitor.person.email or "")
        return await self._form_page(request, visitor, choice, Shown(form))

    async def correct(self, request: web.Request) -> web.Response:
        """Step 4 again, with what was typed."""
        visitor, choice, form = await self._read(request)
        return await self._form_page(request, visitor, choice, Shown(form))

    async def review(self, request: web.Request) -> web.Response:
        """Step 5: everything once more before it counts."""
        visitor, choice, form = await self._read(request)
        if form.errors:
            return await self._form_page(request, visitor, choice, Shown(form, form.errors), 422)
        return await self._review_page(request, visitor, choice, Shown(form))

    async def confirm(self, request: web.Request) -> web.Response:
        """Book. A form sent twice leads to the same appointment."""
        visitor, choice, form = await self._read(request)
        posted = await request.post()
        key = str(posted.get("request_key", ""))[:MAX_KEY_LENGTH]
        if form.errors or not key or choice.step is None:
            return await self._form_page(request, visitor, choice, Shown(form, form.errors), 422)
        assert visitor.person is not None, "invariant: required to be signed in"
        order = Order(
            person_id=visitor.person.id, service_id=choice.service.id, kep_id=choice.kep_id,
            step=choice.step, personal=form.personal(visitor.person.full_name),
            needs=form.special, document=IdentityDocument(form.document),
            delivery=WayOfDelivery(form.delivery), request_key=key,
        )  # fmt: skip
        try:
            appointment = await self._parts.booking.book(order)
        except SlotGone as gone:
            shown = Shown(form, {"times": "slot_gone"}, gone.offers)
            return await self._review_page(request, visitor, choice, shown, 409)
        except OwnOverlap:
            shown = Shown(form, {"times": "own_overlap"})
            return await self._review_page(request, visitor, choice, shown, 409)
        except TooManyAppointments:
            shown = Shown(form, {"times": "too_many"})
            return await self._review_page(request, visitor, choice, shown, 409)
        except NotOffered:
            raise web.HTTPNotFound() from None
        raise web.HTTPSeeOther(f"/kep/appointments/{appointment.id}?done=booked")

    async def _visitor(self, request: web.Request) -> Visitor:
        visitor = await self._accounts.visitors.require(request)
        check(visitor, Action.BOOK_APPOINTMENT, Target(owner_id=visitor.actor.person_id))
        return visitor

    async def _read(self, request: web.Request) -> tuple[Visitor, Choice, PersonForm]:
        visitor, fields = await self._accounts.visitors.read_form(request)
        check(visitor, Action.BOOK_APPOINTMENT, Target(owner_id=visitor.actor.person_id))
        self._accounts.take_turn(visitor)
        async with self._accounts.database.read() as session:
            choice = await _choice(session, request, fields)
        if choice.step is None:
            raise web.HTTPSeeOther(choice.path("times"))
        return visitor, choice, parse_person_form(fields, choice.theme)

    async def _form_page(
        self, request: web.Request, visitor: Visitor, choice: Choice, shown: Shown,
        status: int = 200,
    ) -> web.Response:  # fmt: skip
        return self._page(
            request, "kep_person.html", visitor, 4, status=status,
            shown_at=choice.path("person"), choice=choice, form=shown.form,
            errors=shown.errors, when=time_of(choice.step, language_of(request)),
            documents=list(IdentityDocument), needs=list(SpecialRequirement),
            ways=ways_of_delivery(choice.theme), civil=self._civil(visitor),
        )  # fmt: skip

    async def _review_page(
        self, request: web.Request, visitor: Visitor, choice: Choice, shown: Shown,
        status: int = 200,
    ) -> web.Response:  # fmt: skip
        language = language_of(request)
        async with self._accounts.database.read() as session:
            kep = await session.get(Kep, choice.kep_id) if choice.kep_id else None
        return self._page(
            request, "kep_review.html", visitor, 5, status=status,
            shown_at=choice.path("person"), choice=choice, form=shown.form,
            errors=shown.errors, kep=kep, when=time_of(choice.step, language),
            offers=[time_of(each, language) for each in shown.offers],
            request_key=secrets.token_hex(16), civil=self._civil(visitor),
        )  # fmt: skip

    def _civil(self, visitor: Visitor) -> object:
        assert visitor.person is not None, "invariant: required to be signed in"
        return self._accounts.people.civil_data(visitor.person)

    def _page(
        self, request: web.Request, name: str, visitor: Visitor, number: int, *,
        status: int = 200, shown_at: str | None = None, **values: object,
    ) -> web.Response:  # fmt: skip
        return self._parts.pages.page(
            request, name, visitor, status=status, shown_at=shown_at, number=number, count=STEPS,
            **values,
        )  # fmt: skip


async def _choice(session: AsyncSession, request: web.Request, values: Mapping[str, str]) -> Choice:
    """Return what the address and the form say was chosen."""
    service = await session.get(KepService, request.match_info["service"])
    if service is None or not service.is_active:
        raise web.HTTPNotFound()
    kep_id = values.get("kep") or None
    if kep_id is not None and await session.get(Kep, kep_id[:32]) is None:
        raise web.HTTPNotFound()
    return Choice(service, kep_id, step_from(values.get("step", "")))


async def list_services(
    session: AsyncSession, theme: Theme, municipality_id: str | None
) -> Sequence[KepService]:
    """Return the services of a theme, by name; of a municipality only its own."""
    rows = await session.scalars(
        select(KepService)
        .where(
            KepService.theme == theme,
            KepService.is_active,
            KepService.municipality_id.is_(None)
            if municipality_id is None
            else KepService.municipality_id == municipality_id,
        )
        .order_by(KepService.name)
    )
    return list(rows)


async def list_municipalities(session: AsyncSession) -> Sequence[Municipality]:
    """Return the municipalities that have both services and a ΚΕΠ."""
    rows = await session.scalars(
        select(Municipality)
        .where(
            Municipality.is_active,
            Municipality.id.in_(select(Kep.municipality_id).where(Kep.is_active)),
            Municipality.id.in_(select(KepService.municipality_id).where(KepService.is_active)),
        )
        .order_by(Municipality.name_key)
    )
    return list(rows)


async def _places(
    session: AsyncSession, plans: Plans, wanted: Wanted
) -> Mapping[str, Sequence[tuple[str, str]]]:
    """Return the ΚΕΠ to choose from by municipality; nothing if there is no choice."""
    keps = plans.eligible(wanted)
    if len(keps) < 2:
        return {}
    names = {each.id: each.name for each in await session.scalars(select(Municipality))}
    found: dict[str, list[tuple[str, str]]] = {}
    for kep in sorted(keps, key=lambda each: (names[each.municipality_id], each.name)):
        found.setdefault(names[kep.municipality_id], []).append((kep.id, kep.name))
    return found
