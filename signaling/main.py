"""The command line `synedrion`, and the composition of its commands."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec
import uvloop

from recording_policy.sandbox.memory import ENVIRONMENT
from sfu.config import EXIT_UNLOCKED, WorkerConfig
from sfu.settings import SettingsError
from sfu.values import Role, RoomClass
from signaling import control_plane
from signaling.accounts.commands import NoSuchPerson, make_administrator
from signaling.audit import commands as audit_commands
from signaling.clock import read_clocks
from signaling.config import Config, load_config
from signaling.grants import initial_grants
from signaling.identity.development import DevelopmentSettings
from signaling.identity.providers import DEVELOPMENT_CLIENT, development_secret
from signaling.logs import configure_logs
from signaling.mail.config import Delivery
from signaling.pages import roles_of
from signaling.randomness import SystemRandomness
from signaling.secrets import SecretMissing
from signaling.storage.database import StorageUnavailable
from signaling.supervisor import ProcessSpec, StartFailed, Supervisor
from signaling.tokens import MAX_LIFETIME_S, load_or_create_key

EXIT_FAILED = 1
"""It could not start or go on."""
EXIT_USAGE = 2
"""Wrong arguments; argparse uses it too."""
EXIT_CONFIG = 78
"""EX_CONFIG of sysexits.h."""
DEFAULT_CONFIG = Path("configs/dev.toml")

HUGE_PAGES = "GLIBC_TUNABLES=glibc.malloc.hugetlb=1:glibc.malloc.arena_max=1"
"""For `env`: the C library asks for huge pages (`madvise`), which it does for its first arena alone. The
state of a thousand calls lies on tens of thousands of small pages, more than a processor remembers."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.command(options)
        return code
    except SettingsError as error:
        print(f"synedrion: {error}", file=sys.stderr)
        return EXIT_CONFIG
    except (control_plane.CannotServe, StartFailed) as error:
        print(f"synedrion: {error}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return 0


def _serve(options: argparse.Namespace) -> int:
    config = load_config(options.config)
    configure_logs(config.log.level)
    Path(config.data_folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    config.run_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    config.run_folder.chmod(0o700)
    command = (sys.executable, "-m", "signaling.main", "control-plane")
    specs = [_worker_spec(worker) for worker in config.worker_configs()]
    if config.identity.development.enabled:
        specs.append(_development_spec(config))
    specs.append(
        ProcessSpec(
            name="control-plane",
            command=(*command, "--config", str(options.config)),
            tells_ready=True,
        )
    )

    async def run() -> None:
        await Supervisor(specs, lambda _: _print_addresses(config)).run()

    asyncio.run(run())
    return 0


def _control_plane(options: argparse.Namespace) -> int:
    config = load_config(options.config)
    configure_logs(config.log.level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(control_plane.serve(config, options.ready_fd))
    return 0


def _check_config(options: argparse.Namespace) -> int:
    config = load_config(options.path)
    workers = ", ".join(f"{each.name} ({each.room_class})" for each in config.workers)
    print(f"{options.path}: good. Workers: {workers}.")
    return 0


def _token(options: argparse.Namespace) -> int:
    config = load_config(options.config)
    room = next((each for each in config.demo.rooms if each.id == options.room), None)
    if room is None:
        known = ", ".join(each.id for each in config.demo.rooms) or "none"
        return _usage(f'--room "{options.room}": no such room (there are: {known})')
    role = Role(options.role)
    if initial_grants(room.room_class, role) is None:
        roles = ", ".join(roles_of(room.room_class))
        return _usage(f'--role "{role}": does not exist in {room.room_class} rooms (use: {roles})')
    randomness = SystemRandomness()
    try:
        token = load_or_create_key(config.token_key_path).mint(
            room=room.id,
            subject=f"operator-{randomness.token_id()}",
            display_name=options.name,
            role=role,
            token_id=randomness.token_id(),
            now=read_clocks(),
            lifetime_s=options.lifetime,
        )
    except ValueError as error:
        return _usage(str(error))
    print(token)
    return 0


def _make_administrator(options: argparse.Namespace) -> int:
    config = load_config(options.config)
    try:
        asyncio.run(make_administrator(config, options.email))
    except NoSuchPerson:
        return _usage(
            "--email: not exactly one person has confirmed this address: they sign in and confirm "
            "it first"
        )
    except (SecretMissing, StorageUnavailable) as error:
        print(f"synedrion: {error}", file=sys.stderr)
        return EXIT_FAILED
    print("Done. It holds from the next page they open.")
    return 0


def _loadtest(options: argparse.Namespace) -> int:
    from loadtest import main as loadtest  # it loads the codecs, which the service does not need

    return loadtest.main(options.arguments)


def _version(options: argparse.Namespace) -> int:
    try:
        print(f"synedrion {version('synedrion')}")
    except PackageNotFoundError:
        print("synedrion, not installed")
    return 0


def _worker_spec(worker: WorkerConfig) -> ProcessSpec:
    return ProcessSpec(
        name=f"worker {worker.worker}",
        command=(*_worker_environment(worker), sys.executable, "-m", "sfu.worker"),
        standard_input=msgspec.json.encode(worker, enc_hook=str),
        gives_up_with=EXIT_UNLOCKED if worker.room_class is RoomClass.KEP else None,
        has_spare=True,
    )


def _worker_environment(worker: WorkerConfig) -> tuple[str, ...]:
    """Return what a worker is started by: it must be told how to treat memory before it runs."""
    is_kep = worker.room_class is RoomClass.KEP
    return ("/usr/bin/env", *(ENVIRONMENT if is_kep else (HUGE_PAGES,)))


def _development_spec(config: Config) -> ProcessSpec:
    settings = DevelopmentSettings(
        port=config.development_port,
        client_id=DEVELOPMENT_CLIENT,
        client_secret=development_secret(Path(config.data_folder)),
        origins=sorted(config.own_origins),
    )
    return ProcessSpec(
        name="development sign-in",
        command=(sys.executable, "-m", "signaling.identity.development"),
        # The secret goes where no list of processes shows it.
        standard_input=msgspec.json.encode(settings),
    )


def _print_addresses(config: Config) -> None:
    base = config.public_origin
    print("Synedrion is ready. Ctrl-C stops it.")
    print(f"  {base}/")
    if config.demo.enabled:
        for room in config.demo.rooms:
            print(f"  {base}/rooms/{room.id}  {room.title}")
    if config.mail.delivery is Delivery.OUTBOX and config.identity.development.enabled:
        print(f"  {base}/outbox  mails, in place of sending them")
    sys.stdout.flush()


def _usage(text: str) -> int:
    print(f"synedrion: {text}", file=sys.stderr)
    return EXIT_USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="synedrion", description="Meetings of public bodies.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="start the media workers and the control plane")
    serve.set_defaults(command=_serve)
    control = commands.add_parser("control-plane", help="run the signalling process only")
    control.add_argument(
        "--ready-fd", type=int, default=None, help="descriptor to tell readiness on"
    )
    control.set_defaults(command=_control_plane)
    check = commands.add_parser("check-config", help="check a configuration file")
    check.add_argument("path", type=Path)
    check.set_defaults(command=_check_config)
    token = commands.add_parser("token", help="print a room token, good once and for minutes")
    token.add_argument("--room", required=True)
    token.add_argument("--role", required=True, choices=[role.value for role in Role])
    token.add_argument("--name", required=True, help="what the others read")
    token.add_argument(
        "--lifetime", type=float, default=MAX_LIFETIME_S, help="seconds, at most 300"
    )
    token.set_defaults(command=_token)
    promote = commands.add_parser(
        "make-administrator", help="make a person who has confirmed an e-mail an administrator"
    )
    promote.add_argument("--email", required=True, help="their confirmed address")
    promote.set_defaults(command=_make_administrator)
    audit_commands.add_parser(commands, DEFAULT_CONFIG)
    # Everything after it is the load tester's, its options included: no character is special here.
    loadtest = commands.add_parser(
        "loadtest",
        help="put simulated participants on a service",
        add_help=False,
        prefix_chars="\0",
    )
    loadtest.add_argument("arguments", nargs="*")
    loadtest.set_defaults(command=_loadtest)
    about = commands.add_parser("version", help="print the version")
    about.set_defaults(command=_version)

    for command in (serve, control, token, promote):
        command.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="TOML file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
