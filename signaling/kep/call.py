"""One call of a citizen with a ΚΕΠ employee, SANS-IO: who is there, what flows, what is allowed.

Phases are the states of the appointment (`states.py`), kept in the database; here is what belongs
to the minute: cameras, "sound only", the sharp picture. Calling rule: one `handle_…` or `ask_…`,
then carry out all it returned. A refused wish raises `CallRefused` and changes nothing.

Until the employee has marked the identity as confirmed the citizen's camera is obligatory (R43,
R79): the server honours "sound only" after that, and not before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from sfu.values import Encryption, ParticipantInfo, Role, TrackSource
from signaling.clock import Instant
from signaling.kep.config import KepConfig
from signaling.kep.values import AppointmentState

WEAK_SCORE = 1
"""Connection quality (0 to 5) at which picture costs more than it shows."""
LATE_S = 2.0
"""A step down that comes so late was not waited for but slept through: this process, or its machine,
stood still. What was told before says nothing of the network then, and the time begins anew."""
QUIET_AFTER_RETURN_S = 60.0
"""Who has just asked for the picture again is not overruled at once."""
CAMERA_ROLES = frozenset({Role.CITIZEN, Role.EMPLOYEE})
"""Whose picture "sound only" stops. An interpreter's never: it is the citizen's language (R53)."""


class Cause(StrEnum):
    """Who wanted sound only."""

    CITIZEN = "citizen"
    EMPLOYEE = "employee"
    WEAK_NETWORK = "weak_network"
    UNKNOWN = "unknown"
    """It was so before this process began, and the reason could not be stored."""


class Refusal(StrEnum):
    """Why a wish is refused. Told to programs as it is, to people by a text of the page."""

    NOT_ALLOWED = "not_allowed"
    """Not for this role, or not while there is sound only."""
    CAMERA_OBLIGATORY = "camera_obligatory"
    """The identity is not confirmed yet."""
    NO_CITIZEN = "no_citizen"
    NO_CAMERA = "no_camera"
    """Nothing of the citizen's picture arrives."""
    NOT_ENCRYPTED = "not_encrypted"
    """Somebody's browser does not encrypt end to end."""


class CallRefused(Exception):
    """A wish that the call does not allow now."""

    def __init__(self, code: Refusal) -> None:
        super().__init__(code.value)
        self.code = code


_PROGRESS = {
    AppointmentState.IDENTIFYING: 1,
    AppointmentState.SERVING: 2,
    AppointmentState.CONCLUDED: 3,
    AppointmentState.ABORTED: 3,
    AppointmentState.RESCHEDULED: 3,
    AppointmentState.CANCELLED: 3,
}
"""From these states none leads back; before them (0) citizens come and go."""


class CallView(msgspec.Struct, frozen=True, kw_only=True):
    """What everybody in the call is told."""

    phase: AppointmentState
    is_identified: bool
    sound_only: Cause | None
    """Why there is sound only; None: picture and sound."""
    wants_sharp_picture: bool
    """The employee asks the citizen's page for a still, sharp picture of the document, live."""
    citizen_camera: bool
    """The citizen's picture really reaches the server."""


@dataclass(frozen=True)
class SetCamera:
    """Allow or forbid a participant's camera, at the media."""

    participant: str
    is_allowed: bool


@dataclass(frozen=True)
class Announce:
    """Tell everybody in the room how things are."""

    view: CallView


@dataclass(frozen=True)
class NoteSoundOnly:
    """Keep beyond this process why there is sound only; None: there is picture."""

    cause: Cause | None


Output = SetCamera | Announce | NoteSoundOnly


