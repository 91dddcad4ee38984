"""How much of the node is reserved on a day, for the administrator."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from aiohttp import web

from signaling.accounts.rights import Action
from signaling.scheduling.desk_parts import DeskParts
from signaling.scheduling.quarters import NOTHING, Need, span_of, start_of
from signaling.scheduling.wall_time import day_bounds, parse_date, to_wall

QUARTERS_AN_HOUR = 4


@dataclass(frozen=True)
class Bar:
    """One quarter of the day."""

    at: datetime
    need: Need
    percent: int
    """Of what the node carries: the scarcer of participants and streams."""


class CapacityPages:
    """Answers `/administration/capacity`."""

    def __init__(self, parts: DeskParts) -> None:
        self._parts = parts
        self._accounts = parts.accounts

    def add_routes(self, app: web.Application) -> None:
        """Add what this class answers."""
        app.router.add_get("/administration/capacity", self.show)

    async def show(self, request: web.Request) -> web.Response:
        """Show one day, by the quarter."""
        visitor = await self._accounts.visitors.require(request)
        if not visitor.may(Action.SEE_CAPACITY):
            raise web.HTTPNotFound()
        day = _parse_day(request.query.get("day", ""), to_wall(self._accounts.now()).date())
        span = span_of(*day_bounds(day, 1))
        capacity = self._parts.sittings.capacity
        async with self._accounts.database.read() as session:
            load = await capacity.load(session, span)
        bars = [
            self._bar(quarter, load.get(quarter, NOTHING))
            for quarter in range(span.first, span.end)
        ]
        hours = [
            max(bars[start : start + QUARTERS_AN_HOUR], key=lambda bar: bar.percent)
            for start in range(0, len(bars), QUARTERS_AN_HOUR)
        ]
        return self._parts.pages.page(
            request, "capacity.html", visitor, day=day, bars=bars, hours=hours,
            peak=max(bars, key=lambda bar: bar.percent), limits=capacity.config,
            previous=day - timedelta(days=1), next=day + timedelta(days=1),
        )  # fmt: skip

    def _bar(self, quarter: int, need: Need) -> Bar:
        config = self._parts.sittings.capacity.config
        share = max(need.participants / config.participants, need.streams / config.streams)
        # A little is not nothing: it is rounded up.
        return Bar(to_wall(start_of(quarter)), need, min(100, -int(-share * 100 // 1)))


def _parse_day(text: str, today: date) -> date:
    try:
        day = parse_date(text)
    except ValueError:
        return today
    return day if 2000 <= day.year <= 2200 else today
