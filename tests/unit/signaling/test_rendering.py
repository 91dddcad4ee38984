"""What the filters of the pages' templates write."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from signaling.rendering import athens_clock, day_text, file_size, hours


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
