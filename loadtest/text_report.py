"""The report on a terminal: a few lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_FAILURES = 5


def write_text(report: Mapping[str, Any]) -> str:
    """Return the report for people who read terminals."""
    run, counts = report["run"], report["counts"]
    lines = [
        f"{report['name']}: {report['scenario']['title']}",
        f"  {run['participants']} participants in {run['rooms']} rooms, {run['seconds']:.1f} s, "
        f"at {run['url']}",
        f"  join (socket → first media)  {_row(report['times']['join_ms'])}",
        f"  first picture                {_row(report['times']['first_picture_ms'])}",
        f"  delay of sound               {_row(report['delays']['audio_ms'])}",
        f"  delay of pictures            {_row(report['delays']['video_ms'])}",
        f"  frames {counts.get('frames', 0)}, missing {counts.get('frames_missing', 0)}; packets "
        f"{counts.get('packets_received', 0)}, repaired {counts.get('packets_repaired', 0)}, "
        f"lost {counts.get('packets_lost', 0)}; freezes {counts.get('freezes', 0)}",
    ]
    lines += [_process(each) for each in report["server"]["processes"]]
    lines += [_browser(each) for each in report["browsers"]]
    lines += [
        f"  {_mark(check['holds'])} {check['words']}: {_value(check['measured'], check['unit'])} "
        f"(at most {_value(check['limit'], check['unit'])})"
        for check in report["thresholds"]
    ]
    lines += [
        f"  FAILED {each['count']} × {each['reason']} ({', '.join(each['examples'])})"
        for each in report["failures"][:MAX_FAILURES]
    ]
    lines += [f"  DEFECT of the load tester: {each}" for each in report["refusals"][:MAX_FAILURES]]
    lines.append(f"{report['verdict']['word'].upper()}: {report['verdict']['text']}.")
    return "\n".join(lines)


def _row(quantiles: Mapping[str, float | None]) -> str:
    if not quantiles["count"]:
        return "nothing measured"
    known = [f"{name} {value:g}" for name, value in quantiles.items() if name != "count"]
    return f"{', '.join(known)} ms (of {quantiles['count']})"


def _process(each: Mapping[str, Any]) -> str:
    return (
        f"  {each['role']}: {each['cpu_s']:.1f} s of CPU, at most {each['most_cores']:.2f} cores, "
        f"{each['most_memory_mb'] or 0:.0f} MB"
    )


def _browser(each: Mapping[str, Any]) -> str:
    if each["failure"]:
        return f"  {each['name']}: {each['failure']}"
    heights = ", ".join(f"{height}p" for height in each["heights"]) or "no picture"
    return (
        f"  {each['name']}: {each['videos']} of {each['cameras']} cameras shown ({heights}), still "
        f"{each['still_looks']} of {each['expected_looks']} times, silent {each['silent_looks']} "
        f"of {each['audio_looks']}, round trip {each['round_trip_ms'] or 0:.0f} ms"
    )


def _mark(holds: bool | None) -> str:
    return {True: "held  ", False: "MISSED", None: "?     "}[holds]


def _value(value: float | None, unit: str) -> str:
    return "not measured" if value is None else f"{value:g} {unit}".strip()
