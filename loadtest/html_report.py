"""The report as one HTML page for people: nothing of it is loaded from elsewhere, no script. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from loadtest.plots import Curve, Plot, describe, draw
from loadtest.verdict import Exit

TEMPLATES = Path(__file__).with_name("templates")
TONES = {
    Exit.HELD: "good",
    Exit.MISSED: "bad",
    Exit.CANNOT_RUN: "bad",
    Exit.DOES_NOT_COUNT: "doubt",
    Exit.INTERRUPTED: "doubt",
}
SYMBOLS = {"good": "✓", "bad": "✗", "doubt": "!"}


def write_html(report: Mapping[str, Any]) -> str:
    """Return the page."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    tone = TONES[Exit(report["verdict"]["exit"])]
    return environment.get_template("report.html").render(
        report=report,
        tone=tone,
        symbol=SYMBOLS[tone],
        style=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        facts=facts(report),
        tiles=tiles(report),
        plots=[(plot, Markup(draw(plot)), describe(plot)) for plot in plots(report)],
        quantiles=quantile_rows(report),
        settings=list(flatten(report["scenario"])),
        counts=sorted((name.replace("_", " "), value) for name, value in report["counts"].items()),
    )


def number(value: float | None, unit: str = "") -> str:
    """Return a number as people read it: three significant digits, thousands apart, or a dash."""
    if value is None:
        return "–"
    if value == int(value) or abs(value) >= 1000:
        text = f"{round(value):,}".replace(",", "\u202f")
    else:
        text = f"{value:.3g}"
    return f"{text}\u00a0{unit}" if unit else text


