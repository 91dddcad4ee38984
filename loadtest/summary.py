"""From what was seen to the numbers of a report. Pure."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from loadtest.quantiles import (
    merge_histograms,
    merge_totals,
    quantile,
    quantiles_ms,
    summarise_times,
)
from loadtest.run import Outcome, Seen
from loadtest.series import Point, Series
from loadtest.thresholds import Figures, check_thresholds
from loadtest.verdict import decide_verdict

FORMAT = 1
"""Of the JSON report; raised when a name changes its meaning."""
EXAMPLES = 5
MAX_JOINS = 1000
"""LIMIT: drawn one by one."""


def summarise(outcome: Outcome, name: str, machine: Mapping[str, Any]) -> dict[str, Any]:
    """Return the report of a run as JSON values. docs/loadtest.md explains it."""
    statistics = [report["statistics"] for report in outcome.reports]
    totals = merge_totals(each["totals"] for each in statistics)
    late = _lateness(outcome, statistics)
    times = _times(outcome)
    figures = _figures(outcome, totals, times)
    checks = check_thresholds(outcome.scenario, figures, has_browsers=bool(outcome.browsers))
    verdict = decide_verdict(outcome, checks, late, totals.get("receive_overflows", 0))
    return {
        "format": FORMAT,
        "name": name,
        "verdict": dataclasses.asdict(verdict),
        "scenario": dataclasses.asdict(outcome.scenario),
        "run": _run(outcome),
        "machine": dict(machine),
        "thresholds": [dataclasses.asdict(check) for check in checks],
        "figures": dataclasses.asdict(figures),
        "times": times,
        "joins": _joins(outcome),
        "delays": {
            "audio_ms": quantiles_ms(totals.get("audio_delay", [])),
            "video_ms": quantiles_ms(totals.get("video_delay", [])),
        },
        "counts": {name: value for name, value in totals.items() if isinstance(value, int)},
        "failures": _failures(outcome.seen),
        "refusals": outcome.refusals,
        "groups": _by(outcome, lambda seen: seen.seat.group.name),
        "links": _by(outcome, lambda seen: seen.seat.link.name if seen.seat.link else "none")
        if outcome.scenario.links
        else [],
        "generator": {
            "lateness_ms": late,
            "agents": len(statistics),
            "cpu_s": round(sum(each["cpu_us"] for each in statistics) / 1e6, 2),
        },
        "server": _server(outcome),
        "browsers": [dataclasses.asdict(report) for report in outcome.browsers],
        "series": [dataclasses.asdict(point) for point in outcome.series.points],
    }


def _run(outcome: Outcome) -> dict[str, Any]:
    return {
        "url": outcome.target.url,
        "started_at": outcome.started_at.isoformat(timespec="seconds"),
        "seconds": round(outcome.seconds, 2),
        "planned_seconds": round(outcome.plan.ends_at_s, 2),
        "rooms": len(outcome.rooms),
        "participants": len(outcome.seen),
        "planned_participants": len(outcome.plan.seats),
        "most_at_once": max((point.people for point in outcome.series.points), default=0),
        "end": outcome.end.value,
        "end_text": outcome.end_text,
        "seed": outcome.scenario.seed,
    }


def _lateness(
    outcome: Outcome, statistics: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, float | None]]:
    """Return how late the generator was, by what it does."""
    names = {"sending": "send", "reading": "receive", "timers": "timer"}
    late = {
        words: quantiles_ms(
            merge_histograms(each.get(f"{name}_lateness", []) for each in statistics)
        )
        for words, name in names.items()
    }
    late["joins"] = summarise_times(max(0.0, seen.lateness_s) for seen in outcome.seen)
    return late


def _times(outcome: Outcome) -> dict[str, dict[str, float | None]]:
    people = [seen.participant for seen in outcome.seen]
    with_media = [each.times for each in people if each.times.first_media_s > 0]
    answered = [each.times for each in people if each.times.answered_s > 0]
    return {
        "join_ms": summarise_times(
            each.times.first_media_s - each.times.opened_s
            for each in people
            if each.times.first_media_s > 0 and each.had_company
        ),
        "signalling_ms": summarise_times(each.answered_s - each.opened_s for each in answered),
        "handshake_ms": summarise_times(
            each.connected_s - each.answered_s for each in with_media if each.connected_s > 0
        ),
        "first_picture_ms": summarise_times(_first_pictures(outcome)),
    }


def _joins(outcome: Outcome) -> list[tuple[float, float]]:
    """Return (when, how long in ms) of the joins to somebody, at most as many as can be drawn."""
    people = [seen.participant for seen in outcome.seen if seen.participant.had_company]
    joins = [
        (
            round(each.times.opened_s - outcome.started_s, 2),
            round((each.times.first_media_s - each.times.opened_s) * 1000, 1),
        )
        for each in people
        if each.times.first_media_s > 0
    ]
    return joins[:: max(1, len(joins) // MAX_JOINS)]


def _first_pictures(outcome: Outcome) -> Iterable[float]:
    """Yield seconds from the viewer's socket, or its publisher's if later, to the first picture."""
    opened = {seen.seat.number: seen.participant.times.opened_s for seen in outcome.seen}
    for seen, lines in _lines(outcome):
        for line in lines:
            is_marked = line["publisher"] in opened  # a browser's pictures bear no marks
            if line["kind"] == "video" and line["first_frame_us"] is not None and is_marked:
                since_s = max(opened[seen.seat.number], opened[line["publisher"]])
                yield max(0.0, line["first_frame_us"] / 1e6 - since_s)


def _figures(
    outcome: Outcome, totals: Mapping[str, Any], times: Mapping[str, Mapping[str, float | None]]
) -> Figures:
    people = [seen.participant for seen in outcome.seen]
    finished = [each for each in people if each.was_in or each.failure]
    was_in = [each for each in people if each.was_in]
    never = sum(each.was_in and not each.failure and each.times.first_media_s == 0
                for each in people)  # fmt: skip
    delays = {
        kind: quantiles_ms(totals.get(f"{kind}_delay", []))["p99"] for kind in ("audio", "video")
    }
    return Figures(
        failed_joins_percent=_percent(sum(not each.was_in for each in finished), len(finished)),
        join_p95_ms=times["join_ms"]["p95"],
        first_picture_p95_ms=times["first_picture_ms"]["p95"],
        audio_delay_p99_ms=delays["audio"],
        video_delay_p99_ms=delays["video"],
        frozen_percent=_frozen_percent(outcome),
        packets_lost_percent=_percent(
            totals.get("packets_lost", 0),
            totals.get("packets_lost", 0) + totals.get("packets_received", 0),
        ),
        frames_missing_percent=_percent(
            totals.get("frames_missing", 0),
            totals.get("frames_missing", 0) + totals.get("frames", 0),
        ),
        wrong_source_frames=float(totals.get("frames_wrong_source", outcome.wrong_sources)),
        unwished_frames=float(totals.get("frames_unwished", 0)),
        silent_streams=float(outcome.silences),
        disconnects_percent=_percent(sum(each.failure is not None for each in was_in), len(was_in)),
        server_cpu_cores=_server_cores(outcome.series, outcome.plan.joined_at_s),
        server_memory_mb=_total(outcome.series.most_memory),
        browsers_failed=float(sum(bool(each.failure) for each in outcome.browsers)),
        browser_still_percent=_percent(
            sum(each.still_looks for each in outcome.browsers),
            sum(each.expected_looks for each in outcome.browsers),
        ),
        without_media=float(never),
    )


def _percent(part: float, whole: float) -> float | None:
    return None if whole == 0 else round(100 * part / whole, 3)


def _frozen_percent(outcome: Outcome) -> float | None:
    """Return the frozen share of the time between the first and last picture of all streams."""
    frozen_us = shown_us = 0.0
    for _, lines in _lines(outcome):
        for line in lines:
            if line["kind"] == "video" and line["first_frame_us"] is not None:
                frozen_us += line["totals"]["freeze_us"]
                shown_us += line["last_frame_us"] - line["first_frame_us"]
    return _percent(frozen_us, shown_us)


def _lines(outcome: Outcome) -> Iterable[tuple[Seen, list[dict[str, Any]]]]:
    for report in outcome.reports:
        yield from _lines_of(outcome, report)


def _lines_of(
    outcome: Outcome, report: Mapping[str, Any]
) -> Iterable[tuple[Seen, list[dict[str, Any]]]]:
    """Yield each participant of an agent's report with its m-lines."""
    lines = {each["id"]: each["lines"] for each in report["participants"]}
    return [(seen, lines[seen.seat.number]) for seen in outcome.seen if seen.seat.number in lines]


