"""A plot as numbers for a template: bars of days. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 960, 240
LEFT, BOTTOM, TOP = 44, 28, 12
MARKS = 4


@dataclass(frozen=True)
class Bar:
    """One bar, in units of the picture."""

    x: float
    y: float
    width: float
    height: float
    value: int
    label: str
    has_label: bool


@dataclass(frozen=True)
class Mark:
    """A line of the scale."""

    y: float
    value: int


@dataclass(frozen=True)
class BarPlot:
    """What an SVG element is drawn from."""

    width: int
    height: int
    left: int
    base: float
    bars: Sequence[Bar]
    marks: Sequence[Mark]


def plot_bars(values: Sequence[tuple[str, int]], label_every: int) -> BarPlot:
    """Return bars for values with labels, every so many of which are written below."""
    top = _round_up(max((value for _, value in values), default=0))
    base = HEIGHT - BOTTOM
    scale = (base - TOP) / top
    pitch = (WIDTH - LEFT) / max(1, len(values))
    bars = [
        Bar(round(LEFT + number * pitch + pitch * 0.15, 1), round(base - value * scale, 1),
            round(pitch * 0.7, 1), round(value * scale, 1), value, label,
            number % label_every == 0)
        for number, (label, value) in enumerate(values)
    ]  # fmt: skip
    marks = [
        Mark(round(base - each * top / MARKS * scale, 1), each * top // MARKS)
        for each in range(MARKS + 1)
    ]
    return BarPlot(WIDTH, HEIGHT, LEFT, base, bars, marks)


def _round_up(value: int) -> int:
    """Return a number not below `value` that divides into marks, such as 4, 8, 20, 40 or 80."""
    step = 1
    while True:
        for factor in (4, 8, 20):
            if value <= factor * step:
                return factor * step
        step *= 10
