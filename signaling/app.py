"""The aiohttp application: routes, middlewares, and what they share. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Middleware
from prometheus_client import CollectorRegistry

from signaling.accounts.service import AccountsService
from signaling.addresses import Network, client_address, is_inside
from signaling.audit.calls import CallAudit
from signaling.audit.service import AuditService
from signaling.audit.verb_guard import verb_guard
from signaling.clock import Clock
from signaling.demo import DemoSettings, DemoTokens
from signaling.health import Health
from signaling.limits import OutgoingLimits, SessionLimits
from signaling.metrics import SignalingMetrics
from signaling.middlewares import access_log, errors, security_headers
from signaling.pages import Pages, WebFolders
from signaling.randomness import Randomness
from signaling.rendering import Renderer
from signaling.room_session import SessionServices
from signaling.tokens import TokenGate, TokenKey
from signaling.websocket import SocketEndpoint, SocketServices
from signaling.wire_json import SharedEncoder
from signaling.worker_link import RoomDirectory

MAX_BODY_BYTES = 64 * 1024


@dataclass(frozen=True)
class AppSettings:
    """What the application needs of the configuration."""

    origins: frozenset[str]
    is_https: bool
    trusted_proxies: Sequence[Network]
    metrics_from: Sequence[Network]
    demo: DemoSettings | None
    """None: there is no demo entrance."""
    demo_rooms: tuple[str, ...]
    """In the order of the home page."""
    session_limits: SessionLimits
    outgoing_limits: OutgoingLimits
    max_video_streams: int
    """Receive-only video m-lines that clients are told they may offer."""


@dataclass(frozen=True)
class AppParts:
    """What the application is put together from."""

    directory: RoomDirectory
    key: TokenKey
    clock: Clock
    randomness: Randomness
    folders: WebFolders
    registry: CollectorRegistry
    metrics: SignalingMetrics
    accounts: AccountsService | None = None
    """None: there are rooms only."""
    audit: AuditService | None = None
    """None: there are no kep calls."""


def make_app(settings: AppSettings, parts: AppParts) -> web.Application:
    """Return the application. Sockets are told to come back later when it shuts down."""
    rooms = parts.directory.rooms
    demo_rooms = settings.demo_rooms if settings.demo is not None else ()
    accounts, audit = parts.accounts, parts.audit
    renderer = Renderer(parts.folders.templates, has_accounts=accounts is not None)
    visitor_of = accounts.visitors.or_anonymous if accounts is not None else None
    pages = Pages(renderer, rooms, demo_rooms, settings.max_video_streams, visitor_of)
    endpoint = _make_endpoint(settings, parts)
    health = Health(parts.directory, parts.registry, _metrics_guard(settings), _calls(audit))
    app = web.Application(
        middlewares=[
            access_log(parts.metrics),
            security_headers(
                settings.is_https, accounts.form_targets if accounts is not None else ()
            ),
            errors(pages.error),
            *_guards(parts),
        ],
        client_max_size=MAX_BODY_BYTES,
    )
    app.router.add_get("/", pages.home)
    app.router.add_get("/rooms/{room}", pages.room)
    app.router.add_get("/ws", endpoint.handle, allow_head=False)
    app.router.add_get("/healthz", health.healthz)
    app.router.add_get("/readyz", health.readyz)
    app.router.add_get("/metrics", health.metrics)
    if settings.demo is not None:
        tokens = DemoTokens(
            settings.demo,
            parts.key,
            rooms,
            clock=parts.clock,
            randomness=parts.randomness,
            address_of=lambda request: str(_address_of(request, settings.trusted_proxies)),
        )
        app.router.add_post("/api/v1/demo/tokens", tokens.handle)
    for pages_of in (audit, accounts):
        if pages_of is not None:
            pages_of.add_routes(
                app, renderer, lambda request: str(_address_of(request, settings.trusted_proxies))
            )
    app.router.add_static("/static", parts.folders.static, follow_symlinks=False)
    app.on_response_prepare.append(_cache_static)

    async def say_goodbye(_: web.Application) -> None:
        endpoint.handle_shutdown()

    app.on_shutdown.append(say_goodbye)
    return app


def _make_endpoint(settings: AppSettings, parts: AppParts) -> SocketEndpoint:
    sessions = SessionServices(
        gate=TokenGate(parts.key, started=parts.clock()),
        rooms=parts.directory.rooms,
        randomness=parts.randomness,
        limits=settings.session_limits,
        max_video_streams=settings.max_video_streams,
    )
    services = SocketServices(
        sessions=sessions,
        directory=parts.directory,
        clock=parts.clock,
        outgoing=settings.outgoing_limits,
        encoder=SharedEncoder(),
        metrics=parts.metrics,
        audit=_calls(parts.audit),
    )
    return SocketEndpoint(services, settings.origins)


def _calls(audit: AuditService | None) -> CallAudit | None:
    return None if audit is None else audit.calls


def _guards(parts: AppParts) -> list[Middleware]:
    """Return what stands before the handlers of kep rooms."""
    audit = parts.audit
    if audit is None:
        return []
    return [
        verb_guard(
            parts.directory.rooms.describe,
            lambda room, verb: audit.calls.verb_refused(room, verb, "http", None),
        )
    ]


async def _cache_static(request: web.Request, response: web.StreamResponse) -> None:
    """Let browsers keep our files but ask each time (ETag): modules import each other by name.

    Fonts never change under one name.
    """
    if request.path.startswith("/static/"):
        is_font = request.path.endswith(".woff2")
        response.headers["Cache-Control"] = FONT_CACHE if is_font else "no-cache"


FONT_CACHE = "public, max-age=31536000, immutable"


def _address_of(request: web.Request, trusted: Sequence[Network]) -> object:
    forwarded_for = request.headers.getall("X-Forwarded-For", [])
    return client_address(request.remote, forwarded_for, trusted)


def _metrics_guard(settings: AppSettings) -> Callable[[web.Request], bool]:
    def may_read(request: web.Request) -> bool:
        forwarded_for = request.headers.getall("X-Forwarded-For", [])
        address = client_address(request.remote, forwarded_for, settings.trusted_proxies)
        return is_inside(address, settings.metrics_from)

    return may_read
