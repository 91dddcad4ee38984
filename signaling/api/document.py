"""The OpenAPI 3.1 document, made from the table of operations. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from signaling.api.refusals import Problem
from signaling.api.table import ID_PATTERN, PREFIX, NoBody, Operation, Table

JSON = "application/json"
PROBLEM_JSON = "application/problem+json"
REFERENCE = "#/components/schemas/{name}"
VERSION = "1.0.0"

ALWAYS = {
    401: "Nobody is signed in.",
    403: "Terms or e-mail are not confirmed yet; of writes also: `foreign_origin`, `stale_form`.",
    503: "The database is away; `Retry-After` says when to come back.",
}
OF_INPUT = {400: "A parameter or the body is not what this document says."}
OF_WRITES = {429: "Too many writes of one person; `Retry-After` says when to come back."}
OF_BODIES = {413: "The body is too large.", 415: "The body is not `application/json`."}
SOMETIMES = {
    404: "There is no such thing, or it is not yours: both answer alike.",
    409: "It has changed meanwhile, or something stands in the way; `code` says what.",
    422: "Well formed, but not possible; `errors` has a code for each field.",
}


def make_document(tables: Sequence[Table], cookie_name: str) -> Mapping[str, Any]:
    """Return the document. `cookie_name` is that of the session."""
    operations = [each for table in tables for each in table.operations]
    types: set[type[msgspec.Struct]] = {Problem, *(each.answer for each in operations)}
    types |= {each.body for each in operations if each.body is not NoBody}
    types |= {each.query for each in operations}
    names = sorted(types, key=lambda each: each.__name__)
    _, components = msgspec.json.schema_components(names, ref_template=REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for table in tables:
        for operation in table.operations:
            item = paths.setdefault(PREFIX + operation.path, {})
            item[operation.method.lower()] = _describe(operation, table.tag, components)
    queries = {each.query.__name__ for each in operations}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Synedrion", "version": VERSION, "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": {name: each for name, each in components.items() if name not in queries},
            "securitySchemes": _security_schemes(cookie_name),
        },
    }


def _describe(operation: Operation, tag: str, components: Mapping[str, Any]) -> dict[str, Any]:
    schemes = ("session", "form_token", "origin") if operation.writes else ("session",)
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [tag],
        "security": [{name: [] for name in schemes}],
        "parameters": [*_path_parameters(operation), *_query_parameters(operation, components)],
        "responses": _responses(operation),
    }
    if operation.right is not None:
        described["x-right"] = operation.right.value
    if operation.body is not NoBody:
        described["requestBody"] = {
            "required": True,
            "content": {JSON: {"schema": _reference(operation.body)}},
        }
    return described


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    schema = {"type": "string", "pattern": ID_PATTERN}
    return [
        {"name": name, "in": "path", "required": True, "schema": schema}
        for name in operation.path_names
    ]


def _query_parameters(operation: Operation, components: Mapping[str, Any]) -> list[dict[str, Any]]:
    schema = components[operation.query.__name__]
    return [
        {"name": name, "in": "query", "required": name in schema["required"], "schema": _told(each)}
        for name, each in schema["properties"].items()
    ]


def _told(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of a parameter that is told, if it is told: there is no null in addresses."""
    if "anyOf" not in schema:
        return schema
    return next(each for each in schema["anyOf"] if each.get("type") != "null")


def _responses(operation: Operation) -> dict[str, Any]:
    refusals = {**OF_INPUT, **ALWAYS}
    if operation.writes:
        refusals |= OF_WRITES
    if operation.body is not NoBody:
        refusals |= OF_BODIES
    expected = operation.refusals | ({404} if operation.path_names else set())
    refusals |= {status: SOMETIMES[status] for status in expected}
    answer = {"description": "Done.", "content": {JSON: {"schema": _reference(operation.answer)}}}
    content = {PROBLEM_JSON: {"schema": _reference(Problem)}}
    return {str(operation.status): answer} | {
        str(status): {"description": text, "content": content}
        for status, text in sorted(refusals.items())
    }


def _reference(kind: type) -> dict[str, str]:
    return {"$ref": REFERENCE.format(name=kind.__name__)}


def _security_schemes(cookie_name: str) -> dict[str, Any]:
    return {
        "session": {
            "type": "apiKey", "in": "cookie", "name": cookie_name,
            "description": "The session of a person who has signed in with a browser.",
        },
        "form_token": {
            "type": "apiKey", "in": "header", "name": "X-Form-Token",
            "description": "`form_token` of `GET /api/v1/session`; for writes.",
        },
        "origin": {
            "type": "apiKey", "in": "header", "name": "Origin",
            "description": "Origin of this service, such as `https://meet.example.gr`; for writes.",
        },
    }  # fmt: skip


_ABOUT = (
    "The actions of the pages, as JSON, with the same rights, rules and audit trail. Moments are "
    "RFC 3339 in UTC. Lists are paged: ask again with `after` set to `next` until it is null. "
    "Errors are problem details (RFC 9457) with a stable `code`."
)
