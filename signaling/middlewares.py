"""What every HTTP answer passes through: log, security headers, one form of errors."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from multidict import CIMultiDict

from sfu.logs import Log
from signaling.metrics import SignalingMetrics
from signaling.storage.database import RETRY_AFTER_S, ChangedMeanwhile, StorageUnavailable

log = Log(__name__)

RenderError = Callable[[web.Request, int], Awaitable[web.Response]]

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "worker-src 'self'",
        "style-src 'self'",
        "font-src 'self'",
        "img-src 'self'",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'self'",
    )
)
"""Nothing inline, nothing from elsewhere."""

SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
STRICT_TRANSPORT_SECURITY = "max-age=31536000"


def access_log(metrics: SignalingMetrics) -> Middleware:
    """Log each request by its route's pattern: no path, query, address or header."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        started_s = time.monotonic()
        status = 500
        try:
            response = await handler(request)
            status = response.status
            return response
        except web.HTTPException as refusal:
            status = refusal.status
            raise
        finally:
            route = route_of(request)
            metrics.requests.labels(route=route, status=f"{status // 100}xx").inc()
            log.info(
                "request",
                method=request.method if request.method in _METHODS else "other",
                route=route,
                status=status,
                duration_ms=round((time.monotonic() - started_s) * 1000, 1),
            )

    return middleware


def security_headers(is_https: bool, form_targets: Sequence[str] = ()) -> Middleware:
    """Add the headers above to everything, errors included.

    `form_targets` are origins that a form of ours may lead on to: browsers hold redirects to
    `form-action` too, and sign-out goes by way of the sign-in service.
    """
    policy = " ".join((CONTENT_SECURITY_POLICY, *form_targets))

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if not response.prepared:
            response.headers.setdefault("Content-Security-Policy", policy)
            for name, value in SECURITY_HEADERS.items():
                response.headers.setdefault(name, value)
            response.headers.setdefault("Cache-Control", "no-store")
            if is_https:
                response.headers["Strict-Transport-Security"] = STRICT_TRANSPORT_SECURITY
        return response

    return middleware


def errors(render_error: RenderError) -> Middleware:
    """Answer failures as problem details (RFC 9457) below /api, as a page elsewhere."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        code: str | None
        headers: CIMultiDict[str] | None
        try:
            return await handler(request)
        except web.HTTPRedirection:
            raise
        except StorageUnavailable:
            log.warning("storage unavailable", route=route_of(request))
            status, code = 503, "storage_unavailable"
            headers = CIMultiDict({"Retry-After": str(RETRY_AFTER_S)})
        except ChangedMeanwhile:
            status, headers, code = 409, None, "changed_meanwhile"
        except web.HTTPException as refusal:
            status, headers = refusal.status, refusal.headers
            code = refusal.text if isinstance(refusal, web.HTTPError) else None
        except Exception:  # task root of a request: a defect costs this request only
            log.exception("request failed", route=route_of(request))
            status, headers, code = 500, None, None
        if request.path.startswith("/api/"):
            response = problem(status, code)
        else:
            response = await render_error(request, status)
        for name in ("Retry-After", "Allow"):
            if headers is not None and name in headers:
                response.headers[name] = headers[name]
        return response

    return middleware


def problem(status: int, code: str | None, **facts: object) -> web.Response:
    """Return problem details. `code` is a stable snake_case word, as in the WebSocket protocol;
    `facts` are members beside it (RFC 9457 §3.2)."""
    body = {**facts, "type": "about:blank", "title": _title(status), "status": status}
    if code is not None and code.replace("_", "").isalpha():
        body["code"] = code
    return web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/problem+json"
    )


def route_of(request: web.Request) -> str:
    """Return the pattern of the route, such as `/rooms/{room}`; `unknown` if there is none."""
    resource = request.match_info.route.resource
    return "unknown" if resource is None else resource.canonical


def _title(status: int) -> str:
    return _TITLES.get(status, "Error")


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_TITLES = {
    400: "Bad request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Request too large",
    415: "Unsupported media type",
    422: "Unprocessable content",
    429: "Too many requests",
    500: "Internal error",
    503: "Unavailable",
}
