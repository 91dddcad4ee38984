"""When a process is started again."""

from __future__ import annotations

import pytest

from signaling.restart_policy import RestartPolicy

TABLE = [
    pytest.param([0] * 9, [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0], id="doubles to 5 s"),
    pytest.param([0, 0, 59.9, 0], [0.05, 0.1, 0.2, 0.4], id="a minute not full counts as failure"),
    pytest.param([0, 0, 60.001, 0], [0.05, 0.1, 0.05, 0.1], id="a healthy minute starts over"),
    pytest.param([3600.0, 3600.0], [0.05, 0.05], id="rare ends cost the least"),
    pytest.param([0.0] * 2000, None, id="never grows past the bound"),
]


@pytest.mark.parametrize(("runs_s", "pauses_s"), TABLE)
def test_pause_before_the_next_start(runs_s: list[float], pauses_s: list[float] | None) -> None:
    policy, now_s, seen_s = RestartPolicy(), 100.0, []

    for run_s in runs_s:
        policy.handle_started(now_s)
        now_s += run_s
        seen_s.append(policy.handle_ended(now_s))
        now_s += seen_s[-1]

    if pauses_s is not None:
        assert seen_s == pytest.approx(pauses_s)
    assert max(seen_s) <= 5.0


def test_process_that_never_started_counts_as_failure() -> None:
    policy = RestartPolicy()

    assert [policy.handle_ended(0.0) for _ in range(3)] == pytest.approx([0.05, 0.1, 0.2])