def _failures(seen: Sequence[Seen]) -> list[dict[str, Any]]:
    """Return reasons with counts and a few examples, the most frequent first."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for each in seen:
        if each.participant.failure:
            by_reason[each.participant.failure].append(each.participant.name)
    rows = sorted(by_reason.items(), key=lambda row: -len(row[1]))
    return [
        {"reason": reason, "count": len(names), "examples": names[:EXAMPLES]}
        for reason, names in rows
    ]


def _by(outcome: Outcome, key: Any) -> list[dict[str, Any]]:
    """Return what each kind of participant saw."""
    people: dict[str, list[Seen]] = defaultdict(list)
    lines: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for seen in outcome.seen:
        people[key(seen)].append(seen)
    for seen, theirs in _lines(outcome):
        lines[key(seen)] += theirs
    rows = []
    for name, members in people.items():
        totals = merge_totals(line["totals"] for line in lines[name])
        shown_us = sum(
            line["last_frame_us"] - line["first_frame_us"]
            for line in lines[name]
            if line["kind"] == "video" and line["first_frame_us"] is not None
        )
        received, lost = totals.get("packets_received", 0), totals.get("packets_lost", 0)
        rows.append(
            {
                "name": name,
                "people": len(members),
                "failed": sum(seen.participant.failure is not None for seen in members),
                "join_p95_ms": _join_p95(members),
                "audio_p99_ms": quantiles_ms(totals.get("audio_delay", []))["p99"],
                "video_p99_ms": quantiles_ms(totals.get("video_delay", []))["p99"],
                "frozen_percent": _percent(totals.get("freeze_us", 0), shown_us),
                "lost_percent": _percent(lost, lost + received),
                "repaired": totals.get("packets_repaired", 0),
            }
        )
    return rows


def _join_p95(members: Sequence[Seen]) -> float | None:
    times = (seen.participant.times for seen in members if seen.participant.had_company)
    value = quantile(
        (each.first_media_s - each.opened_s for each in times if each.first_media_s), 0.95
    )
    return None if value is None else round(value * 1000, 1)


def _server(outcome: Outcome) -> dict[str, Any]:
    series = outcome.series
    return {
        "is_on_this_machine": outcome.has_processes,
        "has_metrics": outcome.has_metrics,
        "processes": [
            {
                "role": role,
                "cpu_s": round(cpu_s, 2),
                "most_cores": max(point.cpu_cores.get(role, 0.0) for point in series.points),
                "most_memory_mb": series.most_memory.get(role),
            }
            for role, cpu_s in sorted(series.cpu_s.items(), key=lambda item: -item[1])
        ],
    }


def _server_cores(series: Series, from_s: float) -> float | None:
    """Return the mean of all processes' cores once everybody has come."""

    def cores(points: Iterable[Point]) -> list[float]:
        return [sum(point.cpu_cores.values()) for point in points if point.cpu_cores]

    late = cores(point for point in series.points if point.at_s >= from_s)
    values = late or cores(series.points)
    return round(sum(values) / len(values), 3) if values else None


def _total(by_role: Mapping[str, float]) -> float | None:
    return round(sum(by_role.values()), 1) if by_role else None
