"""The signalling process: pages, WebSockets and the links to the media workers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from sfu.client import OnEvent, OnState, SfuClient
from sfu.logs import Log
from sfu.values import RoomClass
from signaling.accounts.service import AccountsService, AccountsSettings
from signaling.addresses import parse_networks
from signaling.app import AppParts, AppSettings, make_app
from signaling.audit.service import AuditService
from signaling.clock import read_clocks
from signaling.config import Config, DemoConfig
from signaling.demo import DemoSettings
from signaling.kep.service import KepsService
from signaling.limits import OutgoingLimits, SessionLimits
from signaling.loadtest_entrance import MIN_SECRET_CHARACTERS, LoadTestSettings
from signaling.metrics import SignalingMetrics
from signaling.pages import WebFolders
from signaling.randomness import SystemRandomness
from signaling.room_session import MAX_VIDEO_STREAMS, RoomDescription
from signaling.rooms import RoomTable
from signaling.secrets import SecretMissing, read_secret
from signaling.tokens import load_or_create_key
from signaling.worker_link import RoomDirectory, WorkerAddress, WorkerLink

log = Log(__name__)

SHUTDOWN_TIMEOUT_S = 5.0
"""How long requests and sockets may take to end."""
LAG_INTERVAL_S = 0.5
STORAGE_PATIENCE_S = 5.0
"""How long to wait for the database before saying that rooms are ready without it."""
READY_PATIENCE_S = 15.0
"""A worker that refuses to serve (a kep worker on an old kernel) must not hide the others' rooms;
`/readyz` stays red."""


class CannotServe(Exception):
    """Something of the surroundings is wrong; the text says what and the remedy."""


class Ready(msgspec.Struct, frozen=True):
    """What is told on the ready descriptor, as one line of JSON."""

    port: int


async def serve(config: Config, ready_descriptor: int | None) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        CannotServe: the key, the certificate or the port cannot be used.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    metrics = SignalingMetrics(registry)
    accounts = _make_accounts(config)
    keps = KepsService(
        accounts, config.kep, sender=config.mail.sender,
        has_samples=config.identity.development.enabled,
        has_sample_call=config.identity.development.enabled,
    )  # fmt: skip
    audit = _make_audit(config, accounts)
    directory = _make_directory(config, audit)
    runner = web.AppRunner(
        _make_app(config, directory, registry, metrics, keps=keps, audit=audit),
        access_log=None,
        shutdown_timeout=SHUTDOWN_TIMEOUT_S,
    )
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    try:
        port = await _listen(config, runner)
        log.info("listening", port=port)
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(directory.run(), name="room-directory"),
                tasks.create_task(accounts.run(), name="accounts"),
                tasks.create_task(audit.run(), name="audit"),
                tasks.create_task(keps.run(), name="keps"),
                tasks.create_task(_measure_lag(metrics, asyncio.sleep), name="loop-lag"),
                tasks.create_task(
                    _tell_ready(directory, accounts, port, ready_descriptor), name="ready"
                ),
            ]
            await stopping.wait()
            # Sockets say goodbye and detach while the workers can still hear it.
            await runner.cleanup()
            for task in running:
                task.cancel()
    finally:
        await runner.cleanup()


def _make_audit(config: Config, accounts: AccountsService) -> AuditService:
    folder = Path(config.data_folder)
    try:
        return AuditService(config.audit, folder, read_clocks, accounts.database)
    except SecretMissing as error:
        raise CannotServe(str(error)) from error


def _make_directory(config: Config, audit: AuditService) -> RoomDirectory:
    demo = config.demo.rooms if config.demo.enabled else []
    rooms = [RoomDescription(each.id, each.room_class, each.title) for each in demo]
    table = RoomTable([*rooms, *config.loadtest.rooms()])
    addresses = [
        WorkerAddress(each.name, each.room_class, config.socket_path(each))
        for each in config.workers
    ]
    links = [WorkerLink(each, table, _make_client, audit.calls) for each in addresses]
    directory = RoomDirectory(table, links)
    table.watch_kep = audit.calls.handle_event
    audit.calls.attest = directory.attest
    return directory


def _make_client(path: Path, on_event: OnEvent, on_state: OnState) -> SfuClient:
    return SfuClient(path, on_event=on_event, on_state=on_state)


def _make_app(config: Config, directory: RoomDirectory, registry: CollectorRegistry,
              metrics: SignalingMetrics, *, keps: KepsService,
              audit: AuditService) -> web.Application:  # fmt: skip
    try:
        key = load_or_create_key(config.token_key_path)
    except (OSError, ValueError) as error:
        raise CannotServe(f"the key of room tokens: {error}") from error
    folders = WebFolders.of_package()
    if not (folders.templates.is_dir() and folders.static.is_dir()):
        raise CannotServe(f"{folders.static}: the front end's files are missing: install it whole")
    settings = AppSettings(
        origins=config.own_origins,
        is_https=config.public_origin.startswith("https://"),
        trusted_proxies=parse_networks(config.http.trusted_proxies),
        metrics_from=parse_networks(config.http.metrics_from),
        demo=_demo_settings(config.demo, config.own_origins),
        demo_rooms=tuple(room.id for room in config.demo.rooms),
        session_limits=SessionLimits(),
        outgoing_limits=OutgoingLimits(),
        max_video_streams=min(config.media.max_video_streams, MAX_VIDEO_STREAMS),
        allows_unencrypted=config.kep.allow_unencrypted_browsers,
        loadtest=_loadtest_settings(config),
        check=config.check,
        contact=config.contact,
    )
    parts = AppParts(
        directory=directory,
        key=key,
        clock=read_clocks,
        randomness=SystemRandomness(),
        folders=folders,
        registry=registry,
        metrics=metrics,
        accounts=keps.accounts,
        keps=keps,
        audit=audit,
    )
    return make_app(settings, parts)


def _make_accounts(config: Config) -> AccountsService:
    settings = AccountsSettings(
        data_folder=Path(config.data_folder),
        secrets_folder=config.secrets_folder,
        storage=config.storage,
        accounts=config.accounts,
        identity=config.identity,
        mail=config.mail,
        invitations=config.invitations,
        development_port=config.development_port,
        origins=config.own_origins,
        public_origin=config.public_origin,
        capacity=config.capacity,
        room_capacity=config.media.room_capacity,
    )
    try:
        return AccountsService(settings, read_clocks)
    except SecretMissing as error:
        raise CannotServe(str(error)) from error


def _demo_settings(demo: DemoConfig, origins: frozenset[str]) -> DemoSettings | None:
    if not demo.enabled:
        return None
    return DemoSettings(
        rooms=frozenset(room.id for room in demo.rooms),
        token_burst=demo.token_burst,
        token_rate=demo.tokens_per_second,
        origins=origins,
    )


def _loadtest_settings(config: Config) -> LoadTestSettings | None:
    if not config.loadtest.enabled:
        return None
    name, secret = config.loadtest.secret, ""
    if name:
        try:
            secret = read_secret(config.secrets_folder, name)
        except SecretMissing as error:
            raise CannotServe(f"loadtest.secret: {error}") from error
        if len(secret) < MIN_SECRET_CHARACTERS:
            raise CannotServe(
                f'loadtest.secret = "{name}": has less than {MIN_SECRET_CHARACTERS} characters: '
                "write a longer one, for example of `openssl rand -hex 32`"
            )
    media = config.media
    workers = [each.room_class for each in config.workers]
    return LoadTestSettings(
        rooms=config.loadtest.rooms(),
        secret=secret,
        origins=config.own_origins,
        room_capacity={
            RoomClass.COUNCIL: media.room_capacity,
            RoomClass.KEP: media.kep_room_capacity,
        },
        total_capacity={each: workers.count(each) * media.worker_capacity for each in RoomClass},
    )


async def _listen(config: Config, runner: web.AppRunner) -> int:
    """Return the port that is listened on."""
    http = config.http
    await runner.setup()
    site = web.TCPSite(runner, http.host, http.port, ssl_context=_tls_context(config))
    try:
        await site.start()
    except OSError as error:
        raise CannotServe(
            f"http.host = {http.host}, http.port = {http.port}: {error.strerror}: "
            "choose another port or stop what uses it"
        ) from error
    port: int = runner.addresses[0][1]
    return port


def _tls_context(config: Config) -> ssl.SSLContext | None:
    if not config.is_https:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(config.http.tls_certificate, config.http.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise CannotServe(
            f"http.tls_certificate = {config.http.tls_certificate}, http.tls_key = "
            f"{config.http.tls_key}: {error}: give PEM files that belong together"
        ) from error
    return context


async def _tell_ready(
    directory: RoomDirectory, accounts: AccountsService, port: int, descriptor: int | None
) -> None:
    """Write the ready line once every worker is adopted, or the patience with some is over. The
    database may be later still, or away."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(READY_PATIENCE_S):
            await directory.wait_ready()
    if not any(link.is_ready for link in directory.links):
        await directory.wait_ready()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STORAGE_PATIENCE_S):
            await accounts.is_ready.wait()
    log.info("ready", port=port)
    if descriptor is not None:
        with contextlib.suppress(OSError), os.fdopen(descriptor, "wb", buffering=0) as pipe:
            pipe.write(msgspec.json.encode(Ready(port=port)) + b"\n")


async def _measure_lag(
    metrics: SignalingMetrics, sleep: Callable[[float], Awaitable[None]]
) -> None:
    while True:
        started_s = time.monotonic()
        await sleep(LAG_INTERVAL_S)
        metrics.loop_lag.observe(max(0.0, time.monotonic() - started_s - LAG_INTERVAL_S))
