"""A citizen's appointments with a ΚΕΠ in the API: free times, booking, moving, cancelling (R42-R54).

What a citizen wrote about themselves is taken, never given.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any

import msgspec
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.rights import Action, Target
from signaling.accounts.visitor import Visitor
from signaling.api.parts import ApiParts
from signaling.api.table import (
    Call,
    Given,
    Id,
    Moment,
    NoBody,
    NoQuery,
    Refusal,
    Table,
    Taken,
    check_year,
)
from signaling.kep.appointment_pages import target_of_appointment
from signaling.kep.booking import Order
from signaling.kep.booking_pages import list_municipalities, list_services
from signaling.kep.day_steps import moment_of, step_of
from signaling.kep.forms import (
    MAX_ADDRESS_LENGTH,
    MAX_LEGAL_PERSON_LENGTH,
    MAX_NOTE_LENGTH,
    YES,
    parse_person_form,
)
from signaling.kep.notices import Place, place_of
from signaling.kep.parts import KepParts, check
from signaling.kep.plans import Wanted
from signaling.kep.records import list_own
from signaling.kep.values import (
    AppointmentState,
    IdentityDocument,
    SpecialRequirement,
    Theme,
    WayOfDelivery,
)
from signaling.storage.models import Appointment, Kep, KepService

TABLE = Table("appointments")


class ServiceQuery(Taken, frozen=True):
    """Which services."""

    theme: Theme
    municipality: Id | None = None
    """Of theme `municipal`: whose services."""


class Municipal(Given, frozen=True):
    """A municipality with services of its own."""

    id: str
    name: str


class Municipals(Given, frozen=True):
    """All of them, by name."""

    items: Sequence[Municipal]
    next: str | None


class OfferedService(Given, frozen=True):
    """A service that citizens are called about."""

    id: str
    name: str
    theme: Theme
    municipality_id: str | None


class OfferedServices(Given, frozen=True):
    """All of a theme, by name."""

    items: Sequence[OfferedService]
    next: str | None


class TimesQuery(Taken, frozen=True):
    """Where and when."""

    day: date | None = None
    """Without it only the days are told."""
    kep: Id | None = None
    """Without it: any ΚΕΠ."""


class FreeTimes(Given, frozen=True):
    """When there is room."""

    days: Sequence[date]
    """With a free time."""
    times: Sequence[Moment]
    """Of the day that was asked for."""


class NewAppointment(Taken, frozen=True, kw_only=True):
    """What a citizen books. The name is the account's."""

    service: Id
    kep: Id | None = None
    starts_at: Moment
    request_key: Id
    """Random: the same request sent twice makes one appointment."""
    email: Annotated[str, msgspec.Meta(min_length=3, max_length=254)]
    phone: Annotated[str, msgspec.Meta(min_length=10, max_length=30)]
    address: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ADDRESS_LENGTH)]
    legal_person: Annotated[str, msgspec.Meta(max_length=MAX_LEGAL_PERSON_LENGTH)] = ""
    """If the citizen acts for one."""
    document: IdentityDocument
    delivery: WayOfDelivery
    needs: Annotated[Sequence[SpecialRequirement], msgspec.Meta(max_length=2)] = ()
    note: Annotated[str, msgspec.Meta(max_length=MAX_NOTE_LENGTH)] = ""


class OtherTime(Taken, frozen=True):
    """Another time."""

    starts_at: Moment
    request_key: Id


class OwnAppointment(Given, frozen=True):
    """An appointment of the caller."""

    id: str
    state: AppointmentState
    theme: Theme
    starts_at: Moment
    ends_at: Moment
    service_id: str
    service_name: str
    kep_id: str
    kep_name: str


class OwnAppointments(Given, frozen=True):
    """The last 50, the newest first."""

    items: Sequence[OwnAppointment]
    next: str | None


@TABLE.add("GET", "/municipalities", right=Action.BOOK_APPOINTMENT)
async def list_municipals(api: ApiParts, call: Call[NoBody, NoQuery]) -> Municipals:
    """List the municipalities with services of their own."""
    _check_books(call.visitor)
    async with api.accounts.database.read() as session:
        rows = await list_municipalities(session)
    return Municipals([Municipal(each.id, each.name) for each in rows], None)


@TABLE.add("GET", "/services", right=Action.BOOK_APPOINTMENT)
async def list_offered_services(api: ApiParts, call: Call[NoBody, ServiceQuery]) -> OfferedServices:
    """List the services of a theme."""
    _check_books(call.visitor)
    query = call.query
    async with api.accounts.database.read() as session:
        rows = await list_services(session, query.theme, query.municipality)
    return OfferedServices(
        [OfferedService(row.id, row.name, Theme(row.theme), row.municipality_id) for row in rows],
        None,
    )


@TABLE.add("GET", "/services/{service}/times", right=Action.BOOK_APPOINTMENT)
async def list_free_times(api: ApiParts, call: Call[NoBody, TimesQuery]) -> FreeTimes:
    """Tell which days have a free time, and the free times of one day."""
    _check_books(call.visitor)
    async with api.accounts.database.read() as session:
        service = await _find_service(session, call.path["service"], call.query.kep)
        wanted = Wanted(Theme(service.theme), service.municipality_id, call.query.kep)
        search = await _keps(api).search(session, wanted)
        days = await search.days(session) if search.keps else []
        day = call.query.day
        is_near = day is not None and search.today <= day <= search.last_day
        times = await search.times(session, day) if day is not None and is_near else []
    return FreeTimes(
        [each.day for each in days if each.is_free], [moment_of(each) for each in times]
    )


