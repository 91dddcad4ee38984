"""Whether a run counts, and whether it held: one decision, with its exit status. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from loadtest.run import End, Outcome
from loadtest.thresholds import Check


class Exit(IntEnum):
    """Exit status of `synedrion loadtest`."""

    HELD = 0
    MISSED = 1
    """A threshold was missed, or the service was lost."""
    CANNOT_RUN = 2
    """Wrong arguments, or the service or this machine cannot; argparse uses it too."""
    DOES_NOT_COUNT = 3
    """The generator was the bottleneck, not the service."""
    INTERRUPTED = 130
    """Ctrl-C (128 + SIGINT)."""


@dataclass(frozen=True)
class Verdict:
    """What became of the run."""

    exit: int
    word: str
    text: str


def decide_verdict(
    outcome: Outcome,
    checks: Sequence[Check],
    late: Mapping[str, Mapping[str, float | None]],
    overflows: int,
) -> Verdict:
    """Return the verdict; the first that applies, in this order.

    `overflows`: datagrams that the kernel threw away because the agent did not read them in time.
    """
    if outcome.end is End.INTERRUPTED:
        return _verdict(Exit.INTERRUPTED, f"{outcome.end_text}: the report tells what was seen")
    if outcome.end is End.NOBODY_IN:
        return _verdict(Exit.CANNOT_RUN, f"nobody gets in: {outcome.end_text}")
    if outcome.end is End.SERVICE_LOST:
        return _verdict(Exit.MISSED, outcome.end_text)
    bottleneck = find_bottleneck(outcome, late, overflows)
    if bottleneck:
        return _verdict(
            Exit.DOES_NOT_COUNT,
            f"{bottleneck}: the generator was the bottleneck, not the service, and the run does "
            "not count. Use a bigger or a second machine, more --agents, or a smaller size",
        )
    missed = [check for check in checks if check.holds is False]
    if missed:
        names = ", ".join(check.words.lower() for check in missed)
        return _verdict(Exit.MISSED, f"{len(missed)} of {len(checks)} thresholds missed: {names}")
    return _verdict(Exit.HELD, f"all {len(checks)} thresholds held")


def find_bottleneck(
    outcome: Outcome, late: Mapping[str, Mapping[str, float | None]], overflows: int
) -> str:
    """Return in which way the generator was too slow; empty if it was not."""
    if outcome.end is End.AGENT_LOST:
        return outcome.end_text
    limits = outcome.scenario.generator
    bounds = {
        "sending": (limits.max_lateness_p99_ms, "the load agent sent"),
        "reading": (limits.max_lateness_p99_ms, "the load agent read"),
        "timers": (limits.max_lateness_p99_ms, "the load agent woke"),
        "joins": (limits.max_join_lateness_ms, "joins began"),
    }
    for name, (limit, words) in bounds.items():
        measured = late[name]["p99"]
        if measured is not None and measured > limit:
            return f"{words} {measured:.0f} ms late (p99; the scenario allows {limit:g} ms)"
    if overflows:
        return f"the load agent came too late to read {overflows} datagrams"
    return ""


def _verdict(exit_status: Exit, text: str) -> Verdict:
    return Verdict(int(exit_status), exit_status.name.lower().replace("_", " "), text)
