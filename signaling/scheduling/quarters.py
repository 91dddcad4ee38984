"""Quarters of an hour: what is reserved, how much a room needs, and the next time that fits. Pure.

A quarter is numbered from 1970 in UTC; Athens is always a whole number of them away from UTC.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

QUARTER = timedelta(minutes=15)
QUARTERS_PER_DAY = 96
AUDIO_STREAMS = 3
"""A room carries its three loudest voices."""
SEARCH_DAYS = 90
"""How far a search for the next time that fits goes."""


@dataclass(frozen=True)
class Need:
    """What a room takes of the node while it is open."""

    participants: int
    streams: int


NOTHING = Need(0, 0)


@dataclass(frozen=True)
class Span:
    """Quarters one after the other: `first` to before `end`."""

    first: int
    end: int

    def __len__(self) -> int:
        return max(0, self.end - self.first)


def need_of(participants: int, videos_per_participant: int) -> Need:
    """Return what a room of so many people takes: everybody gets three voices, and so many
    pictures, of the others."""
    others = max(0, participants - 1)
    each = min(others, AUDIO_STREAMS) + min(others, videos_per_participant)
    return Need(participants, participants * each)


def span_of(opens_at: datetime, closes_at: datetime) -> Span:
    """Return the quarters that the time from `opens_at` to `closes_at` touches."""
    seconds = int(QUARTER.total_seconds())
    return Span(
        int(opens_at.timestamp()) // seconds, -(-int(closes_at.timestamp()) // seconds)
    )  # fmt: skip


def start_of(quarter: int) -> datetime:
    """Return when a quarter begins."""
    return datetime.fromtimestamp(quarter * int(QUARTER.total_seconds()), UTC)


def next_fit(full: Iterable[int], earliest: int, length: int, horizon: int) -> int | None:
    """Return the first quarter not before `earliest` from which `length` quarters are free.

    Args:
        full: quarters in which there is not enough left, ascending.
        earliest: first quarter to consider.
        length: how many are needed, one after the other.
        horizon: first quarter that is too late to begin in; None is returned from there on.

    One pass over `full`: O(len(full)).
    """
    candidate = earliest
    for quarter in full:
        if quarter >= candidate + length:
            break
        if quarter >= candidate:
            candidate = quarter + 1
    return candidate if candidate < horizon else None
