"""The application with accounts on loopback, the development provider beside it, and visitors."""

from __future__ import annotations

import asyncio
import contextlib
import html
import re
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry

from signaling.accounts.config import AccountsConfig
from signaling.accounts.service import AccountsService, AccountsSettings
from signaling.api.parts import ApiParts
from signaling.app import AppParts, make_app
from signaling.audit.config import AuditConfig
from signaling.audit.service import AuditService
from signaling.clock import Instant, read_clocks
from signaling.identity.config import DevelopmentProviderConfig, IdentityConfig
from signaling.identity.development import DevelopmentProvider, DevelopmentSettings
from signaling.identity.providers import DEVELOPMENT_CLIENT, development_secret
from signaling.kep.config import KepConfig
from signaling.kep.service import KepsService
from signaling.mail.config import MailConfig
from signaling.metrics import SignalingMetrics
from signaling.pages import WebFolders
from signaling.randomness import SystemRandomness
from signaling.rendering import Renderer
from signaling.rooms import RoomTable
from signaling.storage.config import StorageConfig
from signaling.tokens import TokenKey
from signaling.worker_link import RoomDirectory, WorkerAddress, WorkerLink
from tests.support.databases import storage_config
from tests.support.ports import free_port
from tests.support.signaling_parts import COUNCIL_ROOM
from tests.support.signaling_server import default_settings, make_client
from tests.support.waiting import PATIENCE_S

ADMINISTRATOR, CLERK, MEMBER = "123456783", "142500000", "200000020"

_CSRF = re.compile(r'name="csrf" value="([0-9a-f]{64})"')
_LINK = re.compile(r'href="(http[^"]*/email/confirm/[^"]+)"')


@dataclass
class ShiftedClock:
    """The machine's clock, moved on by tests."""

    shift_s: float = 0.0

    def __call__(self) -> Instant:
        now = read_clocks()
        return Instant(now.monotonic_s + self.shift_s, now.wall_s + self.shift_s)


@dataclass
class AccountsServer:
    """One running application."""

    url: str
    provider_url: str
    service: AccountsService
    keps: KepsService
    provider: DevelopmentProvider
    clock: ShiftedClock
    directory: RoomDirectory
    audit: AuditService
    app: web.Application

    def api_parts(self) -> ApiParts:
        """Return what the API is put together from."""
        renderer = Renderer(WebFolders.of_package().templates, has_accounts=True, has_keps=True)
        return ApiParts(
            self.service.desk_parts(renderer), self.service.invitation_changes,
            frozenset({self.url}), self.keps.kep_parts(renderer),
        )  # fmt: skip

    def visitor(self) -> AbstractAsyncContextManager[VisitorClient]:
        """Open a browser's worth of cookies."""
        return visitor_of(self)


@dataclass
class Shown:
    """An answer, after redirects."""

    status: int
    path: str
    text: str
    headers: dict[str, str]


class Site(Protocol):
    """Where a visitor is."""

    @property
    def url(self) -> str:
        """Address of the home page, without a slash at the end."""


@dataclass
class VisitorClient:
    """Follows links and sends forms as a browser without scripts does."""

    server: Site
    http: aiohttp.ClientSession
    last: Shown | None = None

    async def get(self, path: str, *, follow: bool = True) -> Shown:
        url = path if path.startswith("http") else self.server.url + path
        async with self.http.get(url, allow_redirects=follow) as response:
            return await self._keep(response)

    async def post(self, path: str, *, csrf: str | None = None, **fields: str) -> Shown:  # fmt: skip
        """Send a form with the token of the page shown last."""
        token = self.csrf if csrf is None else csrf
        url = path if path.startswith("http") else self.server.url + path
        data = {"csrf": token, **fields}
        async with self.http.post(url, data=data) as response:
            return await self._keep(response)

    @property
    def csrf(self) -> str:
        assert self.last is not None
        found = _CSRF.search(self.last.text)
        return found[1] if found else ""

    def cookie(self, name: str = "session") -> str | None:
        return next((each.value for each in self.http.cookie_jar if each.key == name), None)

    async def sign_in(self, tax_number: str, realm: str = "citizens") -> Shown:
        """Choose a person at the development provider."""
        shown = await self.get(f"/sign-in/{realm}", follow=False)
        assert shown.status == 303, shown
        async with self.http.post(
            shown.headers["Location"], data={"person": tax_number}
        ) as response:
            return await self._keep(response)

    async def enter(self, tax_number: str, email: str | None = None) -> Shown:
        """Sign in and go through terms and e-mail, as far as they are asked for."""
        shown = await self.sign_in(tax_number)
        if shown.path == "/terms":
            shown = await self.post("/terms", accept="yes", version=self.server_terms)
        if shown.path == "/email":
            await self.post("/email", email=email or f"person{tax_number[:3]}@dimos.gr")
            shown = await self.confirm_email()
        assert shown.path == "/account", shown
        return shown

    async def confirm_email(self) -> Shown:
        """Follow the link of the newest mail."""
        link = await self.mailed_link()
        await self.get(link)
        return await self.post(link)

    async def mailed_link(self) -> str:
        found = _LINK.search((await self.get("/outbox")).text)
        assert found is not None
        return html.unescape(found[1])

    @property
    def server_terms(self) -> str:
        return AccountsConfig().terms_version

    async def _keep(self, response: aiohttp.ClientResponse) -> Shown:
        text = await response.text()
        self.last = Shown(response.status, response.url.path, text, dict(response.headers))
        return self.last