def facts(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return where, when and on what it ran."""
    run, machine = report["run"], report["machine"]
    generator = report["generator"]
    return [
        ("Service", run["url"]),
        ("Started", run["started_at"].replace("T", " ").replace("+00:00", " UTC")),
        ("Lasted", f"{run['seconds']:.0f} of {run['planned_seconds']:.0f} s planned"),
        ("Rooms", number(run["rooms"])),
        (
            "Participants",
            f"{number(run['participants'])} joins, at most {number(run['most_at_once'])} at once",
        ),
        ("Seed", str(run["seed"])),
        (
            "Generator",
            f"{generator['agents']} agent{'s' if generator['agents'] != 1 else ''}, "
            f"{generator['cpu_s']:.1f} s of CPU",
        ),
        (
            "Machine",
            f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
            f"{machine['system']}, Python {machine['python']}, load {machine['load_average']}",
        ),
    ]


def tiles(report: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return the figures that one looks at first: (words, value, under it)."""
    times, delays, figures = report["times"], report["delays"], report["figures"]
    rates = [point["received_mbps"] or 0.0 for point in report["series"]]
    shown = [
        (
            "Join",
            number(times["join_ms"]["p95"], "ms"),
            f"p95 of {number(times['join_ms']['count'])}",
        ),
        (
            "Delay of sound",
            number(delays["audio_ms"]["p99"], "ms"),
            f"p99, half below {number(delays['audio_ms']['p50'], 'ms')}",
        ),
        (
            "Delay of pictures",
            number(delays["video_ms"]["p99"], "ms"),
            f"p99, half below {number(delays['video_ms']['p50'], 'ms')}",
        ),
        ("Frozen", number(figures["frozen_percent"], "%"), "of the time pictures were shown"),
        ("Lost", number(figures["packets_lost_percent"], "%"), "of packets, after repair"),
        ("Received", number(max(rates, default=0.0), "Mbit/s"), "at most, by everybody together"),
    ]
    if figures["server_cpu_cores"] is not None:
        memory = number(figures["server_memory_mb"], "MB")
        shown.append(
            ("Service", number(figures["server_cpu_cores"], "cores"), f"{memory} of memory")
        )
    return shown


def plots(report: Mapping[str, Any]) -> list[Plot]:
    """Return what there is to draw."""
    series = report["series"]
    limits = {check["name"]: check["limit"] for check in report["thresholds"]}
    seconds = series[-1]["at_s"] if series else 1.0

    def curve(name: str, key: str) -> Curve:
        return Curve(name, [(point["at_s"], point[key]) for point in series])

    drawn = [
        Plot(
            "People", "", [curve("in the rooms", "people"), curve("failed so far", "failures")],
            seconds=seconds,
        ),
        Plot(
            "Join times", "ms", dots=[(at, ms) for at, ms in report["joins"]],
            limit=limits.get("join_p95_ms"), seconds=seconds,
            note="Each dot is a participant who joined somebody: socket opened → first media packet.",
        ),
        Plot(
            "Delay of sound", "ms", [curve("p50", "audio_p50_ms"), curve("p99", "audio_p99_ms")],
            limit=limits.get("audio_delay_p99_ms"), seconds=seconds,
        ),
        Plot(
            "Delay of pictures", "ms", [curve("p50", "video_p50_ms"), curve("p99", "video_p99_ms")],
            limit=limits.get("video_delay_p99_ms"), seconds=seconds,
            note="From the first packet of a picture sent to its last received.",
        ),
        Plot(
            "Freezes", "a second", [curve("pauses over 200 ms", "freezes_per_s"),
                                    curve("packets lost", "lost_per_s")], seconds=seconds,
        ),
        Plot(
            "Bitrate", "Mbit/s",
            [curve("received", "received_mbps"), curve("sent", "sent_mbps")], seconds=seconds,
            note="Of all participants together.",
        ),
        *_server_plots(series, seconds),
        Plot(
            "Lateness of the generator", "ms", [curve("p99", "lateness_p99_ms")],
            limit=report["scenario"]["generator"]["max_lateness_p99_ms"], seconds=seconds,
            note="How late the load agent itself was: above the line the run does not count.",
        ),
    ]  # fmt: skip
    return [plot for plot in drawn if not plot.is_empty]


def _server_plots(series: Sequence[Mapping[str, Any]], seconds: float) -> list[Plot]:
    def by_role(key: str) -> list[Curve]:
        roles = sorted({role for point in series for role in point[key]})
        return [
            Curve(role, [(point["at_s"], point[key].get(role)) for point in series])
            for role in roles
        ]

    def metric(name: str, key: str) -> Curve:
        return Curve(name, [(point["at_s"], point["metrics"].get(key)) for point in series])

    return [
        Plot("CPU of the service", "cores", by_role("cpu_cores"), seconds=seconds),
        Plot("Memory of the service", "MB", by_role("memory_mb"), seconds=seconds),
        Plot(
            "Packets of the service", "a second",
            [
                metric("forwarded", "sfu_rtp_packets_forwarded_total"),
                metric("dropped", "sfu_packets_dropped_total"),
                metric("sent again", "sfu_retransmissions_sent_total"),
            ],
            seconds=seconds, note="As /metrics tells. Packets of muted sources count as dropped.",
        ),
        Plot(
            "Signalling", "a second",
            [
                metric("messages", "signaling_messages_received_total"),
                metric("errors", "signaling_errors_sent_total"),
            ],
            seconds=seconds,
        ),
    ]  # fmt: skip


def quantile_rows(report: Mapping[str, Any]) -> list[tuple[str, Mapping[str, float | None]]]:
    """Return what was measured in milliseconds: (words, quantiles)."""
    times, late = report["times"], report["generator"]["lateness_ms"]
    return [
        ("Socket opened → first media packet, of who joined somebody", times["join_ms"]),
        ("Socket opened → answer", times["signalling_ms"]),
        ("Answer → keys agreed", times["handshake_ms"]),
        ("Socket opened → first picture", times["first_picture_ms"]),
        ("Delay of sound", report["delays"]["audio_ms"]),
        ("Delay of pictures", report["delays"]["video_ms"]),
        ("Generator: late in sending", late["sending"]),
        ("Generator: late in reading", late["reading"]),
        ("Generator: late in waking", late["timers"]),
        ("Generator: joins begun late", late["joins"]),
    ]


def flatten(value: Any, path: str = "") -> list[tuple[str, str]]:
    """Return a scenario's values by key, as `--set` names them; texts that are shown apart left out."""
    if isinstance(value, Mapping):
        rows = [row for key, each in value.items() for row in flatten(each, f"{path}.{key}")]
        return [row for row in rows if row[0] not in ("title", "description")]
    if isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
        return [row for each in value for row in flatten(each, f"{path}.{each['name']}")]
    if isinstance(value, list | tuple):
        return [(path.lstrip("."), ", ".join(str(each) for each in value))]
    return [(path.lstrip("."), "" if value is None else str(value))]
