"""From which state an appointment may come to which. Pure. The one function that changes states."""

from __future__ import annotations

from collections.abc import Mapping

from signaling.kep.values import AppointmentState
from signaling.storage.models import Appointment

TRANSITIONS: Mapping[AppointmentState, frozenset[AppointmentState]] = {
    AppointmentState.BOOKED: frozenset({AppointmentState.CANCELLED, AppointmentState.RESCHEDULED}),
}
"""What is not here is refused."""


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
