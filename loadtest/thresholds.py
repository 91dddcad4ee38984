"""What was measured against what the scenario demands. One table of all that can be demanded. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from loadtest.scenario import Scenario


@dataclass(frozen=True)
class Figures:
    """What thresholds are held against; named as in `scenario.Limits`. None: not measured."""

    failed_joins_percent: float | None = None
    join_p95_ms: float | None = None
    first_picture_p95_ms: float | None = None
    audio_delay_p99_ms: float | None = None
    video_delay_p99_ms: float | None = None
    frozen_percent: float | None = None
    packets_lost_percent: float | None = None
    frames_missing_percent: float | None = None
    wrong_source_frames: float | None = None
    unwished_frames: float | None = None
    silent_streams: float | None = None
    disconnects_percent: float | None = None
    server_cpu_cores: float | None = None
    server_memory_mb: float | None = None
    browser_still_percent: float | None = None
    browsers_failed: float | None = None
    without_media: float | None = None
    """Participants who were in and never got a packet. Told, not bounded: some are alone."""


@dataclass(frozen=True)
class Check:
    """One row of the table of thresholds."""

    name: str
    words: str
    unit: str
    limit: float
    measured: float | None
    holds: bool | None
    """None: it could not be measured here, and does not count."""


def check_thresholds(
    scenario: Scenario, figures: Figures, *, has_browsers: bool = False
) -> list[Check]:
    """Return a row for each bound of the scenario, in the order of the table below."""
    checks = []
    for name, (words, unit) in WORDS.items():
        limit = getattr(scenario.thresholds, name)
        if limit is None or (name.startswith("browser") and not has_browsers):
            continue
        measured = getattr(figures, name)
        holds = measured <= limit if measured is not None else _without(name)
        checks.append(Check(name, words, unit, limit, measured, holds))
    return checks


def _without(name: str) -> bool | None:
    """What no figure means: elsewhere for the server's, a miss for all that a run should give."""
    return None if name.startswith("server_") else False


WORDS = {
    "failed_joins_percent": ("Joins that failed", "%"),
    "join_p95_ms": ("Socket opened → first media packet, p95", "ms"),
    "first_picture_p95_ms": ("Socket opened → first picture, p95", "ms"),
    "audio_delay_p99_ms": ("Delay of sound, p99", "ms"),
    "video_delay_p99_ms": ("Delay of pictures, p99", "ms"),
    "frozen_percent": ("Time that pictures were frozen", "%"),
    "packets_lost_percent": ("Packets lost for good", "%"),
    "frames_missing_percent": ("Frames missing", "%"),
    "wrong_source_frames": ("Frames of a wrong source", ""),
    "unwished_frames": ("Pictures that nobody asked for", ""),
    "silent_streams": ("Streams that fell silent", ""),
    "disconnects_percent": ("Participants cut off", "%"),
    "server_cpu_cores": ("CPU of the service, mean", "cores"),
    "server_memory_mb": ("Memory of the service, most", "MB"),
    "browsers_failed": ("Browsers that failed", ""),
    "browser_still_percent": ("Pictures standing still in browsers", "%"),
}
"""Name → what people read, unit."""
