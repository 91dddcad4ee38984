"""«Αίτημα Αλλαγής Ρόλου» in the API: filed, withdrawn, decided (R18-R20)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from signaling.accounts.bodies import MAX_NAME_LENGTH
from signaling.accounts.decision import GRANTABLE, parse_decision
from signaling.accounts.request_changes import check_decides
from signaling.accounts.rights import Action
from signaling.accounts.role_requests import (
    MAX_PURPOSE_LENGTH,
    MAX_REASON_LENGTH,
    MIN_PURPOSE_LENGTH,
    RequestStatus,
    list_requests,
    parse_request_form,
    requests_of,
)
from signaling.api.bodies import Name
from signaling.api.parts import ApiParts
from signaling.api.table import (
    Call,
    Given,
    Id,
    Moment,
    NoBody,
    NoQuery,
    Paging,
    Refusal,
    Table,
    Taken,
    Version,
    cut,
)
from signaling.paging import parse_cursor, write_cursor
from signaling.storage.models import RoleRequest

TABLE = Table("role requests")
MAX_OWN = 100
if TYPE_CHECKING:
    GrantableRole = str
else:
    GrantableRole = Literal[tuple(each.value for each in GRANTABLE)]
PlaceName = Annotated[str, msgspec.Meta(max_length=MAX_NAME_LENGTH)]


class NewRoleRequest(Taken, frozen=True):
    """What somebody asks to coordinate, and why."""

    body_name: Name
    phone: Annotated[str, msgspec.Meta(min_length=10, max_length=30)]
    purpose: Annotated[
        str, msgspec.Meta(min_length=MIN_PURPOSE_LENGTH, max_length=MAX_PURPOSE_LENGTH)
    ]
    unit_name: PlaceName = ""


class Verdict(Taken, frozen=True):
    """The decision. To approve: role and place. To refuse: a reason."""

    version: Version
    verdict: Literal["approve", "refuse"]
    role: GrantableRole | None = None
    body_id: Id | None = None
    body_name: PlaceName = ""
    unit_name: PlaceName = ""
    reason: Annotated[str, msgspec.Meta(max_length=MAX_REASON_LENGTH)] = ""


class StatusQuery(Paging, frozen=True):
    """Which requests."""

    status: RequestStatus = RequestStatus.PENDING


class RoleRequestLine(Given, frozen=True):
    """A request, without what it says of the person."""

    id: str
    body_name: str
    unit_name: str
    status: RequestStatus
    filed_at: Moment
    reason: str
    version: int


class RoleRequestLines(Given, frozen=True):
    """A page of requests; the oldest first, own ones the newest first."""

    items: Sequence[RoleRequestLine]
    next: str | None


class FullRoleRequest(Given, frozen=True):
    """A request in full. That it was read is audited."""

    id: str
    body_name: str
    unit_name: str
    phone: str
    purpose: str
    status: RequestStatus
    filed_at: Moment
    reason: str
    version: int


@TABLE.add("POST", "/role-requests", right=Action.FILE_ROLE_REQUEST, status=201,
           refusals=(409, 422))  # fmt: skip
async def file_role_request(api: ApiParts, call: Call[NewRoleRequest, NoQuery]) -> RoleRequestLine:
    """Ask for the role of a coordinator."""
    body = call.body
    form = parse_request_form(
        {
            "body_name": body.body_name, "phone": body.phone, "unit_name": body.unit_name,
            "purpose": body.purpose,
        }
    )  # fmt: skip
    if form.errors:
        raise Refusal(422, "invalid_fields", errors=form.errors)
    return _line(await api.requests.file(call.visitor, form))


@TABLE.add("GET", "/my/role-requests", right=None)
async def list_my_role_requests(api: ApiParts, call: Call[NoBody, NoQuery]) -> RoleRequestLines:
    """List the caller's own requests, at most 100."""
    async with api.accounts.database.read() as session:
        rows = await requests_of(session, call.visitor.actor.person_id, MAX_OWN)
    return RoleRequestLines([_line(each) for each in rows], None)


@TABLE.add("POST", "/role-requests/{request}/withdraw", right=Action.WITHDRAW_ROLE_REQUEST)
async def withdraw_role_request(api: ApiParts, call: Call[NoBody, NoQuery]) -> RoleRequestLine:
    """Take an open request back; a decided one stays as it is."""
    return _line(await api.requests.withdraw(call.visitor, call.path["request"]))


@TABLE.add("GET", "/role-requests", right=Action.DECIDE_ROLE_REQUEST, refusals=(404,))
async def list_role_requests(api: ApiParts, call: Call[NoBody, StatusQuery]) -> RoleRequestLines:
    """List requests of one status, to who decides them."""
    check_decides(call.visitor)
    page = call.query
    async with api.accounts.database.read() as session:
        rows = await list_requests(
            session, page.status, after=parse_cursor(page.after), limit=page.limit + 1
        )
    shown, last = cut(rows, page.limit)
    end = write_cursor(last[0].filed_at, last[0].id) if last else None
    return RoleRequestLines([_line(each) for each, _ in shown], end)


@TABLE.add("GET", "/role-requests/{request}", right=Action.DECIDE_ROLE_REQUEST)
async def read_role_request(api: ApiParts, call: Call[NoBody, NoQuery]) -> FullRoleRequest:
    """Give one request; that it was read is audited."""
    found = await api.requests.read(call.visitor, call.path["request"])
    return FullRoleRequest(
        found.id, found.body_name, found.unit_name, found.phone, found.purpose,
        RequestStatus(found.status), found.filed_at, found.reason, found.version,
    )  # fmt: skip


@TABLE.add("POST", "/role-requests/{request}/decision", right=Action.DECIDE_ROLE_REQUEST,
           refusals=(409, 422))  # fmt: skip
async def decide_role_request(api: ApiParts, call: Call[Verdict, NoQuery]) -> RoleRequestLine:
    """Approve or refuse, once; the applicant is told by mail."""
    check_decides(call.visitor)
    body = call.body
    decision = parse_decision(
        {
            "verdict": body.verdict, "role": body.role or "", "body_id": body.body_id or "",
            "body_name": body.body_name, "unit_name": body.unit_name, "reason": body.reason,
        }
    )  # fmt: skip
    return _line(
        await api.requests.decide(call.visitor, call.path["request"], str(body.version), decision)
    )


def _line(found: RoleRequest) -> RoleRequestLine:
    return RoleRequestLine(
        found.id, found.body_name, found.unit_name, RequestStatus(found.status), found.filed_at,
        found.reason, found.version,
    )  # fmt: skip
