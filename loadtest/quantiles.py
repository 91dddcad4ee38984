"""Quantiles of values and of the agents' histograms; sums of several agents. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

QUANTILES = (0.5, 0.95, 0.99, 0.999)


def histogram_quantile(buckets: Sequence[Sequence[int]], quantile: float) -> float | None:
    """Return the bound in µs under which `quantile` of (bound, count) rows lies; None if empty."""
    total = sum(count for _, count in buckets)
    rank = math.ceil(quantile * total)
    seen = 0
    for bound, count in buckets:
        seen += count
        if seen >= rank and seen > 0:
            return float(bound)
    return None


def quantile(values: Iterable[float], wanted: float) -> float | None:
    """Return the nearest-rank quantile; None of nothing."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, max(0, math.ceil(wanted * len(ordered)) - 1))]


def quantiles_ms(buckets: Sequence[Sequence[int]]) -> dict[str, float | None]:
    """Return p50, p95, p99, p99.9 and count of a histogram in µs, as milliseconds."""
    result: dict[str, float | None] = {}
    for wanted in QUANTILES:
        micros = histogram_quantile(buckets, wanted)
        result[name_of(wanted)] = None if micros is None else round(micros / 1000, 3)
    result["count"] = sum(count for _, count in buckets)
    return result


def name_of(wanted: float) -> str:
    """Return "p99.9" for 0.999."""
    return f"p{wanted * 100:g}"


def summarise_times(seconds: Iterable[float]) -> dict[str, float | None]:
    """Return p50, p95, p99, p99.9 and count of durations, as milliseconds."""
    values = [value * 1000 for value in seconds]
    result: dict[str, float | None] = {}
    for wanted in QUANTILES:
        value = quantile(values, wanted)
        result[name_of(wanted)] = None if value is None else round(value, 1)
    result["count"] = len(values)
    return result


def merge_histograms(histograms: Iterable[Sequence[Sequence[int]]]) -> list[list[int]]:
    """Return one histogram of several."""
    merged: dict[int, int] = {}
    for histogram in histograms:
        for bound, count in histogram:
            merged[bound] = merged.get(bound, 0) + count
    return [[bound, merged[bound]] for bound in sorted(merged)]


def merge_totals(totals: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sum of several agents' totals."""
    merged: dict[str, Any] = {}
    for each in totals:
        for name, value in each.items():
            if isinstance(value, int):
                merged[name] = merged.get(name, 0) + value
            else:
                merged[name] = merge_histograms([merged.get(name, []), value])
    return merged
