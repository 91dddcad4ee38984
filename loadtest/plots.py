"""Plots as SVG text, made here: no script, no picture from elsewhere, colours from the page's style.

Pure. A plot is drawn once in a fixed box and scaled by the page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 560, 236
LEFT, RIGHT, TOP, BOTTOM = 50, 12, 12, 26
MAX_POINTS = 280
"""Of a curve; more are thinned by their maxima, so that no peak is lost."""
COLOURS = 6
"""Classes c0 to c5 of the page's style."""


@dataclass(frozen=True)
class Curve:
    """One line of a plot; None where a value is not known."""

    name: str
    points: Sequence[tuple[float, float | None]]


@dataclass(frozen=True)
class Plot:
    """What is drawn."""

    title: str
    unit: str
    curves: Sequence[Curve] = ()
    dots: Sequence[tuple[float, float]] = ()
    """Single values instead of, or beside, curves."""
    dots_name: str = ""
    limit: float | None = None
    """A threshold, drawn across."""
    note: str = ""
    """One sentence on how to read it."""
    seconds: float = 0.0
    """End of the time axis; 0: the last point."""
    marks: Sequence[tuple[float, str]] = field(default_factory=tuple)
    """Instants with a word, such as the last join."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not self.dots and not any(
            value is not None for curve in self.curves for _, value in curve.points
        )


def draw(plot: Plot) -> str:
    """Return the plot as one `<svg>` element."""
    scale = _Scale.of(plot)
    parts = [*_grid(scale), *_marks(plot, scale)]
    if plot.limit is not None and plot.limit <= scale.top:
        y = scale.y(plot.limit)
        parts.append(f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
    parts += [
        f'<circle class="dot c0" cx="{scale.x(at)}" cy="{scale.y(value)}" r="3.2">'
        f"<title>{at:.1f} s: {value:.4g} {escape(plot.unit)}</title></circle>"
        for at, value in plot.dots
    ]
    for index, curve in enumerate(plot.curves):
        parts += _curve(curve, index % COLOURS, scale, plot.unit)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{_attribute(describe(plot))}">'
        f"{''.join(parts)}</svg>"
    )


def describe(plot: Plot) -> str:
    """Return in words what the plot shows, for who does not see it."""
    said = []
    for curve in plot.curves:
        values = [value for _, value in curve.points if value is not None]
        if values:
            said.append(
                f"{curve.name}: mean {sum(values) / len(values):.4g}, most {max(values):.4g}"
            )
    if plot.dots:
        values = [value for _, value in plot.dots]
        said.append(f"{len(values)} values from {min(values):.4g} to {max(values):.4g}")
    return f"{plot.title} in {plot.unit or 'numbers'} over time. {'; '.join(said)}"


def thin(points: Sequence[tuple[float, float | None]], most: int = MAX_POINTS) -> list[
    tuple[float, float | None]
]:  # fmt: skip
    """Return at most `most` points: of each stretch of time the one with the largest value."""
    if len(points) <= most:
        return list(points)
    size = math.ceil(len(points) / most)
    stretches = [points[start : start + size] for start in range(0, len(points), size)]
    return [
        max(stretch, key=lambda point: -math.inf if point[1] is None else point[1])
        for stretch in stretches
    ]


def ticks(top: float, wanted: int = 4) -> list[float]:
    """Return round values from 0 to `top` or a little above, about `wanted` steps."""
    if not top > 0 or not math.isfinite(top):
        return [0.0, 1.0]
    rough = top / wanted
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(
        (each * magnitude for each in (1, 2, 2.5, 5, 10) if each * magnitude >= rough * 0.999),
        10 * magnitude,
    )
    count = math.ceil(top / step - 1e-9)
    return [round(index * step, 10) for index in range(count + 1)]


@dataclass(frozen=True)
class _Scale:
    top: float
    end_s: float

    @classmethod
    def of(cls, plot: Plot) -> _Scale:
        values = [value for curve in plot.curves for _, value in curve.points if value is not None]
        values += [value for _, value in plot.dots]
        times = [at for curve in plot.curves for at, _ in curve.points] + [
            at for at, _ in plot.dots
        ]
        highest = max(values, default=0.0)
        # A threshold far above everything would flatten the curves.
        if plot.limit is not None and highest < plot.limit <= highest * 3:
            highest = plot.limit
        return cls(ticks(highest)[-1], plot.seconds or max(times, default=1.0) or 1.0)

    def x(self, at_s: float) -> float:
        share = min(1.0, max(0.0, at_s / self.end_s))
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        share = min(1.0, max(0.0, value / self.top))
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


def _grid(scale: _Scale) -> list[str]:
    parts = []
    for value in ticks(scale.top):
        y = scale.y(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="tick end" x="{LEFT - 6}" y="{y + 4}">{value:g}</text>')
    for at_s in ticks(scale.end_s, 6):
        if at_s <= scale.end_s:
            text = _time_text(at_s, scale.end_s)
            parts.append(
                f'<text class="tick middle" x="{scale.x(at_s)}" y="{HEIGHT - 8}">{text}</text>'
            )
    return parts


def _time_text(at_s: float, end_s: float) -> str:
    if end_s >= 7200:
        return f"{at_s / 3600:g} h"
    return f"{at_s / 60:.3g} min" if end_s >= 300 else f"{at_s:g} s"


def _marks(plot: Plot, scale: _Scale) -> list[str]:
    parts = []
    for at_s, word in plot.marks:
        x = scale.x(at_s)
        parts.append(f'<line class="mark" x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        parts.append(f'<text class="tick" x="{x + 4}" y="{TOP + 10}">{escape(word)}</text>')
    return parts


def _curve(curve: Curve, colour: int, scale: _Scale, unit: str) -> list[str]:
    """Return the line, and points that tell their values under the pointer."""
    corners, circles = [], []
    for at_s, value in thin(curve.points):
        if value is None:
            continue  # a second without news is bridged
        x, y = scale.x(at_s), scale.y(value)
        corners.append(f"{x},{y}")
        circles.append(
            f'<circle class="point c{colour}" cx="{x}" cy="{y}" r="5"><title>'
            f"{escape(curve.name)}, {_time_text(at_s, scale.end_s)}: {value:.4g} {escape(unit)}"
            "</title></circle>"
        )
    if not corners:
        return []
    return [f'<polyline class="line c{colour}" points="{" ".join(corners)}"/>', *circles]


def _attribute(text: str) -> str:
    return escape(text, {'"': "&quot;"})
