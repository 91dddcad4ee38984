"""Configuration of the service. Read once, in `main.py`; every key is shown in configs/.

Sub-configurations are passed to the objects that need them; nobody else reads files or the
environment.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sfu.config import MediaConfig, WorkerConfig
from sfu.logs import LOG_LEVELS
from sfu.settings import SettingsError, load
from sfu.values import RoomClass
from signaling.accounts.config import AccountsConfig, accounts_problems
from signaling.addresses import parse_networks
from signaling.audit.config import AuditConfig, audit_problems
from signaling.helpdesk.config import CheckConfig, ContactConfig, helpdesk_problems
from signaling.identity.config import IdentityConfig, identity_problems
from signaling.kep.config import KepConfig, kep_problems
from signaling.loadtest_rooms import LoadTestConfig, loadtest_problems
from signaling.mail.config import MailConfig, mail_problems
from signaling.scheduling.config import (
    CapacityConfig,
    InvitationsConfig,
    capacity_problems,
    invitations_problems,
)
from signaling.storage.config import StorageConfig, storage_problems
from signaling.tokens import IDENTIFIER


@dataclass(frozen=True)
class HttpConfig:
    """Where people reach the pages and the WebSocket."""

    host: str = "127.0.0.1"
    """Address to listen on. Default: this machine only."""
    port: int = 8080
    """TCP port, 1 to 65535."""
    origins: tuple[str, ...] = ()
    """Origins of our own pages, such as `https://meet.example.gr`. Compared whole. Empty: what is
    derived from host and port, which is right without a proxy."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks (CIDR) whose X-Forwarded-For is believed. Empty: none."""
    tls_certificate: str = ""
    """PEM file with the certificate chain. Empty: plain HTTP, for development or behind a proxy."""
    tls_key: str = ""
    """PEM file with its private key."""
    metrics_from: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    """Networks (CIDR) that may read /metrics."""


@dataclass(frozen=True)
class WorkerEntry:
    """One media worker process."""

    name: str
    """Unique: letters a to z, digits, hyphens. Names the socket, the metrics and the log lines."""
    room_class: RoomClass
    """`council` or `kep`. A room is only placed on a worker of its class."""


@dataclass(frozen=True)
class DemoRoom:
    """A room of the demo entrance."""

    id: str
    """Part of its address: letters a to z, digits, hyphens, at most 64."""
    room_class: RoomClass
    """`council` or `kep`. Fixed for ever."""
    title: str
    """What people read."""


@dataclass(frozen=True)
class DemoConfig:
    """Rooms that anybody may enter in any role. Never in production."""

    enabled: bool = False
    """Whether there is a demo entrance at all."""
    token_burst: int = 100
    """Room tokens one address gets at once."""
    tokens_per_second: float = 10.0
    """Room tokens a second for one address after that."""
    rooms: tuple[DemoRoom, ...] = ()
    """The rooms."""


@dataclass(frozen=True)
class LogConfig:
    """JSON lines on standard error. No names, addresses, tokens or room ids."""

    level: str = "info"
    """`debug`, `info`, `warning` or `error`."""


