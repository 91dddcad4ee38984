"""What a run is worth: thresholds, the generator's own lateness, and the exit status."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime

import pytest

from loadtest.cast import Target
from loadtest.plan import make_plan
from loadtest.run import End, Outcome
from loadtest.scenario import Limits, Scenario
from loadtest.scenario_file import read_scenario
from loadtest.thresholds import WORDS, Check, Figures, check_thresholds
from loadtest.verdict import Exit, decide_verdict

PROMPT = {name: {"p99": 1.0} for name in ("sending", "reading", "timers", "joins")}
GOOD = Check("join_p95_ms", "Join", "ms", 100, 50, True)
BAD = replace(GOOD, measured=150, holds=False)
UNKNOWN = replace(GOOD, measured=None, holds=None)


def outcome(end: End = End.COMPLETE, text: str = "") -> Outcome:
    scenario = read_scenario("smoke")
    made = Outcome(scenario, make_plan(scenario), [], Target("http://x"), datetime.now(UTC))
    made.end, made.end_text = end, text
    return made


def demanding(**limits: float) -> Scenario:
    nothing = {field.name: None for field in fields(Limits)}
    return replace(read_scenario("smoke"), thresholds=Limits(**{**nothing, **limits}))


def test_every_limit_has_words_and_a_figure() -> None:
    assert [field.name for field in fields(Limits)] == list(WORDS)
    assert set(WORDS) <= {field.name for field in fields(Figures)}


@pytest.mark.parametrize(
    ("measured", "holds"), [(99.9, True), (100.0, True), (100.1, False), (None, False)]
)
def test_a_threshold_is_an_upper_bound_and_what_was_not_measured_is_missed(
    measured: float | None, holds: bool
) -> None:
    scenario = demanding(join_p95_ms=100.0)
    (check,) = check_thresholds(scenario, Figures(join_p95_ms=measured))
    assert (check.holds, check.measured, check.limit) == (holds, measured, 100)


def test_the_service_elsewhere_cannot_be_held_to_its_cpu() -> None:
    scenario = demanding(server_cpu_cores=1.0, server_memory_mb=100.0)
    assert [check.holds for check in check_thresholds(scenario, Figures())] == [None, None]


def test_browsers_count_only_if_there_were_some() -> None:
    scenario = demanding(browsers_failed=0.0)
    figures = Figures(browsers_failed=1.0)
    assert check_thresholds(scenario, figures) == []
    assert check_thresholds(scenario, figures, has_browsers=True)[0].holds is False


@pytest.mark.parametrize(
    ("end", "checks", "expected"),
    [
        (End.COMPLETE, [GOOD, UNKNOWN], Exit.HELD),
        (End.COMPLETE, [GOOD, BAD], Exit.MISSED),
        (End.SERVICE_LOST, [GOOD], Exit.MISSED),
        (End.NOBODY_IN, [GOOD], Exit.CANNOT_RUN),
        (End.INTERRUPTED, [BAD], Exit.INTERRUPTED),
        (End.AGENT_LOST, [GOOD], Exit.DOES_NOT_COUNT),
    ],
)
def test_exit_statuses(end: End, checks: list[Check], expected: Exit) -> None:
    verdict = decide_verdict(outcome(end, "the reason"), checks, PROMPT, 0)
    assert verdict.exit == expected


@pytest.mark.parametrize("late", ["sending", "reading", "timers", "joins"])
@pytest.mark.parametrize("check", [GOOD, BAD])
def test_a_late_generator_makes_the_run_not_count_whatever_was_measured(
    late: str, check: Check
) -> None:
    verdict = decide_verdict(outcome(), [check], {**PROMPT, late: {"p99": 700.0}}, 0)
    assert verdict.exit == Exit.DOES_NOT_COUNT
    assert "the generator was the bottleneck, not the service" in verdict.text
    assert "700 ms" in verdict.text


def test_losses_of_the_generators_own_kernel_are_not_the_services() -> None:
    verdict = decide_verdict(outcome(), [BAD], PROMPT, 3)
    assert verdict.exit == Exit.DOES_NOT_COUNT and "3 datagrams" in verdict.text


def test_the_limit_of_lateness_is_the_scenarios() -> None:
    late = {**PROMPT, "sending": {"p99": 30.0}}
    assert decide_verdict(outcome(), [GOOD], late, 0).exit == Exit.DOES_NOT_COUNT
    patient = outcome()
    patient.scenario = read_scenario("smoke", ["generator.max_lateness_p99_ms=50.0"])
    assert decide_verdict(patient, [GOOD], late, 0).exit == Exit.HELD


def test_exit_statuses_are_those_of_the_manual() -> None:
    assert {each.name: int(each) for each in Exit} == {
        "HELD": 0,
        "MISSED": 1,
        "CANNOT_RUN": 2,
        "DOES_NOT_COUNT": 3,
        "INTERRUPTED": 130,
    }
