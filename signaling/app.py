"""The aiohttp application: routes, middlewares, and what they share. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.typedefs import Middleware
from prometheus_client import CollectorRegistry

from signaling.accounts.parts import PageParts
from signaling.accounts.service import AccountsService
from signaling.addresses import Network, client_address, is_inside
from signaling.api.parts import ApiParts
from signaling.api.service import add_api
from signaling.audit.calls import CallAudit
from signaling.audit.service import AuditService
from signaling.audit.verb_guard import verb_guard
from signaling.background import beside
from signaling.clock import Clock
from signaling.demo import DemoSettings, DemoTokens
from signaling.door.door_socket import DoorConnection, DoorSocketServices, HoldersOf, no_holders
from signaling.door.doors import DoorParts, Doors
from signaling.frame_socket import FrameServices, SocketEndpoint
from signaling.health import Health
from signaling.helpdesk.config import CheckConfig, ContactConfig
from signaling.helpdesk.service import HelpdeskParts, HelpdeskService
from signaling.kep.call_service import CallServiceParts
from signaling.kep.calls import KepCalls
from signaling.kep.service import KepsService
from signaling.limits import OutgoingLimits, SessionLimits
from signaling.live.entry_pages import EntrySettings
from signaling.live.service import LiveParts, LiveService
from signaling.loadtest_entrance import (
    TOKEN_BURST,
    TOKENS_PER_SECOND,
    LoadTestEntrance,
    LoadTestSettings,
)
from signaling.metrics import SignalingMetrics
from signaling.middlewares import access_log, errors, security_headers
from signaling.mute_rule import NoMuteRule
from signaling.pages import HomeSettings, Pages, RoomPageSettings, WebFolders
from signaling.randomness import Randomness
from signaling.rendering import Renderer, keep_language
from signaling.room_session import SessionServices
from signaling.tokens import TokenGate, TokenKey
from signaling.ways_back import add_ways_back
from signaling.websocket import SocketConnection, SocketServices
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
    allows_unencrypted: bool = False
    """Whether kep rooms admit browsers without end-to-end encryption."""
    loadtest: LoadTestSettings | None = None
    """None: there is no entrance for load tests."""
    check: CheckConfig = field(default_factory=CheckConfig)
    contact: ContactConfig = field(default_factory=ContactConfig)


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
    doors: Doors | None = None
    """Of the directory's rooms; None: made here."""
    holders_of: HoldersOf | None = None
    """Tells browsers apart at the door; None: by the cookies of accounts."""
    keps: KepsService | None = None
    """Appointments with ΚΕΠ, which need accounts."""


