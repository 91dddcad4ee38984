"""«Αίτημα Αλλαγής Ρόλου» (R18–R20): its form (pure), and its records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy import bindparam, func, select, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.bodies import MAX_NAME_LENGTH
from signaling.accounts.texts import clean_line, clean_text, fold, parse_phone
from signaling.storage.models import Person, RoleRequest

MAX_PURPOSE_LENGTH = 1000
MIN_PURPOSE_LENGTH = 10
MAX_REASON_LENGTH = 1000


class RequestStatus(StrEnum):
    """How far a request is."""

    PENDING = "pending"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class RequestForm:
    """The fields of R19, cleaned, and what is wrong with them."""

    body_name: str = ""
    phone: str = ""
    unit_name: str = ""
    purpose: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    """Field → code of the text that tells what to do."""


class AlreadyPending(Exception):
    """The person has an open request."""


class AlreadyDecided(Exception):
    """Somebody else was faster, or it was withdrawn."""


def parse_request_form(form: Mapping[str, str]) -> RequestForm:
    """Return the fields of a sent form. Nothing typed is lost: it comes back with the errors."""
    body_name = clean_line(form.get("body_name", ""))
    unit_name = clean_line(form.get("unit_name", ""))
    phone = clean_line(form.get("phone", ""))
    purpose = clean_text(form.get("purpose", ""))
    errors = {}
    if not fold(body_name):
        errors["body_name"] = "body_name_missing"
    elif len(body_name) > MAX_NAME_LENGTH:
        errors["body_name"] = "name_too_long"
    if len(unit_name) > MAX_NAME_LENGTH:
        errors["unit_name"] = "name_too_long"
    try:
        phone = parse_phone(phone)
    except ValueError:
        errors["phone"] = "bad_phone" if phone else "phone_missing"
    if len(purpose) < MIN_PURPOSE_LENGTH:
        errors["purpose"] = "purpose_short" if purpose else "purpose_missing"
    elif len(purpose) > MAX_PURPOSE_LENGTH:
        errors["purpose"] = "purpose_long"
    return RequestForm(body_name, phone, unit_name, purpose, errors)


def parse_reason(form: Mapping[str, str]) -> str:
    """Return the reason of a decision, cut to its limit."""
    return clean_text(form.get("reason", ""))[:MAX_REASON_LENGTH]


async def file_request(
    session: AsyncSession, person_id: str, form: RequestForm, now: datetime
) -> RoleRequest:
    """Keep a request.

    Raises:
        AlreadyPending: see above; a form sent twice is one request.
    """
    request = RoleRequest(
        person_id=person_id, body_name=form.body_name, unit_name=form.unit_name,
        phone=form.phone, purpose=form.purpose, status=RequestStatus.PENDING, filed_at=now,
    )  # fmt: skip
    try:
        async with session.begin_nested():
            session.add(request)
    except IntegrityError:
        raise AlreadyPending from None
    return request


def check_open(request: RoleRequest, version: str) -> None:
    """Refuse to decide what has changed since it was read.

    Raises:
        AlreadyDecided: see above.
    """
    if request.status != RequestStatus.PENDING or str(request.version) != version:
        raise AlreadyDecided


async def list_requests(
    session: AsyncSession, status: RequestStatus, *, after: tuple[datetime, str] | None, limit: int
) -> Sequence[tuple[RoleRequest, Person]]:
    """Return up to `limit` requests, oldest first, from behind `after` (time of filing and id)."""
    query = (
        select(RoleRequest, Person)
        .join(Person, Person.id == RoleRequest.person_id)
        .where(RoleRequest.status == status)
        .order_by(RoleRequest.filed_at, RoleRequest.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(tuple_(RoleRequest.filed_at, RoleRequest.id) > after)
    return [(row[0], row[1]) for row in await session.execute(query)]


async def requests_of(session: AsyncSession, person_id: str, limit: int) -> Sequence[RoleRequest]:
    """Return a person's latest requests, newest first."""
    return list(await session.scalars(_OF_PERSON, {"person_id": person_id, "limit": limit}))


async def count_pending(session: AsyncSession) -> int:
    """Return how many wait for a decision."""
    query = select(func.count()).where(RoleRequest.status == RequestStatus.PENDING)
    return await session.scalar(query) or 0


_OF_PERSON = (
    select(RoleRequest)
    .where(RoleRequest.person_id == bindparam("person_id"))
    .order_by(RoleRequest.filed_at.desc())
    .limit(bindparam("limit"))
)
