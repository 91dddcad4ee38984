"""What the filters of the pages' templates write."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import jinja2
import pytest
from aiohttp.test_utils import make_mocked_request

from signaling.rendering import Renderer, athens_clock, day_text, file_size, hours


@pytest.mark.parametrize(
    ("size_bytes", "shown"),
    [
        (0, "0 kB"),
        (50, "1 kB"),
        (999_001, "1000 kB"),
        (1_000_000, "1 MB"),
        (1_000_001, "2 MB"),
    ],
)
def test_a_file_size_is_rounded_up(size_bytes: int, shown: str) -> None:
    assert file_size(size_bytes) == shown


@dataclass(frozen=True)
class Meeting:
    starts_at: datetime
    ends_at: datetime


def test_times_are_what_clocks_in_greece_show() -> None:
    texts = {"weekdays_short": list("ΔΤΤΠΠΣΚ"), "months_of": ["Ιανουαρίου"] * 6 + ["Ιουλίου"]}
    meeting = Meeting(
        datetime(2026, 7, 1, 21, 5, tzinfo=UTC), datetime(2026, 7, 1, 23, 30, tzinfo=UTC)
    )
    assert hours(meeting) == "00:05–02:30"
    assert day_text(meeting.starts_at, texts) == "Π 2 Ιουλίου 2026"
    assert athens_clock(datetime(2026, 1, 31, 7, 0, tzinfo=UTC)) == "09:00"


def test_each_text_of_a_template_is_compiled_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[str] = []
    really = jinja2.Environment._compile

    def count(self: jinja2.Environment, source: str, filename: str) -> object:
        compiled.append(filename)
        return really(self, source, filename)

    monkeypatch.setattr(jinja2.Environment, "_compile", count)
    page = tmp_path / "page.html"

    def shown(text: str, *, has_keps: bool) -> str | None:
        page.write_text(text + "{% if has_keps %} kep{% endif %}", encoding="utf-8")
        renderer = Renderer(tmp_path, has_keps=has_keps)
        return renderer.render(make_mocked_request("GET", "/"), "page.html", {}).text

    assert shown("μία", has_keps=False) == "μία"
    assert shown("μία", has_keps=True) == "μία kep"
    assert compiled == [str(page)]
    assert shown("δύο", has_keps=False) == "δύο"
    assert compiled == [str(page)] * 2
