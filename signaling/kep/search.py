"""Looking for free times among all ΚΕΠ (R42): which days, and the hours of one day."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from signaling.kep.availability import Need, offered_on, starts_of
from signaling.kep.config import KepConfig
from signaling.kep.day_records import DayRoom, decode_busy, read_busy, read_rooms
from signaling.kep.day_steps import STEP_S, day_of, midnight_step, moment_of
from signaling.kep.plans import KepFacts, Plans, Wanted
from signaling.rendering import ATHENS

MAX_OFFERS = 6
"""LIMIT: other times offered to who came too late."""
NOTHING_TAKEN = DayRoom(0, 0, 0)


@dataclass(frozen=True)
class FreeDay:
    """One day that could be booked."""

    day: date
    is_free: bool


class Search:
    """One search: what is wanted, now."""

    def __init__(self, plans: Plans, wanted: Wanted, config: KepConfig, now: datetime) -> None:
        self.plans = plans
        self.wanted = wanted
        self.keps = plans.eligible(wanted)
        earliest = now.timestamp() + config.notice_minutes * 60
        self.from_step = -(-int(earliest) // STEP_S)
        self.today = now.astimezone(ATHENS).date()
        self._first_horizon = self.today + timedelta(
            days=min((each.horizon_days for each in self.keps), default=0)
        )

    @property
    def last_day(self) -> date:
        """The farthest day that any of the ΚΕΠ can be booked for."""
        return self.today + timedelta(
            days=max((each.horizon_days for each in self.keps), default=0)
        )

    def reaches(self, kep: KepFacts, day: date) -> bool:
        """Return whether `day` is within what can be booked at `kep`."""
        return self.today <= day <= self.today + timedelta(days=kep.horizon_days)

    async def days(self, session: AsyncSession) -> list[FreeDay]:
        """Return all days up to the horizon with whether anything is free on them.

        Of ΚΕΠ that are open alike the room left is read as one number for each day; the times
        themselves are looked at only where a part of the day is past, or the number is not there.
        """
        days = [self.today + timedelta(days=each)
                for each in range((self.last_day - self.today).days + 1)]  # fmt: skip
        free = set()
        doubtful = [each for each in days if midnight_step(each) < self.from_step]
        whole = days[len(doubtful) :]
        for (need, ids), alike in self._open_alike(whole).items():
            wanted = [each for each in alike if each not in free]
            if not wanted:
                continue
            rooms = await read_rooms(session, ids, wanted[0], wanted[-1], need.gap)
            for day in wanted:
                left = rooms.get(day.toordinal(), NOTHING_TAKEN)
                if left.touched < len(ids) or left.room >= need.length:
                    free.add(day)
                elif left.known < left.touched:
                    doubtful.append(day)
        for day in doubtful:
            if day not in free and await self.times(session, day):
                free.add(day)
        return [FreeDay(day, day in free) for day in days]

    async def times(self, session: AsyncSession, day: date) -> list[int]:
        """Return the steps at which an appointment can begin on `day`."""
        keps = [each for each in self.keps if self.reaches(each, day)]
        busy = await read_busy(session, day, self.ids(keps))
        return starts_of(day, self._offered(day, keps, busy), self.from_step)

    async def next_times(self, session: AsyncSession, step: int) -> list[int]:
        """Return the free times nearest to `step` on its day, then those of the next free days."""
        day = day_of(step)
        if day < self.today:
            day, step = self.today, self.from_step
        near = sorted(await self.times(session, day), key=lambda each: (abs(each - step), each))
        found = near[:MAX_OFFERS]
        if len(found) < MAX_OFFERS:
            for each in await self.days(session):
                if each.is_free and each.day > day:
                    found += await self.times(session, each.day)
                    if len(found) >= MAX_OFFERS:
                        break
        return sorted(found[:MAX_OFFERS])

    def _open_alike(
        self, days: Sequence[date]
    ) -> Mapping[tuple[Need, frozenset[str]], Sequence[date]]:
        """Return days by the ΚΕΠ that could be booked on them and what that takes there, most first."""
        ours = frozenset(each.id for each in self.keps)
        alike: dict[tuple[Need, frozenset[str]], list[date]] = {}
        for day in days:
            for need, ids in self.plans.open_on(day, self.wanted.theme).items():
                reached = ids & ours
                if day > self._first_horizon:
                    reached = frozenset(
                        each for each in reached if self.reaches(self.plans.keps[each], day)
                    )
                if reached:
                    alike.setdefault((need, reached), []).append(day)
        return dict(sorted(alike.items(), key=lambda each: len(each[0][1]), reverse=True))

    def _offered(self, day: date, keps: Iterable[KepFacts], busy: Mapping[str, str]) -> int:
        offered = 0
        for kep in keps:
            need = self.plans.need(kep, self.wanted.theme)
            masks = decode_busy(busy[kep.id]) if kep.id in busy else {}
            offered |= offered_on(self.plans.on(kep, day).windows, masks, need)
        return offered

    def ids(self, keps: Sequence[KepFacts] | None = None) -> Collection[str] | None:
        """Return ids to ask for; None when most are wanted: a long list costs more."""
        keps = self.keps if keps is None else keps
        return None if len(keps) * 2 > len(self.plans.keps) else [each.id for each in keps]


def local_time(step: int) -> datetime:
    """Return the wall-clock time of a step."""
    return moment_of(step).astimezone(ATHENS)


def is_bookable(step: int, search: Search) -> bool:
    """Return whether a time is neither past nor too far, whoever might have it free."""
    return search.from_step <= step and day_of(step) <= search.last_day


def step_from(text: str) -> int | None:
    """Return a step that a page has sent; None: it is none."""
    is_number = text.isascii() and text.isdigit() and len(text) <= 9
    return int(text) if is_number else None
