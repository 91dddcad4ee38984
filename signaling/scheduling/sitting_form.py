"""The form of a sitting: what was typed, what it means, what is wrong with it. Pure.

Nothing typed is lost: the form comes back with a code for each field in error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from signaling.accounts.texts import clean_line, clean_text, fold
from signaling.scheduling.recurrence import MAX_OCCURRENCES, Recurrence, Rhythm, list_starts
from signaling.scheduling.values import SittingKind, SittingMode
from signaling.scheduling.wall_time import (
    ATHENS_NAME,
    AmbiguousTime,
    NoSuchTime,
    parse_date,
    parse_time,
    to_utc,
    to_wall,
)

MAX_TITLE_LENGTH = 200
MAX_SPEAKER_LENGTH = 200
MAX_AGENDA_ITEMS = 100
MIN_LENGTH_MIN, MAX_LENGTH_MIN = 5, 16 * 60
MAX_OPEN_BEFORE_MIN = 240
MIN_PARTICIPANTS = 2
TYPED_LATE = timedelta(minutes=5)
"""A sitting that begins "now" was written a few minutes ago."""

DEFAULT_LENGTH_MIN = 120
DEFAULT_OPEN_BEFORE_MIN = 30
DEFAULT_PARTICIPANTS = 20
"""Without a collective body; with one, its members and some more."""

YES = "yes"
Choice = TypeVar("Choice", bound=StrEnum)


class Chosen(StrEnum):
    """Which of two is meant, where clocks show a time twice."""

    NEITHER = ""
    FIRST = "first"
    SECOND = "second"


@dataclass(frozen=True)
class AgendaLine:
    """One subject as it is typed."""

    title: str
    speaker: str = ""


@dataclass(frozen=True)
class SittingForm:
    """The fields as they were typed, cleaned."""

    place: str = ""
    """`signaling.scheduling.places` reads it."""
    title: str = ""
    kind: str = ""
    """Empty: what the collective body's sittings are."""
    mode: str = SittingMode.REMOTE
    date: str = ""
    time: str = ""
    zone: str = ATHENS_NAME
    chosen: str = Chosen.NEITHER
    length_min: str = str(DEFAULT_LENGTH_MIN)
    participants: str = ""
    """Empty: a number that suits the collective body."""
    open_before_min: str = str(DEFAULT_OPEN_BEFORE_MIN)
    is_closed: str = ""
    admits_guests: str = ""
    rhythm: str = Rhythm.ONCE
    count: str = "4"
    agenda: str = ""
    """A line each; behind `|` who reports on it."""


TEMPLATE_FIELDS = (
    "place", "title", "kind", "mode", "length_min", "participants", "open_before_min",
    "is_closed", "admits_guests", "agenda",
)  # fmt: skip
"""What a template keeps: all but the times."""


@dataclass(frozen=True)
class FormLimits:
    """What a form may ask for."""

    max_participants: int
    """Of one room."""
    days_ahead: int


@dataclass(frozen=True)
class SittingPlan:
    """What a form without mistakes means."""

    title: str
    kind: SittingKind | None
    mode: SittingMode
    starts: Sequence[datetime]
    length: timedelta
    participants: int | None
    open_before_min: int
    is_closed: bool
    admits_guests: bool
    agenda: Sequence[AgendaLine] = ()


class BadForm(Exception):
    """The form has mistakes: field → code of the text that tells what to do."""

    def __init__(
        self, form: SittingForm, errors: Mapping[str, str], moments: Sequence[datetime] = ()
    ) -> None:
        super().__init__(errors)
        self.form = form
        self.errors = errors
        self.moments = moments
        """For `time_ambiguous` the two; for `time_missing_hour` the time an hour later."""


def read_form(fields: Mapping[str, str]) -> SittingForm:
    """Return the fields that were sent, each cleaned to one line; what is missing is empty."""
    lines = {
        name: clean_line(fields.get(name, ""))[:1000]
        for name in SittingForm.__dataclass_fields__
        if name not in ("agenda", "zone")
    }
    agenda = clean_text(fields.get("agenda", ""))
    return SittingForm(**lines, agenda=agenda, zone=fields.get("zone", ATHENS_NAME))


def template_fields(form: SittingForm) -> dict[str, str]:
    """Return what a template keeps of a form."""
    return {name: getattr(form, name) for name in TEMPLATE_FIELDS}


def form_of_template(fields: Mapping[str, object]) -> SittingForm:
    """Return a form filled from a template, whatever an older version kept there."""
    kept = ((name, fields.get(name)) for name in TEMPLATE_FIELDS)
    return replace(SittingForm(), **{name: text for name, text in kept if isinstance(text, str)})


def parse_template(form: SittingForm, limits: FormLimits) -> None:
    """Check what a template keeps.

    Raises:
        BadForm: see above.
    """
    errors: dict[str, str] = {}
    _parse_fields(form, limits, errors)
    if errors:
        raise BadForm(form, errors)


def parse_sitting(
    form: SittingForm, limits: FormLimits, now: datetime, *, kept_start: datetime | None = None
) -> SittingPlan:
    """Return what a form means.

    `kept_start` is when the sitting starts already: it may stay so even if it is past.

    Raises:
        BadForm: see above.
    """
    errors: dict[str, str] = {}
    plan = _parse_fields(form, limits, errors)
    recurrence = _parse_recurrence(form, errors)
    moments: Sequence[datetime] = ()
    starts: Sequence[datetime] = ()
    try:
        starts = _parse_starts(form, recurrence, errors, kept_start)
    except AmbiguousTime as ambiguous:
        errors["chosen"], moments = "time_ambiguous", (ambiguous.first, ambiguous.second)
    except NoSuchTime as missing:
        errors["time"], moments = "time_missing_hour", (missing.later,)
    if starts and starts[0] != kept_start:
        _check_starts(starts, limits, now, errors)
    if errors:
        raise BadForm(form, errors, moments)
    return replace(plan, starts=starts)


