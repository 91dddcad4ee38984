"""The report: JSON that can be read back, and one HTML page that is whole and needs nothing else."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from loadtest.browsers import BrowserReport, take_look
from loadtest.cast import Target
from loadtest.html_report import flatten, number, write_html
from loadtest.machine import describe_machine
from loadtest.plan import make_plan
from loadtest.report import write_reports
from loadtest.run import End, Outcome
from loadtest.scenario_file import read_scenario
from loadtest.series import Reading, ServerProcess
from loadtest.summary import summarise
from loadtest.text_report import write_text

HOSTILE = "</style><script>alert(1)</script><img src=https://elsewhere.example/x>"
VOID = {"meta", "link", "br", "img", "input", "hr"}


def made_report(end: End = End.COMPLETE, title: str = "A test") -> dict[str, Any]:
    scenario = read_scenario("lossy", [f'title="{title}"'])
    outcome = Outcome(
        scenario, make_plan(scenario), ["r1"], Target("http://127.0.0.1:1"), datetime.now(UTC)
    )
    outcome.end, outcome.end_text, outcome.seconds = end, "ended because of it", 12.3
    outcome.browsers = [BrowserReport("browser-1"), BrowserReport("browser-2", failure=HOSTILE)]
    for second in range(5):
        totals = {
            "bytes_received": second * 1000, "bytes_sent": second * 900, "packets_received": second,
            "audio_delay": [[100, second]], "video_delay": [],
        }  # fmt: skip
        agent = {
            "at_us": second * 1_000_000, "totals": totals, "cpu_us": 5,
            "send_lateness": [[50, second]], "receive_lateness": [[60, second]],
            "timer_lateness": [],
        }  # fmt: skip
        process = ServerProcess(7, "media worker", second * 0.5, 50_000_000)
        outcome.series.handle_reading(Reading(second, 3, 0, [agent], [process], (second, 9)))
    outcome.reports = [{"participants": [], "statistics": agent}]
    return summarise(outcome, "lossy", describe_machine())


class Page(HTMLParser):
    """Checks that tags close as they opened, and gathers what could lead elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, tag


@pytest.mark.parametrize("end", list(End))
def test_the_page_is_whole_and_leads_nowhere(end: End) -> None:
    text = write_html(made_report(end))
    page = Page(text)

    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "link", "iframe", "img", "object", "base", "form"}
    for tag, attributes in page.tags:
        assert not {"src", "href", "srcset", "xlink:href", "onload"} & set(attributes), tag
    assert "url(" not in text and "@import" not in text
    policy = next(
        each["content"] for tag, each in page.tags
        if tag == "meta" and each.get("http-equiv") == "Content-Security-Policy"
    )  # fmt: skip
    assert policy is not None and "default-src 'none'" in policy


def test_what_a_service_says_stays_text() -> None:
    report = made_report(title=HOSTILE)
    report["failures"] = [{"reason": HOSTILE, "count": 3, "examples": [HOSTILE]}]
    page = Page(write_html(report))
    assert not {"script", "img"} & {tag for tag, _ in page.tags}


def test_every_plot_has_words_and_every_section_a_heading() -> None:
    text = write_html(made_report())
    page = Page(text)
    plots = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(plots) >= 5
    assert all(each.get("role") == "img" and each.get("aria-label") for each in plots)
    ids = {each.get("id") for _, each in page.tags}
    for tag, each in page.tags:
        if tag == "section":
            assert each["aria-labelledby"] in ids
    assert len(re.findall("<h1", text)) == 1


def test_json_can_be_read_back_and_has_the_verdict_and_every_second(tmp_path: Path) -> None:
    report = made_report()
    paths = write_reports(report, tmp_path / "reports", None, None)
    assert [path.suffix for path in paths] == [".json", ".html"]
    read = json.loads(paths[0].read_text(encoding="utf-8"))
    assert read["format"] == 1 and read["verdict"]["exit"] == 1
    assert [point["at_s"] for point in read["series"]] == [0, 1, 2, 3, 4]
    assert read["scenario"]["links"][0]["loss_percent"] == 3
    assert read["server"]["processes"][0]["role"] == "media worker"


def test_the_terminal_is_told_what_was_missed_and_why() -> None:
    text = write_text(made_report(End.SERVICE_LOST))
    assert "MISSED Joins that failed: not measured" in text
    assert text.splitlines()[-1] == "MISSED: ended because of it."


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0"),
        (0.1234, "0.123"),
        (1234567, "1\u202f234\u202f567"),
        (1234.6, "1\u202f235"),
    ],
)
def test_numbers_as_people_read_them(value: float | None, text: str) -> None:
    assert number(value) == text


def test_settings_are_named_as_set_names_them() -> None:
    rows = dict(flatten(made_report()["scenario"]))
    assert rows["groups.members.per_room"] == "4"
    assert rows["links.busy wireless.delay_ms"] == "30.0"
    assert "title" not in rows


def sight(frames: int, energy: float, *, is_expected: bool = True) -> dict[str, Any]:
    stream = {"freezes": 0, "received": 10, "lost": 0, "energy": 0.0, "frames": 0}
    return {
        "connection": "connected", "round_trip_ms": 2.0, "cameras": 1, "voices": 1,
        "streams": [
            {**stream, "mid": "5", "kind": "video", "is_expected": is_expected, "frames": frames,
             "height": 360},
            {**stream, "mid": "2", "kind": "audio", "is_expected": False, "energy": energy},
        ],
    }  # fmt: skip


def test_a_picture_is_seen_when_decoded_frames_grow_and_a_voice_when_energy_does() -> None:
    report = BrowserReport("browser-1")
    take_look(report, sight(10, 1.0), sight(20, 1.5))
    assert (report.expected_looks, report.still_looks, report.silent_looks) == (1, 0, 0)
    take_look(report, sight(20, 1.5), sight(20, 1.5))
    assert (report.expected_looks, report.still_looks, report.silent_looks) == (2, 1, 1)
    assert (report.heights, report.videos, report.cameras) == ([360], 1, 1)


def test_a_picture_that_nobody_sends_is_not_still() -> None:
    report = BrowserReport("browser-1")
    take_look(report, sight(20, 1.0, is_expected=False), sight(20, 2.0))
    assert report.expected_looks == 0
