"""Measured figures, the bars they are held against, and how they are shown."""

from __future__ import annotations

import contextlib
import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

BEGIN = "<!-- The table below is written by `make bench`. -->"
END = "<!-- End of the table. -->"


@dataclass(frozen=True)
class Figure:
    """One measured value."""

    value: float
    unit: str
    bar: float | None = None
    """The value must not exceed it; None: for information."""
    how: str = ""
    """What was measured, in a few words."""
    at_least: bool = False
    """The bar is the other way round: the value must reach it."""

    @property
    def holds(self) -> bool | None:
        """Whether the bar is kept; None without one."""
        if self.bar is None:
            return None
        return self.value >= self.bar if self.at_least else self.value <= self.bar


def write_json(path: Path, figures: Mapping[str, Figure]) -> None:
    """Write one object: name → {value, unit, bar, holds, how}."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = {name: {**asdict(figure), "holds": figure.holds} for name, figure in figures.items()}
    path.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def markdown_table(figures: Mapping[str, Figure]) -> str:
    """Return the table as Markdown."""
    lines = ["| what | measured | bar | holds |", "|---|---|---|---|"]
    for name, figure in figures.items():
        bar = (
            ""
            if figure.bar is None
            else f"{'≥' if figure.at_least else '≤'} {figure.bar:g} {figure.unit}".rstrip()
        )
        holds = {True: "yes", False: "**no**", None: ""}[figure.holds]
        what = f"`{name}`: {figure.how}" if figure.how else f"`{name}`"
        lines.append(f"| {what} | {figure.value:g} {figure.unit} | {bar} | {holds} |")
    return "\n".join(lines)


def text_table(figures: Mapping[str, Figure]) -> str:
    """Return the table for a terminal."""
    rows = []
    for name, figure in figures.items():
        bar = "" if figure.bar is None else f"bar {'≥' if figure.at_least else '≤'} {figure.bar:g}"
        holds = {True: "holds", False: "MISSED", None: ""}[figure.holds]
        rows.append((name, f"{figure.value:g} {figure.unit}", bar, holds))
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def replace_table(text: str, table: str) -> str:
    """Return `text` with what stands between the marks replaced by `table`."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the marks {BEGIN!r} and {END!r} are missing")
    return f"{head}{BEGIN}\n{table}\n{END}{tail}"


def machine() -> str:
    """Return what the figures depend on, one line."""
    model = next(_cpu_models(), platform.machine())
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores of {model}, Linux {platform.release()}, "
        f"Python {platform.python_version()}; load average at the start {load:.1f}"
    )


def step_forward(pids: Iterable[int]) -> None:
    """Ask that sessions of `pids` run before what else the machine does: that is not measured.

    With autogroups (sched(7)) `nice` counts within a session only.
    """
    for pid in pids:
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/autogroup").write_text("-10", encoding="ascii")


def median(values: Iterable[float]) -> float:
    """Return the middle value."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _cpu_models() -> Iterator[str]:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            yield line.partition(":")[2].strip()
