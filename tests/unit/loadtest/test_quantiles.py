"""Numbers of a report, from the agent's counts."""

from __future__ import annotations

import pytest

from loadtest.quantiles import histogram_quantile, merge_totals, quantile


@pytest.mark.parametrize(
    ("buckets", "wanted", "expected"),
    [
        ([], 0.5, None),
        ([[10, 1]], 0.99, 10.0),
        ([[10, 98], [20, 1], [30, 1]], 0.98, 10.0),
        ([[10, 98], [20, 1], [30, 1]], 0.99, 20.0),
        ([[10, 98], [20, 1], [30, 1]], 0.999, 30.0),
    ],
)
def test_quantiles_of_histograms(
    buckets: list[list[int]], wanted: float, expected: float | None
) -> None:
    assert histogram_quantile(buckets, wanted) == expected


def test_quantiles_of_values_are_of_the_nearest_rank() -> None:
    assert quantile([], 0.5) is None
    assert quantile([3, 1, 2], 0.5) == 2
    assert quantile(range(1, 101), 0.95) == 95


def test_totals_of_agents_add_up() -> None:
    merged = merge_totals(
        [{"frames": 1, "delay": [[5, 1], [9, 2]]}, {"frames": 2, "delay": [[9, 1]]}]
    )
    assert merged == {"frames": 3, "delay": [[5, 1], [9, 3]]}