def parse_agenda(text: str, errors: dict[str, str]) -> Sequence[AgendaLine]:
    """Return the subjects, a line each."""
    items = []
    for line in text.split("\n"):
        title, _, speaker = (part.strip() for part in line.partition("|"))
        if title:
            items.append(AgendaLine(title, speaker))
    if len(items) > MAX_AGENDA_ITEMS:
        errors["agenda"] = "agenda_long"
    elif any(not is_good_item(item) for item in items):
        errors["agenda"] = "agenda_item_long"
    return items


def is_good_item(item: AgendaLine) -> bool:
    """Return whether a subject can be kept."""
    return 0 < len(item.title) <= 300 and len(item.speaker) <= MAX_SPEAKER_LENGTH


def write_agenda(items: Sequence[AgendaLine]) -> str:
    """Return subjects as they are typed."""
    return "\n".join(f"{each.title} | {each.speaker}" if each.speaker else each.title
                     for each in items)  # fmt: skip


def parse_number(text: str, least: int, most: int) -> int | None:
    """Return a whole number between two bounds, both included; None: it is none."""
    is_number = text.isascii() and text.isdigit() and len(text) < 7
    return int(text) if is_number and least <= int(text) <= most else None


def _parse_fields(form: SittingForm, limits: FormLimits, errors: dict[str, str]) -> SittingPlan:
    """Return the plan but for its times."""
    if not form.place:
        errors["place"] = "place_missing"
    if len(form.title) > MAX_TITLE_LENGTH:
        errors["title"] = "title_long"
    elif form.title and not fold(form.title):
        errors["title"] = "title_missing"
    kind = _parse_choice(SittingKind, form.kind) if form.kind else None
    if form.kind and kind is None:
        errors["kind"] = "kind_unknown"
    mode = _parse_choice(SittingMode, form.mode)
    if mode is None:
        errors["mode"] = "mode_unknown"
    length = parse_number(form.length_min, MIN_LENGTH_MIN, MAX_LENGTH_MIN)
    if length is None:
        errors["length_min"] = "length_bad"
    participants = parse_number(form.participants, MIN_PARTICIPANTS, limits.max_participants)
    if form.participants and participants is None:
        errors["participants"] = "participants_bad"
    open_before = parse_number(form.open_before_min, 0, MAX_OPEN_BEFORE_MIN)
    if open_before is None:
        errors["open_before_min"] = "open_before_bad"
    is_closed, admits_guests = form.is_closed == YES, form.admits_guests == YES
    if is_closed and admits_guests:
        errors["admits_guests"] = "closed_admits_none"
    return SittingPlan(
        title=form.title, kind=kind, mode=mode or SittingMode.REMOTE, starts=(),
        length=timedelta(minutes=length or MIN_LENGTH_MIN), participants=participants,
        open_before_min=open_before or 0, is_closed=is_closed, admits_guests=admits_guests,
        agenda=parse_agenda(form.agenda, errors),
    )  # fmt: skip


def _parse_recurrence(form: SittingForm, errors: dict[str, str]) -> Recurrence:
    rhythm = _parse_choice(Rhythm, form.rhythm or Rhythm.ONCE)
    if rhythm is None:
        errors["rhythm"] = "rhythm_unknown"
    if rhythm in (None, Rhythm.ONCE):
        return Recurrence()
    count = parse_number(form.count, 2, MAX_OCCURRENCES)
    if count is None:
        errors["count"] = "count_bad"
    return Recurrence(rhythm or Rhythm.ONCE, count or 2)


def _parse_starts(
    form: SittingForm, recurrence: Recurrence, errors: dict[str, str], kept: datetime | None
) -> Sequence[datetime]:
    """Return when it starts; nothing if that cannot be read.

    Raises:
        AmbiguousTime, NoSuchTime: the person must choose.
    """
    if form.zone != ATHENS_NAME:
        errors["time"] = "zone_unknown"
    try:
        day = parse_date(form.date)
    except ValueError:
        errors["date"] = "date_bad" if form.date else "date_missing"
    try:
        clock = parse_time(form.time)
    except ValueError:
        errors["time"] = "time_bad" if form.time else "time_missing"
    if {"date", "time"} & set(errors):
        return ()
    second = {Chosen.FIRST: False, Chosen.SECOND: True}.get(Chosen(form.chosen)) if (
        form.chosen in set(Chosen)) else None  # fmt: skip
    if kept is not None and second is None:
        wall = to_wall(kept)
        # Unchanged: which of the two it is was told when it was made.
        if (wall.date(), wall.time()) == (day, clock):
            return (kept,)
    try:
        return list_starts(day, clock, to_utc(day, clock, second=second), recurrence)
    except (OverflowError, ValueError):
        errors["date"] = "date_bad"
        return ()


def _check_starts(
    starts: Sequence[datetime], limits: FormLimits, now: datetime, errors: dict[str, str]
) -> None:
    if starts[0] < now - TYPED_LATE:
        is_today = to_wall(starts[0]).date() == to_wall(now).date()
        errors["time" if is_today else "date"] = "time_past"
    elif starts[-1] > now + timedelta(days=limits.days_ahead):
        errors["date" if len(starts) == 1 else "count"] = "date_far"


def _parse_choice(choices: type[Choice], text: str) -> Choice | None:
    return choices(text) if text in set(choices) else None
