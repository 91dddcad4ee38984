"""From which state an appointment may come to which. Pure. The one function that changes states."""

from __future__ import annotations

from collections.abc import Mapping

from signaling.kep.values import AppointmentState
from signaling.storage.models import Appointment

_S = AppointmentState
TRANSITIONS: Mapping[AppointmentState, frozenset[AppointmentState]] = {
    _S.BOOKED: frozenset({_S.WAITING, _S.ABSENT, _S.CANCELLED, _S.RESCHEDULED}),
    _S.WAITING: frozenset(
        {_S.BOOKED, _S.IDENTIFYING, _S.ABSENT, _S.ABORTED, _S.CANCELLED, _S.RESCHEDULED}
    ),
    _S.IDENTIFYING: frozenset({_S.WAITING, _S.SERVING, _S.ABORTED, _S.RESCHEDULED}),
    _S.SERVING: frozenset({_S.CONCLUDED, _S.ABORTED}),
    _S.ABSENT: frozenset({_S.WAITING}),  # late, and the employee has still time
}
"""What is not here is refused. WAITING → BOOKED: the citizen left the waiting room."""

LIVE = frozenset({_S.WAITING, _S.IDENTIFYING, _S.SERVING})
"""The citizen is there."""
OVER = frozenset(state for state in _S if state not in TRANSITIONS)


class WrongState(Exception):
    """The appointment is not (or no longer) in a state from which this leads on."""


def move(appointment: Appointment, to: AppointmentState) -> None:
    """Bring an appointment to the state `to`.

    Raises:
        WrongState: see above.
    """
    if to not in TRANSITIONS.get(AppointmentState(appointment.state), frozenset()):
        raise WrongState(appointment.state)
    appointment.state = to.value
