"""Looking for free times among all ΚΕΠ (R42): which days, and the hours of one day."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from operator import itemgetter

from sqlalchemy.ext.asyncio import AsyncSession

from signaling.kep.availability import offered_on, starts_of
from signaling.kep.config import KepConfig
from signaling.kep.day_records import decode_busy, read_busy, read_some, read_taken
from signaling.kep.day_steps import STEP_S, day_of, moment_of
from signaling.kep.plans import KepFacts, Plans, Wanted
from signaling.rendering import ATHENS

FIRST_BATCH = 2
"""ΚΕΠ of an undecided day that are looked into at first; then four times as many, and so on."""
MAX_PAIRS = 400
"""LIMIT: of days and ΚΕΠ named in one statement."""
MAX_OFFERS = 6
"""LIMIT: other times offered to who came too late."""


_ROOM = itemgetter(0)


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
        self._needs = [plans.need(each, wanted.theme) for each in self.keps]
        earliest = now.timestamp() + config.notice_minutes * 60
        self.from_step = -(-int(earliest) // STEP_S)
        self.today = now.astimezone(ATHENS).date()

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

        What is taken is read as one number for each day and ΚΕΠ; only where that does not decide
        are the times themselves looked at, those with most room first.
        """
        days = [self.today + timedelta(days=each)
                for each in range((self.last_day - self.today).days + 1)]  # fmt: skip
        taken = await read_taken(session, self.ids(), self.today, self.last_day)
        doubtful: dict[date, list[KepFacts]] = {}
        free = set()
        for day in days:
            undecided = self._undecided(day, taken.get(day.toordinal(), {}))
            if undecided is None:
                free.add(day)
            elif undecided:
                doubtful[day] = undecided
        size = FIRST_BATCH
        while doubtful:
            free |= await self._decide(session, doubtful, size)
            size *= 4
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

    def _undecided(self, day: date, taken: Mapping[str, int]) -> list[KepFacts] | None:
        """Return the ΚΕΠ that may or may not have room, most room first; None: one surely has."""
        undecided = []
        plans, ahead = self.plans, (day - self.today).days
        for kep, need in zip(self.keps, self._needs, strict=True):
            plan = plans.on(kep, day)
            if not plan.windows or ahead > kep.horizon_days:
                continue
            there = taken.get(kep.id)
            if not there:
                if starts_of(day, offered_on(plan.windows, {}, need), self.from_step):
                    return None
                continue
            # The gap after the last appointment may lie outside: each window may hide that much.
            room = plan.steps - there
            if room + need.gap * len(plan.windows) >= need.length:
                undecided.append((room, kep))
        undecided.sort(key=_ROOM, reverse=True)
        return [kep for _, kep in undecided]

    async def _decide(
        self, session: AsyncSession, doubtful: dict[date, list[KepFacts]], size: int
    ) -> set[date]:
        """Look into the next ΚΕΠ of each doubtful day, and return the days that are free.

        Days that are decided, either way, are taken out of `doubtful`.
        """
        pairs = [(day.toordinal(), kep.id) for day, keps in doubtful.items() for kep in keps[:size]]
        busy: dict[tuple[int, str], str] = {}
        for begin in range(0, len(pairs), MAX_PAIRS):
            busy.update(await read_some(session, pairs[begin : begin + MAX_PAIRS]))
        free = set()
        for day, keps in list(doubtful.items()):
            ordinal = day.toordinal()
            there = {kep.id: busy.get((ordinal, kep.id), "{}") for kep in keps[:size]}
            if starts_of(day, self._offered(day, keps[:size], there), self.from_step):
                free.add(day)
                del doubtful[day]
            elif len(keps) <= size:
                del doubtful[day]
            else:
                doubtful[day] = keps[size:]
        return free

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
