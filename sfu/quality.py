"""Connection quality of a participant, a score from round trip and loss. SANS-IO."""

from __future__ import annotations

from sfu.values import ConnectionQuality

SMOOTHING = 0.5
"""Weight of the newest report (every 2 s): two bad reports in a row show, a single one hardly."""

SCORES = (
    # score, loss below (%), round trip below (ms)
    (5, 1.0, 150.0),
    (4, 3.0, 250.0),
    (3, 7.0, 400.0),
    (2, 15.0, 800.0),
)
"""First row that holds gives the score, else 1. Source: ITU-T G.114 (150 and 400 ms one way are the
bounds of good and of tolerable talk; we see round trips, so we are stricter), and Opus with in-band
FEC, which hides about 3 % of loss well and 10 % badly."""


class QualityMeter:
    """Smooths one participant's reports and says when its score changed."""

    def __init__(self, participant: str) -> None:
        self._participant = participant
        self._round_trip_ms: float | None = None
        self._loss_in = 0.0
        self._loss_out = 0.0
        self._is_lost = False
        self._has_report = False
        self._told: int | None = None

    def handle_report(self, round_trip_ms: float | None, loss_in: float, loss_out: float) -> None:
        """Take one report of the engine; losses are fractions from 0 to 1."""
        weight = SMOOTHING if self._has_report else 1.0
        self._has_report = True
        self._loss_in += weight * (loss_in - self._loss_in)
        self._loss_out += weight * (loss_out - self._loss_out)
        if round_trip_ms is not None:
            before = self._round_trip_ms if self._round_trip_ms is not None else round_trip_ms
            self._round_trip_ms = before + weight * (round_trip_ms - before)

    def handle_connectivity(self, is_lost: bool) -> None:
        self._is_lost = is_lost

    def poll_change(self) -> ConnectionQuality | None:
        """Return the quality if its score is another than at the last call that returned one."""
        if not (self._has_report or self._is_lost) or self._score() == self._told:
            return None
        self._told = self._score()
        return ConnectionQuality(
            participant=self._participant,
            score=self._told,
            round_trip_ms=None if self._round_trip_ms is None else round(self._round_trip_ms),
            loss_in_percent=round(100 * self._loss_in, 1),
            loss_out_percent=round(100 * self._loss_out, 1),
        )

    def _score(self) -> int:
        return (
            0 if self._is_lost else score(self._round_trip_ms, max(self._loss_in, self._loss_out))
        )


def score(round_trip_ms: float | None, loss: float) -> int:
    """Return 5 (excellent) to 1 (bad); `loss` is a fraction. An unknown round trip counts as
    good."""
    for value, loss_below_percent, round_trip_below_ms in SCORES:
        if 100 * loss < loss_below_percent and (round_trip_ms or 0.0) < round_trip_below_ms:
            return value
    return 1
