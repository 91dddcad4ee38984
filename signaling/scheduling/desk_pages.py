"""The coordinator's desk: what is next, the calendar, the list, a rehearsal room by one click."""

from __future__ import annotations

from aiohttp import web

from signaling.accounts.rights import Action, places_of
from signaling.accounts.visitor import Visitor
from signaling.paging import parse_cursor, write_cursor
from signaling.rendering import language_of
from signaling.scheduling.calendar_view import lay_out, month_span, week_span, write_week
from signaling.scheduling.desk_parts import DeskParts, new_request_key, seen_bodies
from signaling.scheduling.places import find_place, list_places
from signaling.scheduling.sitting_lists import When, list_between, list_page
from signaling.scheduling.sitting_templates import list_templates
from signaling.scheduling.sittings import NoRoomThen, SentTwice
from signaling.scheduling.wall_time import day_bounds, to_wall

PAGE_SIZE = 25
NEXT_SHOWN = 8
TEMPLATES_SHOWN = 6
REHEARSAL_TITLES = {"el": "Δοκιμαστική αίθουσα", "en": "Rehearsal room"}


class DeskPages:
    """Answers `/desk`, `/desk/calendar`, `/desk/sittings` and `/desk/rehearsals`."""

    def __init__(self, parts: DeskParts) -> None:
        self._parts = parts
        self._accounts = parts.accounts

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        app.router.add_get("/desk", self.home)
        app.router.add_get("/desk/calendar", self.calendar)
        app.router.add_get("/desk/sittings", self.list)
        app.router.add_post("/desk/rehearsals", self.rehearse)

    async def home(self, request: web.Request) -> web.Response:
        """Show what is next, and what one can begin with."""
        visitor = await self._parts.require(request)
        return await self._home_page(request, visitor, 200, None)

    async def rehearse(self, request: web.Request) -> web.Response:
        """Make a room to try things in, open at once."""
        parts = self._parts
        visitor, form = await parts.read_form(request)
        origin = parts.origin(visitor, form)
        title = REHEARSAL_TITLES[language_of(request)]
        try:
            async with self._accounts.database.write() as session:
                place = await find_place(session, visitor.actor, form.get("place", ""))
                if place is None:
                    raise web.HTTPNotFound()
                made = await parts.sittings.rehearse(session, place, title, origin)
                sitting_id = made.id
        except SentTwice as before:
            sitting_id = before.sitting_id
        except NoRoomThen as full:
            return await self._home_page(request, visitor, 409, full)
        raise web.HTTPSeeOther(f"/desk/sittings/{sitting_id}")

    async def calendar(self, request: web.Request) -> web.Response:
        """Show a month or a week."""
        visitor = await self._parts.require(request)
        now = self._accounts.now()
        today = to_wall(now).date()
        week = request.query.get("week")
        span = (
            month_span(request.query.get("month", ""), today)
            if week is None
            else week_span(week, today)
        )
        first, end = day_bounds(span.first, span.days)
        async with self._accounts.database.read() as session:
            rows = await list_between(session, seen_bodies(visitor), first, end)
        weeks = lay_out(span, rows, today)
        is_empty = not any(day.is_inside and day.sittings for days in weeks for day in days)
        return self._parts.pages.page(
            request, "calendar.html", visitor, span=span, weeks=weeks, is_empty=is_empty, now=now,
            today=today, this_week=write_week(span.first if not span.is_month else span.month),
        )  # fmt: skip

    async def list(self, request: web.Request) -> web.Response:
        """Show sittings page by page."""
        visitor = await self._parts.require(request)
        now = self._accounts.now()
        asked = request.query.get("when", "")
        when = When(asked) if asked in set(When) else When.UPCOMING
        async with self._accounts.database.read() as session:
            rows = await list_page(
                session, seen_bodies(visitor), when, now,
                after=parse_cursor(request.query.get("after", "")), limit=PAGE_SIZE + 1,
            )  # fmt: skip
        shown = rows[:PAGE_SIZE]
        after = write_cursor(shown[-1].starts_at, shown[-1].id) if len(rows) > PAGE_SIZE else ""
        return self._parts.pages.page(
            request, "sittings.html", visitor, rows=shown, when=when.value, after=after, now=now,
            person_id=visitor.actor.person_id,
        )  # fmt: skip

    async def _home_page(
        self, request: web.Request, visitor: Visitor, status: int, full: NoRoomThen | None
    ) -> web.Response:
        now = self._accounts.now()
        async with self._accounts.database.read() as session:
            rows = await list_page(
                session, seen_bodies(visitor), When.UPCOMING, now, after=None, limit=NEXT_SHOWN
            )
            places = await list_places(session, visitor.actor)
            templates = await list_templates(
                session, places_of(visitor.actor, Action.MANAGE_TEMPLATES)
            )
        return self._parts.pages.page(
            request, "desk_home.html", visitor, status=status, rows=rows, places=places,
            templates=templates[:TEMPLATES_SHOWN], now=now, request_key=new_request_key(),
            full=full, person_id=visitor.actor.person_id,
        )  # fmt: skip
