"""The command line `synedrion loadtest`."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

from loadtest.agent import AgentFailed
from loadtest.processes import descendants
from loadtest.run import SmokeScenario, Target, run_smoke
from loadtest.summary import write_text

EXIT_FAULTS = 1
"""Something that must not happen did, or the agent was the bottleneck."""
EXIT_UNUSABLE = 2
"""The run could not take place."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the scenarios and their options to `parser`."""
    scenarios = parser.add_subparsers(required=True, metavar="SCENARIO", dest="scenario")
    smoke = scenarios.add_parser("smoke", help="a few small rooms, everybody sends and shows")
    smoke.add_argument("--url", default="http://127.0.0.1:8080", help="the service's address")
    smoke.add_argument(
        "--rooms", default="dimotiko-symvoulio", help="room ids, separated by commas"
    )
    smoke.add_argument("--participants", type=int, default=3, help="in each room")
    smoke.add_argument("--seconds", type=float, default=5.0, help="once everybody is there")
    smoke.add_argument("--role", default="member", help="of everybody")
    smoke.add_argument(
        "--token-command",
        help="prints a room token; {room}, {name} and {role} are replaced. Default: demo entrance",
    )
    smoke.add_argument("--server-pid", type=int, help="measure this process and its children")
    smoke.add_argument("--json", type=Path, help="write the summary to this file")


def run(options: argparse.Namespace) -> int:
    """Run the chosen scenario; return the exit code."""
    pids = descendants(options.server_pid) if options.server_pid else []
    target = Target(
        url=options.url.rstrip("/"), token_command=options.token_command, server_pids=tuple(pids)
    )
    scenario = SmokeScenario(
        rooms=tuple(filter(None, options.rooms.split(","))),
        participants=options.participants,
        seconds=options.seconds,
        role=options.role,
    )
    if not scenario.rooms or scenario.participants < 1 or scenario.seconds <= 0:
        print("synedrion: name rooms, at least one participant and a duration", file=sys.stderr)
        return EXIT_UNUSABLE
    try:
        summary = asyncio.run(run_smoke(target, scenario, lambda line: print(line, flush=True)))
    except AgentFailed as error:
        print(f"synedrion: {error}", file=sys.stderr)
        return EXIT_UNUSABLE
    print(write_text(summary))
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    if len(summary["failures"]) == summary["participants"]:
        return EXIT_UNUSABLE
    return EXIT_FAULTS if summary["faults"] or summary["agent"]["was_the_bottleneck"] else 0


def main(arguments: list[str] | None = None) -> int:
    """Run as `python -m loadtest.main`."""
    parser = argparse.ArgumentParser(prog="synedrion loadtest")
    add_arguments(parser)
    return run(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
