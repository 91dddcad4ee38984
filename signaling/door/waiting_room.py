"""Who waits at one room, in order, and what becomes of each. SANS-IO, one instance per room.

Calling rule: one `handle_…`, then carry out all it returned, in order. A refused input raises
`RequestError` and changes nothing. Nobody is admitted but by `handle_admit…`; who needs nobody's
leave is admitted when the own window opens, and not before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sfu.values import Role
from signaling.clock import Instant
from signaling.door.values import (
    KNOCK_TRANSITIONS,
    Caller,
    Dismiss,
    DoorLimits,
    DoorOutput,
    Issue,
    Knock,
    KnockState,
    KnockStep,
    Outcome,
    QueueChanged,
    Tell,
    Told,
    WaitingState,
    Window,
)
from signaling.errors import ErrorCode, RequestError

MAX_REMEMBERED = 10_000
"""LIMIT: people whose refusal is remembered; past it the oldest is forgotten."""


@dataclass(frozen=True)
class Pause:
    """Somebody is not heard for a while."""

    until_s: float
    """Monotonic."""
    refusals: int


class WaitingRoom:
    """The queue of one room."""

    def __init__(self, limits: DoorLimits) -> None:
        self._limits = limits
        self._knocks: dict[str, Knock] = {}
        """In the order of arrival; only those that have not ended."""
        self._by_subject: dict[str, str] = {}
        self._pauses: dict[str, Pause] = {}
        self._is_attended = False

    # ---- what is asked

    @property
    def knocks(self) -> list[Knock]:
        """Everybody who waits, in order."""
        return list(self._knocks.values())

    def knock_of(self, subject: str) -> Knock | None:
        """Return the place of a person."""
        return self._knocks.get(self._by_subject.get(subject, ""))

    def find(self, knock: str) -> Knock:
        """Return one who waits.

        Raises:
            RequestError: `unknown_knock`.
        """
        found = self._knocks.get(knock)
        if found is None:
            raise RequestError(ErrorCode.UNKNOWN_KNOCK, "nobody waits under that id")
        return found

    def next_timeout(self, now: Instant) -> float | None:
        """Return the monotonic time at which `handle_timeout` is due. O(waiting)."""
        return min((self._due_s(knock, now) for knock in self._knocks.values()), default=None)

    # ---- who knocks

    def handle_knock(self, knock: str, caller: Caller, now: Instant) -> list[DoorOutput]:
        """Take a place under the id `knock`, or the person's own place again.

        Raises:
            RequestError: `knock_later`, `too_early`, `too_late` or `waiting_room_full`.
        """
        self._check_may_knock(caller, now)
        known = self.knock_of(caller.subject)
        if known is not None:
            return self._return(known, caller, now)
        if len(self._knocks) >= self._limits.places:
            raise RequestError(ErrorCode.WAITING_ROOM_FULL, "too many wait", retry_after_s=30)
        made = Knock(knock, caller, now)
        self._knocks[knock] = made
        self._by_subject[caller.subject] = knock
        if self._enters_now(made, now):
            return self._step(made, KnockStep.ADMIT)
        return [QueueChanged(), *self._tell(now)]

    def handle_lost(self, knock: str, now: Instant) -> list[DoorOutput]:
        """The socket is lost; the place is kept for a while."""
        found = self._knocks.get(knock)
        if found is None or found.state is not KnockState.WAITING:
            return []
        found.lost_s = now.monotonic_s
        found.told = None
        self._step(found, KnockStep.LOST)
        return [QueueChanged()]

    def handle_leave(self, knock: str, now: Instant) -> list[DoorOutput]:
        """Who waits does not want to any more."""
        found = self._knocks.get(knock)
        return [] if found is None else [*self._step(found, KnockStep.LEAVE), *self._tell(now)]

    # ---- who decides

    def check_admit(self, knock: str, now: Instant) -> Knock:
        """Return whom `handle_admit` would admit.

        Raises:
            RequestError: `unknown_knock`, or `too_early` or `too_late` for that person.
        """
        found = self.find(knock)
        _check_window(found.caller.window, now)
        return found

    def admissible(self, now: Instant) -> list[Knock]:
        """Return whom "admit all" admits: everybody known whose window is open, in order."""
        return [
            knock for knock in self._knocks.values()
            if knock.caller.is_known and _is_open(knock.caller.window, now)
        ]  # fmt: skip

    def handle_admit(self, knocks: Iterable[str], now: Instant) -> list[DoorOutput]:
        """Admit each; those who have gone in the meantime, or whose time is over, are left out."""
        found = [self._knocks[each] for each in knocks if each in self._knocks]
        outputs = [
            output
            for knock in found
            if _is_open(knock.caller.window, now)
            for output in self._step(knock, KnockStep.ADMIT)
        ]
        return outputs and [*outputs, *self._tell(now)]

    def handle_refuse(self, knock: str, reason: str, now: Instant) -> list[DoorOutput]:
        """Send one away.

        Raises:
            RequestError: `unknown_knock`.
        """
        found = self.find(knock)
        pause_s = self._pause(found.caller.subject, self._limits.pause_s, now)
        dismissal = Dismiss(knock, Outcome.REFUSED, reason, round(pause_s))
        return [dismissal, *self._step(found, KnockStep.REFUSE), *self._tell(now)]

    def handle_removed(self, subject: str, now: Instant) -> list[DoorOutput]:
        """Who was removed from the room is not heard for a while."""
        self._pause(subject, self._limits.removal_pause_s, now)
        found = self.knock_of(subject)
        if found is None:
            return []
        pause = Dismiss(found.id, Outcome.REFUSED, "", round(self._limits.removal_pause_s))
        return [pause, *self._step(found, KnockStep.REFUSE), *self._tell(now)]

    def handle_moved_back(self, knock: str, caller: Caller, now: Instant) -> list[DoorOutput]:
        """Keep a place for who comes back from the room."""
        if self.knock_of(caller.subject) is not None or len(self._knocks) >= self._limits.places:
            return []
        self._knocks[knock] = Knock(knock, caller, now, KnockState.AWAY, now.monotonic_s)
        self._by_subject[caller.subject] = knock
        return [QueueChanged()]

    def handle_attendance(self, is_attended: bool, now: Instant) -> list[DoorOutput]:
        """Somebody who admits is in the room, or nobody."""
        if is_attended == self._is_attended:
            return []
        self._is_attended = is_attended
        return self._tell(now)

    # ---- time

    def handle_windows(self, windows: Mapping[Role, Window], now: Instant) -> list[DoorOutput]:
        """The meeting was moved: roles that are not named keep their window."""
        for knock in self._knocks.values():
            window = windows.get(knock.caller.role, knock.caller.window)
            knock.caller = replace(knock.caller, window=window)
        return [*self.handle_timeout(now), *self._tell(now)]

    def handle_timeout(self, now: Instant) -> list[DoorOutput]:
        """Do what is due: forget who did not return, open for who may enter, close what is over."""
        outputs: list[DoorOutput] = []
        for knock in list(self._knocks.values()):
            if knock.caller.window.is_over(now):
                outputs += self._close(knock, Outcome.TOO_LATE)
            elif self._is_lost_for_good(knock, now):
                outputs += self._step(knock, KnockStep.TIMED_OUT)
            elif self._enters_now(knock, now) and knock.state is KnockState.WAITING:
                outputs += self._step(knock, KnockStep.ADMIT)
        return [*outputs, *self._tell(now)]

    def handle_close(self, outcome: Outcome) -> list[DoorOutput]:
        """The meeting is over: nobody waits any more."""
        return [out for knock in self.knocks for out in self._close(knock, outcome)]

    # ---- inner

    def _check_may_knock(self, caller: Caller, now: Instant) -> None:
        pause = self._pauses.get(caller.subject)
        if pause is not None and now.monotonic_s < pause.until_s:
            retry_after_s = max(1, round(pause.until_s - now.monotonic_s))
            raise RequestError(ErrorCode.KNOCK_LATER, "refused a while ago", retry_after_s)
        if caller.window.is_over(now):
            raise RequestError(ErrorCode.TOO_LATE, "the time to enter is over")
        wait_s = caller.window.opens_s - self._limits.early_s - now.wall_s
        if wait_s > 0:
            raise RequestError(ErrorCode.TOO_EARLY, "not even the waiting room is open",
                               max(1, round(wait_s)))  # fmt: skip

    def _return(self, known: Knock, caller: Caller, now: Instant) -> list[DoorOutput]:
        known.caller = caller  # newer: the role or the name may have changed
        known.told = None
        outputs = self._step(known, KnockStep.RETURNED)
        if known.state is KnockState.ADMITTED:
            return [*outputs, *self._tell(now)]
        if self._enters_now(known, now):
            return [*outputs, *self._step(known, KnockStep.ADMIT), *self._tell(now)]
        return [QueueChanged(), *self._tell(now)]

    def _step(self, knock: Knock, step: KnockStep) -> list[DoorOutput]:
        key = (knock.state, step)
        if key not in KNOCK_TRANSITIONS:
            raise AssertionError(f"{step} is illegal in {knock.state}")
        before, knock.state = knock.state, KNOCK_TRANSITIONS[key]
        if knock.state in _WAITING_STATES:
            return [] if knock.state is before else [QueueChanged()]
        del self._knocks[knock.id]
        del self._by_subject[knock.caller.subject]
        outputs: list[DoorOutput] = []
        if knock.state is KnockState.ADMITTED:
            outputs.append(Issue(knock.id, knock.caller))
        return [*outputs, QueueChanged()]

    def _close(self, knock: Knock, outcome: Outcome) -> list[DoorOutput]:
        return [Dismiss(knock.id, outcome), *self._step(knock, KnockStep.DOOR_CLOSED)]

    def _pause(self, subject: str, pause_s: float, now: Instant) -> float:
        """Begin a pause; each further one is twice as long as the last. Return its seconds."""
        before = self._pauses.pop(subject, None)
        refusals = 0 if before is None else before.refusals
        length_s = min(pause_s * float(2**refusals), self._limits.longest_pause_s)
        self._pauses[subject] = Pause(now.monotonic_s + length_s, refusals + 1)
        if len(self._pauses) > MAX_REMEMBERED:
            del self._pauses[next(iter(self._pauses))]
        return length_s

    def _tell(self, now: Instant) -> list[DoorOutput]:
        """Return what those who wait have to be told, as far as it changed."""
        outputs: list[DoorOutput] = []
        for position, knock in enumerate(self._knocks.values(), 1):
            told = Told(self._waiting_state(knock, now), position, knock.caller.window.opens_s)
            if knock.state is KnockState.WAITING and told != knock.told:
                knock.told = told
                outputs.append(Tell(knock.id, told))
        return outputs

    def _waiting_state(self, knock: Knock, now: Instant) -> WaitingState:
        if not knock.caller.window.has_opened(now):
            return WaitingState.EARLY
        return WaitingState.WAITING if self._is_attended else WaitingState.UNATTENDED

    def _enters_now(self, knock: Knock, now: Instant) -> bool:
        return knock.caller.enters_at_once and _is_open(knock.caller.window, now)

    def _is_lost_for_good(self, knock: Knock, now: Instant) -> bool:
        is_away = knock.state in (KnockState.AWAY, KnockState.EXPECTED)
        return is_away and now.monotonic_s >= knock.lost_s + self._limits.away_s

    def _due_s(self, knock: Knock, now: Instant) -> float:
        """Return when, on the monotonic clock, time changes something for this one."""
        window = knock.caller.window
        until_s = window.closes_s if window.has_opened(now) else window.opens_s
        due_s = now.monotonic_s + max(0.0, until_s - now.wall_s)
        if knock.state is KnockState.WAITING:
            return due_s
        return min(due_s, knock.lost_s + self._limits.away_s)


_WAITING_STATES = frozenset({KnockState.WAITING, KnockState.AWAY, KnockState.EXPECTED})


def _is_open(window: Window, now: Instant) -> bool:
    return window.has_opened(now) and not window.is_over(now)


def _check_window(window: Window, now: Instant) -> None:
    if window.is_over(now):
        raise RequestError(ErrorCode.TOO_LATE, "the time to enter is over")
    if not window.has_opened(now):
        raise RequestError(ErrorCode.TOO_EARLY, "the door does not open yet",
                           max(1, round(window.opens_s - now.wall_s)))  # fmt: skip
