"""The command line `synedrion loadtest`. docs/loadtest.md is its manual."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from loadtest.agent import AgentFailed
from loadtest.cast import Target
from loadtest.chromium import BrowsersMissing, find_chromium
from loadtest.machine import describe_machine
from loadtest.processes import service_on_port
from loadtest.progress import make_observer
from loadtest.report import write_reports
from loadtest.run import Outcome, RunOptions, run_scenario
from loadtest.scenario import Scenario
from loadtest.scenario_file import BadScenario, known_scenarios, read_scenario
from loadtest.service import CannotRun
from loadtest.summary import summarise
from loadtest.text_report import write_text
from loadtest.verdict import Exit

SECRET_VARIABLE = "SYNEDRION_LOADTEST_SECRET"
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
SHORTEST_WITH_BROWSERS_S = 15.0
"""A browser needs seconds to start, to get in and to warm up."""
FLAGS = {
    "rooms": ("rooms.count", int, "N", "how many rooms"),
    "scale": ("scale", float, "X", "multiply the size: 0.1 is a tenth"),
    "joins_per_s": ("ramp.joins_per_s", float, "X", "joins a second (instead of ramp.within_s)"),
    "hold_s": ("hold_s", float, "SECONDS", "how long it goes on after the last join"),
    "seed": ("seed", int, "N", "of every choice made at random"),
}
"""Flag → key of the scenario, type, what stands for the value, help."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        if options.scenario == "list":
            return _list()
        scenario = read_scenario(options.scenario, _changes(options))
        target = _target(options, scenario)
        if options.browsers > 0:
            _check_browsers(options, scenario)
        outcome = asyncio.run(_run(options, scenario, target))
    except (BadScenario, CannotRun, AgentFailed, BrowsersMissing) as error:
        print(f"synedrion loadtest: {error}", file=sys.stderr)
        return Exit.CANNOT_RUN
    report = summarise(outcome, Path(options.scenario).stem, describe_machine())
    print(write_text(report))
    for path in write_reports(report, _folder(options), options.json, options.html):
        print(f"  {path}")
    return int(report["verdict"]["exit"])


async def _run(options: argparse.Namespace, scenario: Scenario, target: Target) -> Outcome:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if stopping.is_set():  # who presses it twice does not want to wait for the report
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    run_options = RunOptions(_server_pid(options, target), options.browsers, options.chromium)
    with make_observer(scenario, sys.stdout) as observer:
        return await run_scenario(scenario, target, run_options, observer, stopping)


def _list() -> int:
    for name, path in known_scenarios().items():
        print(f"{name:12}  {read_scenario(str(path)).title}")
    return Exit.HELD


def _changes(options: argparse.Namespace) -> list[str]:
    """Return what flags and --set say, --set last: it is the more exact."""
    changes = []
    for flag, (key, _, _, _) in FLAGS.items():
        value = getattr(options, flag)
        if value is not None:
            changes.append(f"{key}={value}")
    if options.joins_per_s is not None:
        changes.append("ramp.within_s=0.0")
    if options.room:
        names = ", ".join(f'"{room}"' for room in options.room)
        changes.append(f"rooms.ids=[{names}]")
    return [*changes, *options.set]


def _target(options: argparse.Namespace, scenario: Scenario) -> Target:
    url = options.url.rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path:
        raise CannotRun(
            f"--url {url}: write scheme and host, no path, such as https://meet.example.gr"
        )
    if options.agents < 1 or options.browsers < 0:
        raise CannotRun("--agents is 1 or more, --browsers 0 or more")
    if options.token_command is not None:
        _check_token_command(options.token_command, scenario)
    return Target(
        url=url,
        token_command=options.token_command,
        # Named rooms are the demo entrance's, or those of whoever wrote the token command.
        secret=None if scenario.rooms.ids or options.token_command else _secret(options),
        agent_address=options.agent_address,
        agents=options.agents,
    )


def _check_browsers(options: argparse.Namespace, scenario: Scenario) -> None:
    find_chromium(options.chromium)
    if scenario.hold_s < SHORTEST_WITH_BROWSERS_S:
        raise CannotRun(
            f"hold_s = {scenario.hold_s:g}: browsers need {SHORTEST_WITH_BROWSERS_S:g} s or more "
            "to tell anything: --hold-s 30"
        )


def _check_token_command(template: str, scenario: Scenario) -> None:
    if not scenario.rooms.ids:
        raise CannotRun("--token-command: name the rooms too, with --room")
    try:
        template.format(room="room", name="name", role="role")
    except (KeyError, IndexError, ValueError) as error:
        raise CannotRun(
            f"--token-command: only {{room}}, {{name}} and {{role}} are replaced: {error}"
        ) from error


def _secret(options: argparse.Namespace) -> str:
    if options.secret_file is None:
        return os.environ.get(SECRET_VARIABLE, "")
    try:
        return str(options.secret_file.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise CannotRun(f"--secret-file {options.secret_file}: cannot be read: {error}") from error


def _server_pid(options: argparse.Namespace, target: Target) -> int | None:
    """Return the service's supervisor, found by its port where it is on this machine."""
    if options.server_pid is not None:
        if not Path(f"/proc/{options.server_pid}").exists():
            raise CannotRun(f"--server-pid {options.server_pid}: there is no such process")
        return int(options.server_pid)
    parts = urlsplit(target.url)
    if parts.hostname not in LOCAL_HOSTS:
        return None
    return service_on_port(parts.port or (443 if parts.scheme == "https" else 80))


def _folder(options: argparse.Namespace) -> Path | None:
    return None if options.json or options.html else options.folder


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="synedrion loadtest",
        description="Put simulated participants on a service, measure, and tell whether it held.",
        epilog="Exit status: 0 thresholds held; 1 missed; 2 cannot run; 3 the generator was the "
        "bottleneck, the run does not count; 130 interrupted.",
    )
    parser.add_argument("scenario", help="a name (`list` shows them) or a .toml file")
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="the service's address")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE",
        help="change any value of the scenario, such as thresholds.join_p95_ms=400",
    )  # fmt: skip
    for flag, (_, kind, metavar, words) in FLAGS.items():
        parser.add_argument(f"--{flag.replace('_', '-')}", type=kind, metavar=metavar, help=words)
    parser.add_argument(
        "--room", action="append", help="a room of the demo entrance; may be repeated"
    )
    parser.add_argument(
        "--secret-file", type=Path,
        help=f"with the secret of the load-test rooms (or the variable {SECRET_VARIABLE})",
    )  # fmt: skip
    parser.add_argument(
        "--token-command", metavar="COMMAND",
        help="prints a room token; {room}, {name} and {role} are replaced",
    )  # fmt: skip
    parser.add_argument("--browsers", type=int, default=0, metavar="N", help="real ones besides")
    parser.add_argument("--chromium", metavar="PATH", help="the browser's program")
    parser.add_argument("--agents", type=int, default=1, metavar="N", help="load agent processes")
    parser.add_argument("--agent-address", help="what agents bind their sockets to")
    parser.add_argument("--server-pid", type=int, help="the service's supervisor on this machine")
    parser.add_argument(
        "--folder", type=Path, default=Path("var/loadtest/reports"),
        help="where reports are written, named by scenario and time",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, help="write this report, and only those named")
    parser.add_argument("--html", type=Path, help="the same")
    return parser


if __name__ == "__main__":
    sys.exit(main())
