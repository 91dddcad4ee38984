"""A straight line through measured points. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """y = intercept + slope · x."""

    slope: float
    intercept: float
    worst: float
    """The point farthest from the line, as a share of its own value."""

    def at(self, x: float) -> float:
        """Return y."""
        return self.intercept + self.slope * x


def fit_line(points: Sequence[tuple[float, float]]) -> Line:
    """Return the line of least squares.

    Raises:
        ValueError: fewer than two different x.
    """
    count = len(points)
    mean_x = sum(x for x, _ in points) / max(1, count)
    mean_y = sum(y for _, y in points) / max(1, count)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    if spread == 0:
        raise ValueError(f"no line through {count} points of one x")
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    intercept = mean_y - slope * mean_x
    worst = max(abs(intercept + slope * x - y) / abs(y) if y else 0.0 for x, y in points)
    return Line(slope, intercept, worst)
