"""When the room of a sitting is open, minute by minute."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sfu.values import Role
from signaling.scheduling.values import SittingState
from signaling.scheduling.windows import (
    Entry,
    SittingTimes,
    decide_entry,
    entry_window,
    room_window,
)

START = datetime(2026, 3, 10, 16, 0, tzinfo=UTC)
SITTING = SittingTimes(START, START + timedelta(hours=2), open_before_min=30)
RUNNING = (Role.COORDINATOR, Role.CHAIR, Role.SECRETARY)


def after_start(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


@pytest.mark.parametrize("role", Role)
def test_who_runs_the_sitting_enters_a_quarter_earlier(role: Role) -> None:
    opens = -45 if role in RUNNING else -30
    assert entry_window(SITTING, role) == (after_start(opens), after_start(135))


@pytest.mark.parametrize(
    ("minute", "member", "chair"),
    [
        (-46, Entry.TOO_EARLY, Entry.TOO_EARLY),
        (-45, Entry.TOO_EARLY, Entry.OPEN),
        (-30.1, Entry.TOO_EARLY, Entry.OPEN),
        (-30, Entry.OPEN, Entry.OPEN),
        (0, Entry.OPEN, Entry.OPEN),
        (134.9, Entry.OPEN, Entry.OPEN),
        (135, Entry.OVER, Entry.OVER),
    ],
)
def test_the_door_by_the_minute(minute: float, member: Entry, chair: Entry) -> None:
    assert decide_entry(SITTING, Role.MEMBER, after_start(minute)) is member
    assert decide_entry(SITTING, Role.CHAIR, after_start(minute)) is chair


def test_cancelled_and_ended_sittings_admit_nobody() -> None:
    for minute in (-60, 0, 60, 500):
        for role in Role:
            cancelled = replace(SITTING, state=SittingState.CANCELLED)
            assert decide_entry(cancelled, role, after_start(minute)) is Entry.CANCELLED
            ended = replace(SITTING, state=SittingState.ENDED)
            assert decide_entry(ended, role, after_start(minute)) is Entry.OVER


def test_capacity_is_reserved_while_anybody_may_be_inside() -> None:
    opens, closes = room_window(SITTING)
    for role in Role:
        assert opens <= entry_window(SITTING, role)[0]
        assert closes >= entry_window(SITTING, role)[1]