@contextlib.asynccontextmanager
async def visitor_of(site: Site) -> AsyncIterator[VisitorClient]:
    """Open a browser's worth of cookies."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        yield VisitorClient(site, http)


@contextlib.asynccontextmanager
async def running_accounts(
    backend: str = "sqlite", *, storage: StorageConfig | None = None,
    accounts: AccountsConfig | None = None, mail: MailConfig | None = None,
    attempt_burst: int = 100, wait: bool = True, workers: Sequence[WorkerAddress] = (),
    folder: Path | None = None, kep: KepConfig | None = None,
) -> AsyncIterator[AccountsServer]:  # fmt: skip
    """Run the application with real templates on an empty database."""
    async with contextlib.AsyncExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="acc")))
        if storage is None:
            storage = await stack.enter_async_context(storage_config(backend))
        port, provider_port = free_port(), free_port()
        url = f"http://127.0.0.1:{port}"
        settings = AccountsSettings(
            data_folder=folder, secrets_folder="", storage=storage,
            accounts=accounts or AccountsConfig(),
            identity=IdentityConfig(
                attempt_burst=attempt_burst,
                development=DevelopmentProviderConfig(True, provider_port, (ADMINISTRATOR,)),
            ),
            mail=mail or MailConfig(), development_port=provider_port,
            origins=frozenset({url}), public_origin=url,
        )  # fmt: skip
        clock = ShiftedClock()
        service = AccountsService(settings, clock)
        keps = KepsService(
            service, kep or KepConfig(), sender=settings.mail.sender, has_samples=True
        )
        audit = AuditService(AuditConfig(), folder, clock)
        provider = DevelopmentProvider(
            DevelopmentSettings(
                provider_port, DEVELOPMENT_CLIENT, development_secret(folder), [url]
            )
        )
        await _serve(stack, provider.make_app(), provider_port)
        for work in (service.run(), keps.run(), audit.run()):
            stack.push_async_callback(_cancel, asyncio.create_task(work))
        await audit.writer.wait_open()
        directory = await _start_directory(stack, workers, audit)
        app = _make_app(service, keps, audit, url=url, directory=directory, clock=clock)
        await _serve(stack, app, port)
        if wait:
            async with asyncio.timeout(PATIENCE_S):
                await keps.is_ready.wait()
        yield AccountsServer(
            url, f"http://127.0.0.1:{provider_port}", service, keps, provider, clock, directory,
            audit, app,
        )  # fmt: skip


async def _start_directory(
    stack: contextlib.AsyncExitStack, workers: Sequence[WorkerAddress], audit: AuditService
) -> RoomDirectory:
    table = RoomTable([COUNCIL_ROOM])
    directory = RoomDirectory(
        table, [WorkerLink(each, table, make_client, audit.calls) for each in workers]
    )
    table.watch_kep = audit.calls.handle_event
    audit.calls.attest = directory.attest
    running = asyncio.create_task(directory.run())
    stack.push_async_callback(_cancel, running)
    async with asyncio.timeout(PATIENCE_S):
        await directory.wait_ready()
    return directory


def _make_app(
    service: AccountsService, keps: KepsService, audit: AuditService, *, url: str,
    directory: RoomDirectory, clock: ShiftedClock,
) -> web.Application:  # fmt: skip
    registry = CollectorRegistry()
    parts = AppParts(
        directory=directory, key=TokenKey.generate(), clock=clock,
        randomness=SystemRandomness(), folders=WebFolders.of_package(), registry=registry,
        metrics=SignalingMetrics(registry), accounts=service, keps=keps, audit=audit,
    )  # fmt: skip
    return make_app(replace(default_settings(), origins=frozenset({url})), parts)


async def _serve(stack: contextlib.AsyncExitStack, app: web.Application, port: int) -> None:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", port).start()


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
