"""`/receipts`: a participant's receipt of a kep call, to read, print, or keep as JSON.

The secret comes in the body of a POST only, so it is in no address and no log. An unknown one, an
expired one and a random one are answered alike.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec
from aiohttp import web

from recording_policy.audit import AuditError
from recording_policy.verify import CHECKPOINT, VerifiedReceipt
from sfu.logs import Log
from signaling.clock import Clock
from signaling.rate_limits import RateLimit
from signaling.rendering import Renderer

log = Log(__name__)

REQUESTS_BURST, REQUESTS_RATE = 30.0, 0.5
"""Receipts one address may ask for at once, and a second after that."""
RETRY_AFTER_S = 5
_SECRET = re.compile(r"[A-Za-z0-9_-]{20,128}")


class Receipts(Protocol):
    """Where receipts come from."""

    @property
    def key_path(self) -> Path:
        """The signing key; the public one is beside it."""

    async def receipt(self, secret_digest: bytes) -> tuple[dict[str, Any], VerifiedReceipt] | None:
        """Return the receipt; None if nobody was given that secret, or it is too old.

        Raises:
            CallIsOpen: the call has not ended.
            AuditError: the log cannot be read.
        """


class CallIsOpen(Exception):
    """The call has not ended, so there is no receipt yet."""


class ReceiptPages:
    """Handlers."""

    def __init__(
        self, receipts: Receipts, renderer: Renderer, clock: Clock,
        address_of: Callable[[web.Request], str],
    ) -> None:  # fmt: skip
        self._receipts = receipts
        self._renderer = renderer
        self._clock = clock
        self._address_of = address_of
        self._limit = RateLimit(burst=REQUESTS_BURST, rate=REQUESTS_RATE)

    def add_routes(self, app: web.Application) -> None:
        """Add the pages."""
        app.router.add_get("/receipts", self.ask)
        app.router.add_post("/receipts", self.give)

    async def ask(self, request: web.Request) -> web.Response:
        """Ask for the secret."""
        return self._renderer.render(request, "receipt_ask.html", {"problem": ""})

    async def give(self, request: web.Request) -> web.Response:
        """Answer with the receipt: a page, or a file with `format=json`."""
        self._limit.take(self._address_of(request), self._clock().monotonic_s)
        form = await request.post()
        secret = form.get("secret", "")
        if not isinstance(secret, str) or not _SECRET.fullmatch(secret.strip()):
            return self._refuse(request, "malformed", 422)
        digest = hashlib.sha256(secret.strip().encode()).digest()
        try:
            found = await self._receipts.receipt(digest)
        except CallIsOpen:
            return self._refuse(request, "open", 409)
        except AuditError as error:
            log.error("a receipt cannot be given", detail=str(error))
            return self._refuse(request, "unavailable", 503)
        if found is None:
            return self._refuse(request, "unknown", 404)
        receipt, proved = found
        if form.get("format") == "json":
            return _file(receipt)
        values = page_values(receipt, proved)
        values |= {"secret": secret.strip(), "key": _fingerprint(self._receipts.key_path)}
        return _private(self._renderer.render(request, "receipt.html", values))

    def _refuse(self, request: web.Request, problem: str, status: int) -> web.Response:
        response = self._renderer.render(
            request, "receipt_ask.html", {"problem": problem}, status=status
        )
        if status in (409, 503):
            response.headers["Retry-After"] = str(RETRY_AFTER_S)
        return _private(response)


def page_values(receipt: dict[str, Any], proved: VerifiedReceipt) -> dict[str, Any]:
    """Return what the page shows: all of it from lines that are proved."""
    closing = proved.closing
    statement = proved.statement["facts"]["statement"]
    joined = [body for body in proved.entries if body["kind"] == "participant_joined"]
    return {
        "call": proved.call,
        "actor": receipt["actor"],
        "role": joined[0]["facts"]["role"] if joined else "",
        "opened_at": _moment(proved.entries[0]["time_ms"]),
        "closed_at": _moment(closing["time_ms"]),
        "events": [
            {
                "at": _moment(body["time_ms"]),
                "kind": body["kind"],
                "detail": _detail(body["facts"]),
                "sequence": body["sequence"],
                "hash": place["line"][:64],
            }
            for body, place in zip(proved.entries, receipt["entries"], strict=True)
        ],
        "withheld": int(closing["facts"]["entries"]) - len(proved.entries),
        "encryption": closing["facts"]["end_to_end_encryption"],
        "is_same_worker": closing["facts"]["worker_is_same"],
        "tried_again": closing["facts"]["tried_again"],
        "statement": statement,
        "prohibitions": {name: len(tries) for name, tries in statement["probes"].items()},
        "closing": {"sequence": closing["sequence"], "hash": receipt["closing"][:64]},
        "checkpoint": {"kind": CHECKPOINT, "hash": receipt["checkpoint"][:64]},
    }


def _detail(facts: dict[str, Any]) -> str:
    """Return the one code that says more about an entry."""
    for name in ("reason", "phase", "verb", "end_to_end_encryption", "result", "role"):
        if name in facts:
            return str(facts[name])
    return ""


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _fingerprint(key_path: Path) -> str:
    public = key_path.with_name(key_path.name + ".pub")
    return hashlib.sha256(public.read_bytes()).hexdigest()


def _file(receipt: dict[str, Any]) -> web.Response:
    name = f"synedrion-receipt-{receipt['call'][:8]}.json"
    response = web.Response(
        body=msgspec.json.format(msgspec.json.encode(receipt), indent=1),
        content_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
    return _private(response)


def _private(response: web.Response) -> web.Response:
    response.headers["Cache-Control"] = "no-store"
    return response
