"""Words of the domain, as they are stored. Plain data."""

from __future__ import annotations

from enum import StrEnum


class Theme(StrEnum):
    """What an appointment is about (R68–R71), in the order of the decision."""

    INFORMATION = "information"
    BUSINESS = "business"
    DISABILITY = "disability"
    """Takes longer (R70)."""
    MUNICIPAL = "municipal"
    """At a ΚΕΠ of the municipality whose service it is (R71)."""


class AppointmentState(StrEnum):
    """Where an appointment stands."""

    BOOKED = "booked"
    WAITING = "waiting"
    IDENTIFYING = "identifying"
    SERVING = "serving"
    CONCLUDED = "concluded"
    ABSENT = "absent"
    ABORTED = "aborted"
    RESCHEDULED = "rescheduled"
    """Another appointment has taken its place."""
    CANCELLED = "cancelled"


class IdentityDocument(StrEnum):
    """What the citizen will show (R52): the type only, never the document."""

    IDENTITY_CARD = "identity_card"
    PASSPORT = "passport"
    DRIVING_LICENCE = "driving_licence"
    RESIDENCE_PERMIT = "residence_permit"


class SpecialRequirement(StrEnum):
    """What the citizen needs to be understood (R53). Data about health."""

    SIGN_LANGUAGE = "sign_language"
    """Ελληνική νοηματική γλώσσα."""
    LIP_READING = "lip_reading"


class WayOfDelivery(StrEnum):
    """How the result is handed over (R54)."""

    POST = "post"
    EMAIL = "email"
    AT_KEP = "at_kep"
    """Municipal services only."""


def ways_of_delivery(theme: Theme) -> tuple[WayOfDelivery, ...]:
    """Return what R54 allows for the theme."""
    if theme is Theme.MUNICIPAL:
        return tuple(WayOfDelivery)
    return (WayOfDelivery.POST, WayOfDelivery.EMAIL)
