"""What a form carries of the sitting that was shown, and what of it is not as it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from signaling.scheduling.sitting_seen import (
    FACTS,
    SeenSitting,
    changed_facts,
    read_seen,
    write_seen,
)
from signaling.scheduling.values import SittingKind, SittingMode

START = datetime(2026, 3, 10, 16, 0, tzinfo=UTC)
SEEN = SeenSitting(
    title="Τακτική <συνεδρίαση>", starts_at=START, ends_at=START + timedelta(hours=2),
    open_before_min=30, place="c:1", kind=SittingKind.COUNCIL_SESSION, mode=SittingMode.REMOTE,
    expected_participants=20, is_closed=False, admits_guests=False, agenda="a1",
)  # fmt: skip
OTHER = {
    "title": "Ειδική", "starts_at": START - timedelta(hours=1), "ends_at": START, "place": "b:1",
    "open_before_min": 0, "kind": SittingKind.HEARING, "mode": SittingMode.MIXED,
    "expected_participants": 21, "is_closed": True, "admits_guests": True, "agenda": "a2",
}  # fmt: skip


def test_form_gives_back_what_was_shown() -> None:
    assert read_seen(write_seen(SEEN)) == SEEN
    assert changed_facts(SEEN, SEEN) == []


def test_every_field_belongs_to_one_line_of_the_page() -> None:
    fields = [name for names in FACTS.values() for name in names]
    assert sorted(fields) == sorted(SeenSitting.__struct_fields__) == sorted(OTHER)


@pytest.mark.parametrize(("name", "value"), OTHER.items(), ids=OTHER)
def test_change_of_a_field_is_told_by_its_line_alone(name: str, value: object) -> None:
    now = msgspec.structs.replace(SEEN, **{name: value})
    assert changed_facts(SEEN, now) == [fact for fact, names in FACTS.items() if name in names]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        "\ud800",
        write_seen(SEEN).replace("council_session", "coup"),
        write_seen(SEEN).replace("2026-03-10T16", "9999-12-31T23"),
        write_seen(SEEN).replace("2026-03-10T16:00:00Z", "0001-01-01T00:00:00+14:00"),
        write_seen(SEEN).replace("00:00Z", "00:00"),
        write_seen(SEEN).replace("{", '{"body": 1, ', 1),
    ],
)
def test_what_no_page_of_ours_has_written_is_nothing(text: str) -> None:
    assert read_seen(text) is None
