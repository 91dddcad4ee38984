"""Counts of observations in fixed buckets, as Prometheus wants them."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence

from sfu.rpc_messages import Histogram


class HistogramRecorder:
    """`bounds` are upper bounds, ascending, without infinity. Memory is that of the bounds."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = [*bounds, math.inf]
        self._counts = [0] * len(self._bounds)
        self._total = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect.bisect_left(self._bounds, value)] += 1
        self._total += value

    def read(self) -> Histogram:
        """Return the cumulative counts so far."""
        buckets, below = [], 0
        for bound, count in zip(self._bounds, self._counts, strict=True):
            below += count
            buckets.append((bound, below))
        return Histogram(buckets=buckets, total=self._total)