@dataclass
class KepCall:
    """State of one running call."""

    phase: AppointmentState
    weak_for_s: float = KepConfig.weak_network_s
    """How long the citizen's network must be too weak before the picture goes; 0: it never does."""
    people: dict[str, ParticipantInfo] = field(default_factory=dict)
    sound_only: Cause | None = None
    noted: Cause | None = None
    """What was to be kept last."""
    wants_sharp_picture: bool = False
    told: CallView | None = None
    weak_since_s: float | None = None
    quiet_until_s: float = 0.0

    @property
    def is_identified(self) -> bool:
        """Whether the employee has confirmed the identity."""
        return self.phase in (AppointmentState.SERVING, AppointmentState.CONCLUDED)

    @property
    def view(self) -> CallView:
        """What everybody is told."""
        citizen = self._citizen()
        return CallView(
            phase=self.phase,
            is_identified=self.is_identified,
            sound_only=self.sound_only,
            wants_sharp_picture=self.wants_sharp_picture,
            citizen_camera=citizen is not None and _camera_flows(citizen),
        )

    def take_up(self, people: Iterable[ParticipantInfo], noted: Cause | None) -> list[Output]:
        """Go on with a call that ran before this process began.

        `noted` is the reason that was kept. Whether there is sound only, the cameras tell: a wish
        may have been kept and not carried out. With nobody there, what was kept holds.
        """
        self.people = {info.participant: info for info in people}
        self.noted = noted
        cameras = [each.grants.camera for each in self.people.values() if each.role in CAMERA_ROLES]
        is_sound_only = not all(cameras) if cameras else noted is not None
        if self.is_identified and is_sound_only:
            self.sound_only = noted or Cause.UNKNOWN
        return [*self._settle_cameras(), *self._tell()]

    # ---- from the room

    def handle_participant(self, info: ParticipantInfo) -> list[Output]:
        """Somebody came, or changed."""
        self.people[info.participant] = info
        return [*self._settle_cameras(), *self._tell()]

    def handle_left(self, participant: str) -> list[Output]:
        """Somebody has gone."""
        left = self.people.pop(participant, None)
        if left is not None and left.role is Role.CITIZEN:
            self.wants_sharp_picture = False
        return self._tell()

    def handle_quality(self, participant: str, score: int, now: Instant) -> list[Output]:
        """A connection is told to be better or worse. Only the citizen's counts: the employee sits
        in an office."""
        info = self.people.get(participant)
        if info is None or info.role is not Role.CITIZEN:
            return []
        if score > WEAK_SCORE:
            self.weak_since_s = None
        elif self.weak_since_s is None:
            self.weak_since_s = now.monotonic_s
        return self.handle_timeout(now)

    def next_timeout(self) -> float | None:
        """Return the monotonic time at which `handle_timeout` is due."""
        if self.weak_since_s is None or self.sound_only is not None or not self.is_identified:
            return None
        if not self.weak_for_s:
            return None
        return max(self.weak_since_s + self.weak_for_s, self.quiet_until_s)

    def handle_timeout(self, now: Instant) -> list[Output]:
        """Step down to sound when the citizen's network has been too weak for too long."""
        due_s = self.next_timeout()
        if due_s is None or now.monotonic_s < due_s:
            return []
        if now.monotonic_s > due_s + LATE_S:
            self.weak_since_s = now.monotonic_s
            return []
        self.weak_since_s = None
        self.sound_only = Cause.WEAK_NETWORK
        return [*self._settle_cameras(), *self._tell()]

    def handle_phase(self, phase: AppointmentState) -> list[Output]:
        """The appointment has come to another state, and that is stored. An earlier one than is
        known is of a query that was overtaken, and ignored."""
        if _PROGRESS.get(phase, 0) < _PROGRESS.get(self.phase, 0):
            return []
        self.phase = phase
        if not self.is_identified:
            self.sound_only = None
        else:
            self.wants_sharp_picture = False
        return [*self._settle_cameras(), *self._tell()]

    # ---- wishes

    def ask_sound_only(self, role: Role, is_wanted: bool, now: Instant) -> list[Output]:
        """Go on with sound only, or back to picture: from either side.

        Raises:
            CallRefused: `not_allowed` for others; `camera_obligatory` before the identity is
                confirmed.
        """
        if role not in CAMERA_ROLES:
            raise CallRefused(Refusal.NOT_ALLOWED)
        if is_wanted and not self.is_identified:
            raise CallRefused(Refusal.CAMERA_OBLIGATORY)
        if is_wanted == (self.sound_only is not None):
            return []
        self.sound_only = Cause(role.value) if is_wanted else None
        self.quiet_until_s = now.monotonic_s + QUIET_AFTER_RETURN_S
        return [*self._settle_cameras(), *self._tell()]

    def ask_sharp_picture(self, role: Role, is_wanted: bool) -> list[Output]:
        """Ask the citizen's page for a still, sharp picture; it is live and kept nowhere.

        Raises:
            CallRefused: `not_allowed`: only the employee may, and while there is picture.
        """
        if role is not Role.EMPLOYEE or (is_wanted and self.sound_only is not None):
            raise CallRefused(Refusal.NOT_ALLOWED)
        self.wants_sharp_picture = is_wanted
        return self._tell()

    def check_mute(self, role: Role, source: TrackSource, is_muted: bool) -> None:
        """Refuse what a citizen may not switch off yet.

        Raises:
            CallRefused: `camera_obligatory`.
        """
        is_citizens_camera = role is Role.CITIZEN and source is TrackSource.CAMERA
        if is_muted and is_citizens_camera and not self.is_identified:
            raise CallRefused(Refusal.CAMERA_OBLIGATORY)

    def check_identification(self, *, allows_unencrypted: bool) -> None:
        """Refuse to confirm an identity that nobody can have seen.

        Raises:
            CallRefused: `no_citizen`, `no_camera` (nothing of the citizen's picture arrives, or
                somebody switched it off) or `not_encrypted`.
        """
        citizen = self._citizen()
        if citizen is None:
            raise CallRefused(Refusal.NO_CITIZEN)
        if not _camera_flows(citizen):
            raise CallRefused(Refusal.NO_CAMERA)
        is_open = any(each.encryption is not Encryption.ON for each in self.people.values())
        if is_open and not allows_unencrypted:
            raise CallRefused(Refusal.NOT_ENCRYPTED)

    # ---- inner

    def _citizen(self) -> ParticipantInfo | None:
        return next((each for each in self.people.values() if each.role is Role.CITIZEN), None)

    def _settle_cameras(self) -> list[Output]:
        """Make what each may publish what the call allows now. INVARIANT: also for who returns."""
        outputs: list[Output] = []
        for participant, info in self.people.items():
            is_allowed = self.sound_only is None or info.role not in CAMERA_ROLES
            if info.grants.camera != is_allowed:
                outputs.append(SetCamera(participant, is_allowed))
        return outputs

    def _tell(self) -> list[Output]:
        outputs: list[Output] = []
        if self.sound_only is not self.noted:
            self.noted = self.sound_only
            outputs.append(NoteSoundOnly(self.sound_only))
        if self.view != self.told:
            self.told = self.view
            outputs.append(Announce(self.view))
        return outputs


def _camera_flows(info: ParticipantInfo) -> bool:
    return any(
        track.source is TrackSource.CAMERA
        and track.is_flowing
        and not track.is_muted
        and not track.is_blocked
        for track in info.tracks
    )
