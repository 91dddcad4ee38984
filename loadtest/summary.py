"""From the agent's counts and the joins to the numbers of a report. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

QUANTILES = (0.5, 0.95, 0.99, 0.999)
MAX_LATENESS_MS = 20.0
"""The agent's own lateness (p99) above which a run says more of the agent than of the server: one
audio packet's duration."""


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


def summarise_agents(statistics: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return counts, delays and lateness of all agents together."""
    totals = merge_totals(each["totals"] for each in statistics)
    send = quantiles_ms(merge_histograms(each["send_lateness"] for each in statistics))
    receive = quantiles_ms(merge_histograms(each["receive_lateness"] for each in statistics))
    worst = max(send["p99"] or 0.0, receive["p99"] or 0.0)
    return {
        "counts": {name: value for name, value in totals.items() if isinstance(value, int)},
        "audio_delay_ms": quantiles_ms(totals.get("audio_delay", [])),
        "video_delay_ms": quantiles_ms(totals.get("video_delay", [])),
        "agent": {
            "send_lateness_ms": send,
            "receive_lateness_ms": receive,
            "cpu_s": round(sum(each["cpu_us"] for each in statistics) / 1e6, 2),
            "was_the_bottleneck": worst > MAX_LATENESS_MS,
        },
    }


def find_faults(summary: Mapping[str, Any]) -> list[str]:
    """Return what must not happen on a path without loss, in words; empty if all was well."""
    counts = summary["counts"]
    faults = [f"{counts[name]} {words}" for name, words in _NEVER.items() if counts.get(name)]
    faults += [f"{who}: {why}" for who, why in summary["failures"].items()]
    missing = summary["participants"] - summary["got_media"] - len(summary["failures"])
    if missing > 0:
        faults.append(f"{missing} participants never got media")
    faults += [f"{line} fell silent" for line in summary.get("silent", [])]
    return faults


def write_text(summary: Mapping[str, Any]) -> str:
    """Return the summary for people, a few lines."""
    counts = summary["counts"]
    lines = [
        f"{summary['scenario']}: {summary['participants']} participants in "
        f"{summary['rooms']} rooms, {summary['seconds']:.1f} s",
        f"  join (socket → first media)   {_row(summary['join_ms'])}",
        f"  delay of sound, end to end    {_row(summary['audio_delay_ms'])}",
        f"  delay of pictures             {_row(summary['video_delay_ms'])}",
        f"  frames {counts['frames']}, missing {counts['frames_missing']}, twice "
        f"{counts['frames_duplicate']}, late {counts['frames_reordered']}, of a wrong source "
        f"{counts['frames_wrong_source']}",
        f"  packets received {counts['packets_received']}, repaired {counts['packets_repaired']}, "
        f"lost {counts['packets_lost']}; freezes {counts['freezes']} "
        f"({counts['freeze_us'] / 1e6:.1f} s)",
        f"  agent: {summary['agent']['cpu_s']} s CPU, "
        f"frames late {_row(summary['agent']['send_lateness_ms'])}",
    ]
    for process in summary["server"]:
        lines.append(
            f"  server {process['pid']}: {process['cpu_s']:.2f} s CPU, "
            f"{process['memory_mb']:.1f} MB  {process['command']}"
        )
    if summary["agent"]["was_the_bottleneck"]:
        lines.append("  THE AGENT WAS TOO LATE ITSELF: these numbers do not count.")
    lines += [f"  FAULT: {fault}" for fault in summary["faults"]]
    return "\n".join(lines)


def _row(quantiles: Mapping[str, float | None]) -> str:
    known = [f"{name} {value} ms" for name, value in quantiles.items() if name != "count"]
    return ", ".join(known) + f" (of {quantiles['count']})"


_NEVER = {
    "frames_wrong_source": "frames of a wrong source",
    "frames_missing": "frames missing",
    "frames_duplicate": "frames twice",
    "frames_reordered": "frames out of order",
    "frames_unmarked": "frames without mark",
    "packets_lost": "packets lost",
    "unreadable": "datagrams unreadable",
    "send_failures": "datagrams that the agent's kernel did not take",
}
"""Counts that are zero in a healthy run on loopback."""