def make_app(settings: AppSettings, parts: AppParts) -> web.Application:
    """Return the application. Sockets are told to come back later when it shuts down."""
    accounts = parts.accounts
    renderer = Renderer(
        parts.folders.templates, has_accounts=accounts is not None, has_keps=parts.keps is not None
    )
    helpdesk = _make_helpdesk(settings, parts, renderer)
    pages = _make_pages(settings, parts, renderer, helpdesk)
    app = web.Application(
        middlewares=[
            access_log(parts.metrics),
            keep_language,
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
    _add_health(app, settings, parts)
    _add_token_routes(app, settings, parts)
    doors = parts.doors or make_doors(parts.directory, parts.key, parts.randomness, parts.clock)
    calls = _make_calls(parts)
    _add_sockets(app, settings, parts, doors, calls)
    helpdesk.add_routes(app)
    _add_domain(app, settings, parts, PageKit(renderer, doors, calls))
    app.router.add_static("/static", parts.folders.static, follow_symlinks=False)
    add_ways_back(app)
    app.on_response_prepare.append(_cache_static)
    return app


def _make_pages(
    settings: AppSettings, parts: AppParts, renderer: Renderer, helpdesk: HelpdeskService
) -> Pages:
    demo_rooms = settings.demo_rooms if settings.demo is not None else ()
    room_page = RoomPageSettings(settings.max_video_streams, settings.allows_unencrypted)
    home = HomeSettings(demo_rooms, helpdesk.visitor_of, helpdesk.read_upcoming)
    return Pages(renderer, parts.directory.rooms, home, room_page)


def _make_helpdesk(settings: AppSettings, parts: AppParts, renderer: Renderer) -> HelpdeskService:
    return HelpdeskService(
        HelpdeskParts(
            directory=parts.directory, key=parts.key, randomness=parts.randomness,
            clock=parts.clock, renderer=renderer, origins=settings.origins,
            address_of=_address_reader(settings), accounts=parts.accounts,
            open_before=parts.keps.open_before if parts.keps is not None else None,
        ),
        settings.check,
        settings.contact,
    )  # fmt: skip


def _add_health(app: web.Application, settings: AppSettings, parts: AppParts) -> None:
    calls = _calls(parts.audit)
    health = Health(parts.directory, parts.registry, _metrics_guard(settings), calls)
    app.router.add_get("/healthz", health.healthz)
    app.router.add_get("/readyz", health.readyz)
    app.router.add_get("/metrics", health.metrics)


def _add_token_routes(app: web.Application, settings: AppSettings, parts: AppParts) -> None:
    """Add the entrances that hand out room tokens, where there are such."""

    def tokens_for(demo: DemoSettings) -> DemoTokens:
        return DemoTokens(
            demo,
            parts.key,
            parts.directory.rooms,
            clock=parts.clock,
            randomness=parts.randomness,
            address_of=_address_reader(settings),
        )

    if settings.demo is not None:
        app.router.add_post("/api/v1/demo/tokens", tokens_for(settings.demo).handle)
    if settings.loadtest is not None:
        tokens = DemoSettings(
            rooms=frozenset(each.room for each in settings.loadtest.rooms),
            token_burst=TOKEN_BURST,
            token_rate=TOKENS_PER_SECOND,
            origins=settings.loadtest.origins,
        )
        entrance = LoadTestEntrance(settings.loadtest, tokens_for(tokens))
        app.router.add_get("/api/v1/loadtest", entrance.describe)
        app.router.add_post("/api/v1/loadtest/tokens", entrance.tokens)


def _add_sockets(
    app: web.Application, settings: AppSettings, parts: AppParts, doors: Doors,
    calls: KepCalls | None,
) -> None:  # fmt: skip
    frames = FrameServices(
        clock=parts.clock, outgoing=settings.outgoing_limits, encoder=SharedEncoder(),
        metrics=parts.metrics,
    )  # fmt: skip
    endpoint = _make_endpoint(settings, parts, doors, frames, calls)
    door = _make_door(settings, doors, frames, parts)
    parts.metrics.sockets.set_function(lambda: len(endpoint) + len(door))
    app.router.add_get("/ws", endpoint.handle, allow_head=False)
    app.router.add_get("/door", door.handle, allow_head=False)
    app.cleanup_ctx.append(beside(doors.run, "doors"))

    async def say_goodbye(_: web.Application) -> None:
        endpoint.handle_shutdown()
        door.handle_shutdown()

    app.on_shutdown.append(say_goodbye)


@dataclass(frozen=True)
class PageKit:
    """What pages of the domain share."""

    renderer: Renderer
    doors: Doors
    calls: KepCalls | None


def _add_domain(app: web.Application, settings: AppSettings, parts: AppParts, kit: PageKit) -> None:
    """Add what stands on accounts: people, sittings, appointments; and the audit of calls."""
    address_of = _address_reader(settings)
    if parts.audit is not None:
        parts.audit.add_routes(app, kit.renderer, address_of)
    if parts.accounts is not None:
        parts.accounts.add_routes(app, kit.renderer, address_of)
        live = _make_live(settings, parts, parts.accounts.page_parts(kit.renderer), kit.doors)
        live.add_routes(app)
        parts.accounts.sittings.observers.append(live.rooms)
        add_api(app, _api_parts(settings, parts, kit.renderer))
    if parts.keps is not None and kit.calls is not None:
        calls = _call_parts(settings, parts, kit.doors, kit.calls)
        parts.keps.add_routes(app, kit.renderer, calls)


def _api_parts(settings: AppSettings, parts: AppParts, renderer: Renderer) -> ApiParts:
    accounts, keps = parts.accounts, parts.keps
    assert accounts is not None, "invariant: the interface stands on accounts"
    return ApiParts(
        accounts.desk_parts(renderer), accounts.invitation_changes, settings.origins,
        keps.kep_parts(renderer) if keps is not None else None,
    )  # fmt: skip


def make_doors(
    directory: RoomDirectory, key: TokenKey, randomness: Randomness, clock: Clock
) -> Doors:
    """Return the doors of the directory's rooms; none is open yet."""
    return Doors(
        DoorParts(
            rooms=directory.rooms, key=key, randomness=randomness, clock=clock,
            call=directory.call,
        )
    )  # fmt: skip


def _make_calls(parts: AppParts) -> KepCalls | None:
    """Return the running calls of appointments; None: there are no appointments."""
    if parts.keps is None:
        return None
    directory = parts.directory
    return KepCalls(
        directory.rooms, parts.clock, directory.post, parts.keps.note_sound_only,
        allows_unencrypted=parts.keps.allows_unencrypted,
        weak_network_s=parts.keps.weak_network_s,
    )  # fmt: skip


def _call_parts(
    settings: AppSettings, parts: AppParts, doors: Doors, calls: KepCalls
) -> CallServiceParts:
    assert parts.keps is not None, "invariant: calls are of appointments"
    return CallServiceParts(
        directory=parts.directory, doors=doors, calls=calls,
        records=parts.keps.records, clock=parts.clock, vault=parts.keps.accounts.vault,
        centre=parts.keps.make_centre(), audit=_calls(parts.audit),
        settings=_entry_settings(settings),
    )  # fmt: skip


def _make_endpoint(
    settings: AppSettings, parts: AppParts, doors: Doors, frames: FrameServices,
    calls: KepCalls | None,
) -> SocketEndpoint:  # fmt: skip
    sessions = SessionServices(
        gate=TokenGate(parts.key, started=parts.clock()),
        rooms=parts.directory.rooms,
        board=doors,
        randomness=parts.randomness,
        limits=settings.session_limits,
        max_video_streams=settings.max_video_streams,
        allows_unencrypted=settings.allows_unencrypted,
        mute_rule=calls or NoMuteRule(),
    )
    services = SocketServices(
        sessions=sessions,
        directory=parts.directory,
        doors=doors,
        frames=frames,
        audit=_calls(parts.audit),
    )
    return SocketEndpoint(
        lambda request, socket: SocketConnection(services, socket, request.transport),
        settings.origins,
    )


def _make_live(
    settings: AppSettings, parts: AppParts, pages: PageParts, doors: Doors
) -> LiveService:
    entry = _entry_settings(settings)
    return LiveService(pages, LiveParts(parts.directory, doors, parts.clock, entry))


def _entry_settings(settings: AppSettings) -> EntrySettings:
    return EntrySettings(
        origins=settings.origins,
        is_https=settings.is_https,
        max_video_streams=settings.max_video_streams,
        address_of=_address_reader(settings),
    )


def _make_door(
    settings: AppSettings, doors: Doors, frames: FrameServices, parts: AppParts
) -> SocketEndpoint:
    by_accounts = parts.accounts.visitors.holders if parts.accounts is not None else no_holders
    holders_of = parts.holders_of or by_accounts
    services = DoorSocketServices(doors, frames, settings.session_limits, holders_of)
    return SocketEndpoint(
        lambda request, socket: DoorConnection(services, request, socket), settings.origins
    )


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


def _address_reader(settings: AppSettings) -> Callable[[web.Request], str]:
    return lambda request: str(_address_of(request, settings.trusted_proxies))


def _address_of(request: web.Request, trusted: Sequence[Network]) -> object:
    forwarded_for = request.headers.getall("X-Forwarded-For", [])
    return client_address(request.remote, forwarded_for, trusted)


def _metrics_guard(settings: AppSettings) -> Callable[[web.Request], bool]:
    def may_read(request: web.Request) -> bool:
        forwarded_for = request.headers.getall("X-Forwarded-For", [])
        address = client_address(request.remote, forwarded_for, settings.trusted_proxies)
        return is_inside(address, settings.metrics_from)

    return may_read
