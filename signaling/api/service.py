"""Routes of the API, all made from the tables."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from aiohttp import web

from signaling.api import (
    appointments,
    bodies,
    collective_bodies,
    invitations,
    records,
    role_requests,
    session,
    sittings,
)
from signaling.api.document import make_document
from signaling.api.endpoint import Endpoint
from signaling.api.parts import ApiParts
from signaling.api.table import PREFIX, Table

DOCUMENT_PATH = PREFIX + "/openapi.json"
TABLES = (
    session.TABLE, bodies.TABLE, collective_bodies.TABLE, sittings.TABLE, invitations.TABLE,
    role_requests.TABLE, records.TABLE,
)  # fmt: skip


def add_api(app: web.Application, parts: ApiParts) -> None:
    """Add the operations, and the document that tells them; it is the same for everybody."""
    tables = tables_of(parts)
    for table in tables:
        for operation in table.operations:
            endpoint = Endpoint(parts, operation)
            app.router.add_route(operation.method, PREFIX + operation.path, endpoint.handle)
    document = make_document(tables, parts.accounts.visitors.cookie_name)
    content = msgspec.json.encode(document)

    async def describe(_: web.Request) -> web.Response:
        return web.Response(body=content, content_type="application/json")

    app.router.add_get(DOCUMENT_PATH, describe, allow_head=False)


def tables_of(parts: ApiParts) -> Sequence[Table]:
    """Return what there is: appointments only where there are ΚΕΠ."""
    return TABLES if parts.keps is None else (*TABLES, appointments.TABLE)
