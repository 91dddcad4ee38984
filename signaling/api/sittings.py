"""Sittings in the API: listed, made, changed, cancelled, extended, ended; agenda and templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.rights import Action, places_of
from signaling.accounts.visitor import Visitor
from signaling.api.collective_bodies import PlaceValue
from signaling.api.parts import ApiParts
from signaling.api.table import (
    Call,
    Given,
    Id,
    Moment,
    NoBody,
    NoQuery,
    Paging,
    Table,
    Taken,
    Version,
    check_year,
    cut,
)
from signaling.paging import parse_cursor, write_cursor
from signaling.scheduling.agenda import AgendaRow, list_agenda
from signaling.scheduling.desk_parts import find_sitting, seen_bodies
from signaling.scheduling.recurrence import MAX_OCCURRENCES, Rhythm
from signaling.scheduling.sitting_changes import MAX_REASON_LENGTH, Seen
from signaling.scheduling.sitting_form import (
    DEFAULT_LENGTH_MIN,
    DEFAULT_OPEN_BEFORE_MIN,
    MAX_AGENDA_ITEMS,
    MAX_LENGTH_MIN,
    MAX_OPEN_BEFORE_MIN,
    MAX_SPEAKER_LENGTH,
    MAX_TITLE_LENGTH,
    MIN_LENGTH_MIN,
    MIN_PARTICIPANTS,
    YES,
    AgendaLine,
    Chosen,
    SittingForm,
    form_of_template,
    read_form,
    write_agenda,
)
from signaling.scheduling.sitting_lists import Phase, list_between, phase_of
from signaling.scheduling.sitting_templates import list_templates
from signaling.scheduling.sittings import EXTENSIONS_MIN, SentTwice, times_of
from signaling.scheduling.values import SittingKind, SittingMode, SittingState
from signaling.storage.models import Sitting

TABLE = Table("sittings")
MAX_BYTES = 512 * 1024
"""An agenda of a hundred long Greek subjects, escaped."""

if TYPE_CHECKING:
    ExtensionMin = int
else:
    ExtensionMin = Literal[EXTENSIONS_MIN]
Title = Annotated[str, msgspec.Meta(max_length=MAX_TITLE_LENGTH)]
Subject = Annotated[
    str,
    msgspec.Meta(min_length=1, max_length=300, pattern=r"^[^|\r\n]*$", description="One line."),
]
Speaker = Annotated[str, msgspec.Meta(max_length=MAX_SPEAKER_LENGTH, pattern=r"^[^|\r\n]*$")]
Day = Annotated[
    str,
    msgspec.Meta(
        pattern="^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$", description="In Greece."
    ),
]
Hour = Annotated[
    str, msgspec.Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$", description="In Greece.")
]


class Range(Paging, frozen=True, kw_only=True):
    """Sittings that start from `since` to before `until`."""

    since: Moment
    until: Moment


class NewSubject(Taken, frozen=True):
    """A subject of a new agenda."""

    title: Subject
    speaker: Speaker = ""


class SittingFields(Taken, frozen=True, kw_only=True):
    """What a sitting is; times as clocks in Greece show them."""

    place: PlaceValue
    date: Day
    time: Hour
    chosen: Chosen = Chosen.NEITHER
    """Which one, where clocks show a time twice."""
    title: Title = ""
    kind: SittingKind | None = None
    mode: SittingMode = SittingMode.REMOTE
    length_min: Annotated[int, msgspec.Meta(ge=MIN_LENGTH_MIN, le=MAX_LENGTH_MIN)] = (
        DEFAULT_LENGTH_MIN
    )
    participants: Annotated[int, msgspec.Meta(ge=MIN_PARTICIPANTS, le=100_000)] | None = None
    open_before_min: Annotated[int, msgspec.Meta(ge=0, le=MAX_OPEN_BEFORE_MIN)] = (
        DEFAULT_OPEN_BEFORE_MIN
    )
    is_closed: bool = False
    admits_guests: bool = False


class NewSitting(SittingFields, frozen=True, kw_only=True):
    """A sitting to make, or a series."""

    request_key: Id | None = None
    """Random: the same request sent twice makes one sitting."""
    rhythm: Rhythm = Rhythm.ONCE
    count: Annotated[int, msgspec.Meta(ge=2, le=MAX_OCCURRENCES)] = 2
    """Sittings of a series."""
    agenda: Annotated[Sequence[NewSubject], msgspec.Meta(max_length=MAX_AGENDA_ITEMS)] = ()


class SittingChange(SittingFields, frozen=True, kw_only=True):
    """All fields of a sitting, as they are to be."""

    version: Version


class Cancellation(Taken, frozen=True):
    """Why, and how much of a series."""

    version: Version
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_REASON_LENGTH)]
    whole_series: bool = False
    """The later ones of its series too."""


class Extension(Taken, frozen=True):
    """How much longer."""

    version: Version
    minutes: ExtensionMin


class Ending(Taken, frozen=True):
    """Close it now."""

    version: Version


class KeptSubject(Taken, frozen=True):
    """A subject, in its place; without `id` a new one."""

    title: Subject
    speaker: Speaker = ""
    id: Id | None = None


class AgendaChange(Taken, frozen=True):
    """The whole agenda, in order. What is not in it is removed."""

    version: Version
    items: Annotated[Sequence[KeptSubject], msgspec.Meta(max_length=MAX_AGENDA_ITEMS)]


class AgendaSubject(Given, frozen=True):
    """A subject of the agenda."""

    id: str
    number: int
    title: str
    speaker: str


class SittingLine(Given, frozen=True):
    """A sitting in a list."""

    id: str
    title: str
    kind: SittingKind
    mode: SittingMode
    phase: Phase
    starts_at: Moment
    ends_at: Moment
    is_closed: bool
    body_id: str
    unit_id: str | None
    collective_body_name: str


class SittingLines(Given, frozen=True):
    """A page of sittings by start; cancelled ones not."""

    items: Sequence[SittingLine]
    next: str | None


class FullSitting(Given, frozen=True):
    """A sitting."""

    id: str
    version: int
    title: str
    kind: SittingKind
    mode: SittingMode
    state: SittingState
    phase: Phase
    starts_at: Moment
    ends_at: Moment
    open_before_min: int
    expected_participants: int
    is_closed: bool
    admits_guests: bool
    body_id: str
    unit_id: str | None
    collective_body_id: str | None
    organiser_id: str
    series_id: str | None
    cancel_reason: str
    agenda: Sequence[AgendaSubject]


class SittingTemplateLine(Given, frozen=True):
    """A template: fields of a sitting but for its times, as the form has them."""

    id: str
    name: str
    fields: Mapping[str, str]


class SittingTemplates(Given, frozen=True):
    """All of them, by name."""

    items: Sequence[SittingTemplateLine]
    next: str | None


@TABLE.add("GET", "/sittings", right=Action.TAKE_PART_IN_SITTING, refusals=(404, 422))
async def list_sittings(api: ApiParts, call: Call[NoBody, Range]) -> SittingLines:
    """List the sittings of the caller's bodies that start within a range of time."""
    _check_coordinates(call.visitor)
    query, now = call.query, api.accounts.now()
    check_year(query.since, "since")
    check_year(query.until, "until")
    async with api.accounts.database.read() as session:
        rows = await list_between(
            session, seen_bodies(call.visitor), query.since, query.until,
            after=parse_cursor(query.after), limit=query.limit + 1,
        )  # fmt: skip
    shown, last = cut(rows, query.limit)
    lines = [
        SittingLine(
            each.id, each.title, each.kind, SittingMode(each.mode), each.phase(now),
            each.starts_at, each.ends_at, each.is_closed, each.body_id, each.unit_id,
            each.collective_body_name,
        )
        for each in shown
    ]  # fmt: skip
    return SittingLines(lines, write_cursor(last.starts_at, last.id) if last else None)