@dataclass(frozen=True)
class Config:
    """The whole configuration."""

    data_folder: str = "var"
    """Keys and sockets; relative to the folder the service is started in. Made with mode 0700."""
    http: HttpConfig = field(default_factory=HttpConfig)
    """Pages and WebSocket."""
    media: MediaConfig = field(default_factory=MediaConfig)
    """What all media workers have in common."""
    workers: tuple[WorkerEntry, ...] = ()
    """Media workers, at least one. The first has `media.first_port`, each further the next."""
    demo: DemoConfig = field(default_factory=DemoConfig)
    """Demo entrance."""
    loadtest: LoadTestConfig = field(default_factory=LoadTestConfig)
    """Rooms for load tests."""
    secrets_folder: str = ""
    """Folder with one file per secret, its name the file's. Empty: no secret is configured."""
    storage: StorageConfig = field(default_factory=StorageConfig)
    """Database."""
    accounts: AccountsConfig = field(default_factory=AccountsConfig)
    """Accounts."""
    identity: IdentityConfig = field(default_factory=IdentityConfig)
    """Sign-in."""
    mail: MailConfig = field(default_factory=MailConfig)
    """Mail."""
    capacity: CapacityConfig = field(default_factory=CapacityConfig)
    """What may be scheduled at the same time."""
    invitations: InvitationsConfig = field(default_factory=InvitationsConfig)
    """Invitations."""
    audit: AuditConfig = field(default_factory=AuditConfig)
    """Audit chain of kep calls."""
    kep: KepConfig = field(default_factory=KepConfig)
    """Appointments and calls with a ΚΕΠ."""
    check: CheckConfig = field(default_factory=CheckConfig)
    """Device and network check."""
    contact: ContactConfig = field(default_factory=ContactConfig)
    """Contact form."""
    log: LogConfig = field(default_factory=LogConfig)
    """Log."""

    @property
    def run_folder(self) -> Path:
        """Where the sockets are."""
        return Path(self.data_folder) / "run"

    @property
    def token_key_path(self) -> Path:
        """Where the signing key of room tokens is."""
        return Path(self.data_folder) / "room-token-key.pem"

    def socket_path(self, worker: WorkerEntry) -> Path:
        """Return the RPC socket of `worker`."""
        return self.run_folder / f"{worker.name}.sock"

    def worker_configs(self) -> list[WorkerConfig]:
        """Return what each worker process is started with."""
        first_port = self.media.first_port
        return [
            WorkerConfig(
                worker=worker.name,
                room_class=worker.room_class,
                socket_path=self.socket_path(worker).absolute(),
                port=first_port + index if first_port else 0,
                media=self.media,
                log_level=self.log.level,
            )
            for index, worker in enumerate(self.workers)
        ]

    @property
    def is_https(self) -> bool:
        """Whether we speak TLS ourselves."""
        return bool(self.http.tls_certificate)

    @property
    def development_port(self) -> int:
        """TCP port of the development provider."""
        return self.identity.development.port or min(65535, self.http.port + 1)

    @property
    def public_origin(self) -> str:
        """Origin that links in mails lead to: the first configured one."""
        if self.http.origins:
            return self.http.origins[0]
        scheme = "https" if self.is_https else "http"
        # Everywhere is no place to go to: links lead to this machine then.
        host = "127.0.0.1" if self.http.host in ("0.0.0.0", "::", "") else self.http.host
        return f"{scheme}://{_url_host(host)}:{self.http.port}"

    @property
    def is_public(self) -> bool:
        """Whether people from other machines may reach us."""
        hosts = [origin.partition("://")[2].rpartition(":")[0] or origin.partition("://")[2]
                 for origin in self.http.origins]  # fmt: skip
        local = ("127.0.0.1", "localhost", "::1", "[::1]")
        return any(host not in local for host in (self.http.host, *hosts))

    @property
    def own_origins(self) -> frozenset[str]:
        """Origins of our own pages."""
        if self.http.origins:
            return frozenset(self.http.origins)
        scheme, port = ("https", 443) if self.is_https else ("http", 80)
        suffix = "" if self.http.port == port else f":{self.http.port}"
        hosts = {"127.0.0.1", "localhost", _url_host(self.http.host)}
        return frozenset(f"{scheme}://{host}{suffix}" for host in hosts)


def load_config(path: Path) -> Config:
    """Return the configuration in `path`.

    Raises:
        SettingsError: it cannot be read, or a key or value is wrong. The text names key, value and
            remedy.
    """
    try:
        mapping: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read: {error.strerror}"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}: not TOML: {error}"]) from error
    config = load(Config, mapping, str(path))
    problems = find_problems(config)
    if problems:
        raise SettingsError([f"{path}: {problem}" for problem in problems])
    return config