@TABLE.add("GET", "/my/appointments", right=Action.SEE_APPOINTMENT)
async def list_appointments(api: ApiParts, call: Call[NoBody, NoQuery]) -> OwnAppointments:
    """List the caller's appointments."""
    async with api.accounts.database.read() as session:
        rows = await list_own(session, call.visitor.actor.person_id)
    return OwnAppointments([_own(each.appointment, each.kep, each.service) for each in rows], None)


@TABLE.add("POST", "/appointments", right=Action.BOOK_APPOINTMENT, status=201,
           refusals=(404, 409, 422))  # fmt: skip
async def book_appointment(api: ApiParts, call: Call[NewAppointment, NoQuery]) -> OwnAppointment:
    """Book. Sent twice, it answers with what was made."""
    _check_books(call.visitor)
    body, person = call.body, call.visitor.person
    assert person is not None, "invariant: required to be signed in"
    async with api.accounts.database.read() as session:
        service = await _find_service(session, body.service, body.kep)
    form = parse_person_form(_person_fields(body), Theme(service.theme))
    if form.errors:
        raise Refusal(422, "invalid_fields", errors=form.errors)
    made = await _keps(api).booking.book(
        Order(
            person_id=person.id, service_id=service.id, kep_id=body.kep,
            step=_step(body.starts_at), personal=form.personal(person.full_name),
            needs=form.special, document=IdentityDocument(form.document),
            delivery=WayOfDelivery(form.delivery), request_key=body.request_key,
        )
    )  # fmt: skip
    return await _shown(api, made)


@TABLE.add("GET", "/appointments/{appointment}", right=Action.CHANGE_APPOINTMENT)
async def read_appointment(api: ApiParts, call: Call[NoBody, NoQuery]) -> OwnAppointment:
    """Give one appointment of the caller."""
    return await _shown(api, await _find(api, call))


@TABLE.add(
    "POST", "/appointments/{appointment}/reschedule", right=Action.CHANGE_APPOINTMENT,
    refusals=(409, 422),
)  # fmt: skip
async def reschedule_appointment(api: ApiParts, call: Call[OtherTime, NoQuery]) -> OwnAppointment:
    """Take another time; the old one is free at once. The answer is the new appointment."""
    found = await _find(api, call)
    moved = await _keps(api).booking.reschedule(
        found.id, call.visitor.actor.person_id, _step(call.body.starts_at), call.body.request_key
    )
    return await _shown(api, moved)


@TABLE.add(
    "POST", "/appointments/{appointment}/cancel", right=Action.CHANGE_APPOINTMENT,
    refusals=(409,),
)  # fmt: skip
async def cancel_appointment(api: ApiParts, call: Call[NoBody, NoQuery]) -> OwnAppointment:
    """Cancel; sent twice, it does so once."""
    found = await _find(api, call)
    if found.state != AppointmentState.CANCELLED:
        if found.state != AppointmentState.BOOKED or found.starts_at <= api.accounts.now():
            raise Refusal(409, "wrong_state")
        await _keps(api).booking.cancel(found.id, call.visitor.actor.person_id)
        found = await _find(api, call)
    return await _shown(api, found)


def _keps(api: ApiParts) -> KepParts:
    assert api.keps is not None, "invariant: this table is used where there are ΚΕΠ"
    return api.keps


def _check_books(visitor: Visitor) -> None:
    target = Target(owner_id=visitor.actor.person_id)
    check(visitor, Action.BOOK_APPOINTMENT, target)


async def _find_service(session: AsyncSession, service_id: str, kep_id: str | None) -> KepService:
    service = await session.get(KepService, service_id)
    is_there = kep_id is None or await session.get(Kep, kep_id) is not None
    if service is None or not service.is_active or not is_there:
        raise web.HTTPNotFound()
    return service


async def _find(api: ApiParts, call: Call[Any, NoQuery]) -> Appointment:
    async with api.accounts.database.read() as session:
        found = await session.get(Appointment, call.path["appointment"])
    if found is None:
        raise web.HTTPNotFound()
    check(call.visitor, Action.CHANGE_APPOINTMENT, target_of_appointment(found))
    return found


async def _shown(api: ApiParts, appointment: Appointment) -> OwnAppointment:
    async with api.accounts.database.read() as session:
        place: Place = await place_of(session, appointment)
    return _own(appointment, place.kep, place.service)


def _own(appointment: Appointment, kep: Kep, service: KepService) -> OwnAppointment:
    return OwnAppointment(
        appointment.id, AppointmentState(appointment.state), Theme(appointment.theme),
        appointment.starts_at, appointment.ends_at, service.id, service.name, kep.id, kep.name,
    )  # fmt: skip


def _person_fields(body: NewAppointment) -> dict[str, str]:
    fields = {
        "email": body.email, "phone": body.phone, "address": body.address,
        "document": body.document.value, "delivery": body.delivery.value, "note": body.note,
    }  # fmt: skip
    if body.legal_person:
        fields |= {"represents": YES, "legal_person": body.legal_person}
    return fields | {f"need_{each.value}": YES for each in body.needs}


def _step(moment: datetime) -> int:
    """Return the step of a moment.

    Raises:
        Refusal: it is far from our times, or appointments begin at other times.
    """
    check_year(moment, "starts_at")
    step = step_of(moment)
    if moment_of(step) != moment:
        raise Refusal(422, "invalid_fields", errors={"starts_at": "time_bad"})
    return step