@TABLE.add(
    "POST", "/sittings", right=Action.CREATE_SITTING, status=201, refusals=(409, 422),
    max_bytes=MAX_BYTES,
)  # fmt: skip
async def create_sitting(api: ApiParts, call: Call[NewSitting, NoQuery]) -> FullSitting:
    """Make a sitting, or the first of a series. Sent twice, it answers with what was made."""
    body = call.body
    agenda = write_agenda([AgendaLine(each.title, each.speaker) for each in body.agenda])
    form = _form(body, rhythm=body.rhythm.value, count=str(body.count), agenda=agenda)
    origin = api.desk.origin(call.visitor, {"request_key": body.request_key or ""})
    try:
        sitting_id = (await api.sittings.create(call.visitor, form, origin))[0].id
    except SentTwice as before:
        sitting_id = before.sitting_id
    async with api.accounts.database.read() as session:
        return await _full(api, session, await session.get_one(Sitting, sitting_id))


@TABLE.add("GET", "/sittings/{sitting}", right=Action.TAKE_PART_IN_SITTING)
async def read_sitting(api: ApiParts, call: Call[NoBody, NoQuery]) -> FullSitting:
    """Give one sitting, with its agenda."""
    _check_coordinates(call.visitor)
    async with api.accounts.database.read() as session:
        sitting = await find_sitting(
            session, call.path["sitting"], call.visitor, Action.TAKE_PART_IN_SITTING
        )
        return await _full(api, session, sitting)


@TABLE.add("PUT", "/sittings/{sitting}", right=Action.MANAGE_SITTING, refusals=(409, 422))
async def change_sitting(api: ApiParts, call: Call[SittingChange, NoQuery]) -> FullSitting:
    """Give a sitting other fields; its agenda stays."""
    form = _form(call.body)
    return await _changed(api, await api.sittings.change(call.visitor, _seen(call), form))