def find_problems(config: Config) -> list[str]:
    """Return what types cannot say, each with key, value and remedy."""
    return [
        *_http_problems(config.http),
        *_worker_problems(config),
        *_demo_problems(config),
        *_loadtest_problems(config),
        *_log_problems(config.log),
        *audit_problems(config.audit),
        *storage_problems(config.storage),
        *accounts_problems(config.accounts),
        *identity_problems(config.identity, config.is_public),
        *_mail_problems(config),
        *capacity_problems(config.capacity),
        *invitations_problems(config.invitations),
        *kep_problems(config.kep),
        *helpdesk_problems(config.check, config.contact),
    ]


def _http_problems(http: HttpConfig) -> list[str]:
    problems = []
    if not 1 <= http.port <= 65535:
        problems.append(f"http.port = {http.port}: a TCP port is 1 to 65535")
    if bool(http.tls_certificate) != bool(http.tls_key):
        problems.append("http.tls_certificate and http.tls_key: give both or neither")
    for origin in http.origins:
        scheme, separator, host = origin.partition("://")
        if scheme not in ("http", "https") or not separator or not host or "/" in host:
            problems.append(
                f'http.origins: "{origin}": write scheme, host and perhaps port, no path, '
                'such as "https://meet.example.gr"'
            )
    for key in ("trusted_proxies", "metrics_from"):
        try:
            parse_networks(getattr(http, key))
        except ValueError as error:
            problems.append(f'http.{key}: {error}: write networks such as "10.0.0.0/8"')
    return problems


def _worker_problems(config: Config) -> list[str]:
    workers = config.workers
    if not workers:
        return ["workers: none: add a [[workers]] table for each class of room"]
    problems = []
    last_port = config.media.first_port + len(workers) - 1
    if config.media.first_port and last_port > 65535:
        problems.append(
            f"media.first_port = {config.media.first_port}: {len(workers)} workers need as many "
            "ports up to 65535, use a lower one"
        )
    names = [worker.name for worker in workers]
    for name in sorted(set(names)):
        if not IDENTIFIER.fullmatch(name):
            problems.append(f'workers.name = "{name}": use a to z, digits and hyphens')
        if names.count(name) > 1:
            problems.append(f'workers.name = "{name}": occurs twice, give each its own')
    return problems


def _demo_problems(config: Config) -> list[str]:
    problems = []
    classes = {worker.room_class for worker in config.workers}
    ids = [room.id for room in config.demo.rooms]
    for room in config.demo.rooms:
        if not IDENTIFIER.fullmatch(room.id):
            problems.append(f'demo.rooms.id = "{room.id}": use a to z, digits and hyphens')
        if ids.count(room.id) > 1:
            problems.append(f'demo.rooms.id = "{room.id}": occurs twice, give each its own')
        if room.room_class not in classes:
            problems.append(
                f'demo.rooms.room_class = "{room.room_class}": no worker of this class, '
                "add one to [[workers]]"
            )
    if config.demo.token_burst < 1 or config.demo.tokens_per_second <= 0:
        problems.append("demo.token_burst, demo.tokens_per_second: must be above 0")
    return problems


def _loadtest_problems(config: Config) -> list[str]:
    classes = frozenset(worker.room_class for worker in config.workers)
    return loadtest_problems(config.loadtest, classes, config.is_public)


def _log_problems(log: LogConfig) -> list[str]:
    if log.level in LOG_LEVELS:
        return []
    return [f'log.level = "{log.level}": use one of {", ".join(LOG_LEVELS)}']


def _mail_problems(config: Config) -> list[str]:
    if not config.identity.providers and not config.identity.development.enabled:
        return []  # nobody can sign in, so there is nobody to write to
    return mail_problems(config.mail, config.identity.development.enabled)


def _url_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host
