"""Days and hours as people choose them: a calendar of weeks, and the free times of one day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from signaling.kep.config import STEP_MIN
from signaling.kep.search import FreeDay, Search, local_time

DAY_NAMES = {
    "el": ("Δευτέρα", "Τρίτη", "Τετάρτη", "Πέμπτη", "Παρασκευή", "Σάββατο", "Κυριακή"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
MONTH_NAMES = {
    "el": ("Ιανουαρίου", "Φεβρουαρίου", "Μαρτίου", "Απριλίου", "Μαΐου", "Ιουνίου", "Ιουλίου",
           "Αυγούστου", "Σεπτεμβρίου", "Οκτωβρίου", "Νοεμβρίου", "Δεκεμβρίου"),
    "en": ("January", "February", "March", "April", "May", "June", "July", "August", "September",
           "October", "November", "December"),
}  # fmt: skip
SHORT_DAY = 3
SHORT_MONTH = 3


@dataclass(frozen=True)
class Time:
    """One time."""

    step: int
    clock: str
    """Such as `08:30`."""
    day_text: str

    @property
    def text(self) -> str:
        """Day and hour."""
        return f"{self.day_text}, {self.clock}"


@dataclass(frozen=True)
class Cell:
    """One day of the calendar."""

    day: date
    text: str
    """In full, for who does not see the calendar."""
    month: str
    """Short; empty but on the first day shown of a month."""
    is_free: bool
    is_chosen: bool


@dataclass(frozen=True)
class Picker:
    """What the page shows."""

    day_names: Sequence[str]
    weeks: Sequence[Sequence[Cell | None]]
    """None: outside of what can be booked."""
    chosen: date | None
    """The day whose times are shown: the one asked for, else the first free one."""
    chosen_text: str
    times: Sequence[Time]
    minutes: Sequence[int]
    """How long an appointment may be: different ΚΕΠ may differ."""


async def make_picker(session: AsyncSession, search: Search, asked: str, language: str) -> Picker:
    """Return days and times; `asked` is a date as a page has sent it, or anything else."""
    days = await search.days(session) if search.keps else []
    free = [each.day for each in days if each.is_free]
    chosen = _parse_day(asked)
    if chosen is None or not search.today <= chosen <= search.last_day:
        chosen = free[0] if free else None
    times = await search.times(session, chosen) if chosen is not None else []
    needs = {search.plans.need(each, search.wanted.theme).length for each in search.keps}
    has_weekend = any(each.weekday() > 4 for each in free)
    columns = 7 if has_weekend else 5
    return Picker(
        DAY_NAMES[language][:columns],
        _weeks(days, chosen, columns, language) if free else [],
        chosen,
        day_text(chosen, language) if chosen is not None else "",
        [_time(each, language) for each in times],
        sorted(length * STEP_MIN for length in needs),
    )


def time_of(step: int | None, language: str) -> Time | None:
    """Return a time to show."""
    return None if step is None else _time(step, language)


def day_text(day: date, language: str) -> str:
    """Return a date in full, such as `Δευτέρα 12 Ιανουαρίου 2026`."""
    name, month = DAY_NAMES[language][day.weekday()], MONTH_NAMES[language][day.month - 1]
    return f"{name} {day.day} {month} {day.year}"


def _time(step: int, language: str) -> Time:
    moment = local_time(step)
    return Time(step, f"{moment:%H:%M}", day_text(moment.date(), language))


def _weeks(
    days: Sequence[FreeDay], chosen: date | None, columns: int, language: str
) -> list[list[Cell | None]]:
    by_day = {each.day: each.is_free for each in days}
    monday = days[0].day - timedelta(days=days[0].day.weekday())
    weeks: list[list[Cell | None]] = []
    month = 0
    while monday <= days[-1].day:
        week: list[Cell | None] = []
        for each in range(columns):
            day = monday + timedelta(days=each)
            if day not in by_day:
                week.append(None)
                continue
            is_new = day.month != month
            month = day.month
            short = MONTH_NAMES[language][day.month - 1][:SHORT_MONTH] if is_new else ""
            week.append(Cell(day, day_text(day, language), short, by_day[day], day == chosen))
        if any(week):
            weeks.append(week)
        monday += timedelta(days=7)
    return weeks


def _parse_day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None