@TABLE.add("POST", "/sittings/{sitting}/cancel", right=Action.MANAGE_SITTING, refusals=(409, 422))
async def cancel_sitting(api: ApiParts, call: Call[Cancellation, NoQuery]) -> FullSitting:
    """Call a sitting off; what it reserved is free at once, the invited are told."""
    body = call.body
    cancelled = await api.sittings.cancel(
        call.visitor, _seen(call), body.reason, whole_series=body.whole_series
    )
    return await _changed(api, cancelled)


@TABLE.add("POST", "/sittings/{sitting}/extend", right=Action.MANAGE_SITTING, refusals=(409,))
async def extend_sitting(api: ApiParts, call: Call[Extension, NoQuery]) -> FullSitting:
    """Move the planned end on, if there is room."""
    minutes = call.body.minutes
    return await _changed(api, await api.sittings.extend(call.visitor, _seen(call), minutes))


@TABLE.add("POST", "/sittings/{sitting}/end", right=Action.MANAGE_SITTING, refusals=(409,))
async def end_sitting(api: ApiParts, call: Call[Ending, NoQuery]) -> FullSitting:
    """Close a sitting that has begun."""
    return await _changed(api, await api.sittings.end(call.visitor, _seen(call)))


@TABLE.add(
    "PUT", "/sittings/{sitting}/agenda", right=Action.MANAGE_SITTING, refusals=(409,),
    max_bytes=MAX_BYTES,
)  # fmt: skip
async def change_agenda(api: ApiParts, call: Call[AgendaChange, NoQuery]) -> FullSitting:
    """Give a sitting another agenda."""
    rows = [
        AgendaRow(each.id or "", "", each.title, each.speaker) for each in call.body.items
    ]  # fmt: skip
    return await _changed(api, await api.sittings.change_agenda(call.visitor, _seen(call), rows))


@TABLE.add("GET", "/templates", right=Action.MANAGE_TEMPLATES, refusals=(404,))
async def list_sitting_templates(api: ApiParts, call: Call[NoBody, NoQuery]) -> SittingTemplates:
    """List the templates of the caller's places."""
    _check_coordinates(call.visitor)
    places = places_of(call.visitor.actor, Action.MANAGE_TEMPLATES)
    async with api.accounts.database.read() as session:
        rows = await list_templates(session, places)
    lines = [SittingTemplateLine(each.id, each.name, _kept(each.fields)) for each in rows]
    return SittingTemplates(lines, None)


def _check_coordinates(visitor: Visitor) -> None:
    if not visitor.may_somewhere(Action.CREATE_SITTING):
        raise web.HTTPNotFound()


def _seen(call: Call[Any, NoQuery]) -> Seen:
    return Seen(call.path["sitting"], str(call.body.version))


def _form(body: SittingFields, **more: str) -> SittingForm:
    """Return what the page's form would have sent, cleaned as it is."""
    return read_form(
        {
            "place": body.place,
            "title": body.title,
            "kind": body.kind.value if body.kind is not None else "",
            "mode": body.mode.value,
            "date": body.date,
            "time": body.time,
            "chosen": body.chosen.value,
            "length_min": str(body.length_min),
            "participants": "" if body.participants is None else str(body.participants),
            "open_before_min": str(body.open_before_min),
            "is_closed": YES if body.is_closed else "",
            "admits_guests": YES if body.admits_guests else "",
            **more,
        }
    )


def _kept(fields: Mapping[str, Any]) -> Mapping[str, str]:
    form = form_of_template(fields)
    return {name: getattr(form, name) for name in fields if hasattr(form, name)}


async def _changed(api: ApiParts, sitting: Sitting) -> FullSitting:
    async with api.accounts.database.read() as session:
        return await _full(api, session, sitting)


async def _full(api: ApiParts, session: AsyncSession, sitting: Sitting) -> FullSitting:
    items = await list_agenda(session, sitting.id)
    return FullSitting(
        id=sitting.id, version=sitting.version, title=sitting.title,
        kind=SittingKind(sitting.kind), mode=SittingMode(sitting.mode),
        state=SittingState(sitting.state),
        phase=phase_of(times_of(sitting), api.accounts.now()), starts_at=sitting.starts_at,
        ends_at=sitting.ends_at, open_before_min=sitting.open_before_min,
        expected_participants=sitting.expected_participants, is_closed=sitting.is_closed,
        admits_guests=sitting.admits_guests, body_id=sitting.body_id, unit_id=sitting.unit_id,
        collective_body_id=sitting.collective_body_id, organiser_id=sitting.organiser_id,
        series_id=sitting.series_id, cancel_reason=sitting.cancel_reason,
        agenda=[AgendaSubject(each.id, each.number, each.title, each.speaker) for each in items],
    )  # fmt: skip
