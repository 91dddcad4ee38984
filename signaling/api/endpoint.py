"""The shell around one operation: who asks, from where, with what; and its answer as JSON."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from signaling.accounts.visitor import Stage, Visitor
from signaling.api.parts import ApiParts
from signaling.api.refusals import refusal_of
from signaling.api.table import ID_PATTERN, Call, NoBody, Operation, Refusal, Taken
from signaling.frame_socket import is_own_origin
from signaling.middlewares import problem
from signaling.wire_json import is_strict_json, safe_detail

TOKEN_HEADER = "X-Form-Token"
BODY_TYPE = "application/json"
STAGE_CODES = {
    Stage.ANONYMOUS: "not_signed_in",
    Stage.TERMS: "terms_not_accepted",
    Stage.EMAIL: "email_not_confirmed",
}

_ID = re.compile(ID_PATTERN.replace("$", r"\Z"))


class Endpoint:
    """Answers the requests for one operation."""

    def __init__(self, parts: ApiParts, operation: Operation) -> None:
        self._parts = parts
        self._operation = operation

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request; what is refused becomes problem details."""
        operation = self._operation
        try:
            visitor = await self._admit(request)
            call = Call(
                visitor, _read_ids(request.match_info), await self._read_body(request),
                _read_query(request, operation.query),
            )  # fmt: skip
            if operation.writes:
                self._parts.accounts.take_turn(visitor)
            answer = await operation.handler(self._parts, call)
        except Exception as error:  # what is no refusal of ours goes on as it is
            refusal = error if isinstance(error, Refusal) else refusal_of(error)
            if refusal is None:
                raise
            return _refuse(refusal)
        return web.Response(
            status=operation.status, body=msgspec.json.encode(answer), content_type=BODY_TYPE
        )

    async def _admit(self, request: web.Request) -> Visitor:
        """Return who asks.

        Raises:
            Refusal: nobody is signed in or not far enough; or a write that is not from our origin,
                or not of this session.
        """
        visitor = await self._parts.accounts.visitors.of(request)
        if visitor.stage is Stage.ANONYMOUS:
            raise Refusal(401, STAGE_CODES[visitor.stage])
        if self._operation.writes:
            if not is_own_origin(request.headers.getall("Origin", []), self._parts.origins):
                raise Refusal(403, "foreign_origin")
            sent = request.headers.get(TOKEN_HEADER, "").encode("utf-8", "replace")
            if not hmac.compare_digest(sent, visitor.form_token.encode()):
                raise Refusal(403, "stale_form")
        if visitor.stage < self._operation.stage:
            raise Refusal(403, STAGE_CODES[visitor.stage])
        return visitor

    async def _read_body(self, request: web.Request) -> Taken:
        if self._operation.body is NoBody:
            # A body that nobody reads would be a field that nobody refuses.
            if await request.content.read(1):
                raise Refusal(400, "body_not_wanted")
            return NoBody()
        if request.content_type != BODY_TYPE:
            raise web.HTTPUnsupportedMediaType(text="not_json")
        if (request.charset or "utf-8").lower() != "utf-8":
            raise web.HTTPUnsupportedMediaType(text="not_json")
        content = await request.clone(client_max_size=self._operation.max_bytes).read()
        try:
            if not is_strict_json(content.decode()):
                raise Refusal(400, "bad_body", detail="not strict JSON")
            value = _whole(msgspec.json.decode(content))
            return msgspec.convert(value, self._operation.body)
        except UnicodeDecodeError:
            raise Refusal(400, "bad_body", detail="not UTF-8") from None
        except msgspec.DecodeError as error:
            raise Refusal(400, "bad_body", detail=safe_detail(error)) from None


def _read_ids(found: Mapping[str, str]) -> Mapping[str, str]:
    # What does not look like an id answers like one that is not there, and no database sees it.
    if not all(_ID.match(each) for each in found.values()):
        raise web.HTTPNotFound()
    return dict(found)


def _whole(value: Any) -> Any:
    """Return the value with whole numbers as such: to JSON Schema 1.0 is an integer."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {name: _whole(each) for name, each in value.items()}
        case list():
            return [_whole(each) for each in value]
    return value


def _read_query(request: web.Request, query: type[Taken]) -> Taken:
    values: dict[str, str] = {}
    for name, value in request.query.items():
        if name in values:
            raise Refusal(400, "bad_query", detail=f"{name[:40]} occurs twice")
        values[name] = value
    try:
        return msgspec.convert(values, query, strict=False)
    except msgspec.ValidationError as error:
        raise Refusal(400, "bad_query", detail=safe_detail(error)) from None


def _refuse(refusal: Refusal) -> web.Response:
    facts = {name: each for name, each in refusal.facts.items() if each}
    if refusal.errors:
        facts["errors"] = dict(refusal.errors)
    return problem(refusal.status, refusal.code, **facts)
