"""Parameters of appointments (R62–R65). A ΚΕΠ may have its own slot, gap and horizon."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

STEP_MIN = 5
"""All durations are whole steps: what the constraint against double booking counts in."""


@dataclass(frozen=True)
class CentreConfig:
    """The interoperability centre (ΚΕ.Δ., R80)."""

    address: str = ""
    """Address of the service that confirms identities. Empty: employees confirm by eye; in
    development the double of the development provider answers."""
    username: str = ""
    """Our name there."""
    password: str = ""
    """Name of the secret with our password."""
    unit: str = "KEP"
    """auditUnit: how our service is registered there."""


@dataclass(frozen=True)
class KepConfig:
    """Appointments with a ΚΕΠ."""

    slot_minutes: int = 20
    """Length of an appointment."""
    gap_minutes: int = 10
    """Between two appointments of one employee, to finish one and begin the next."""
    long_factor: float = 1.5
    """Appointments of the theme for people with disabilities are longer by this."""
    horizon_days: int = 60
    """How far ahead can be booked."""
    notice_minutes: int = 30
    """How long before its start an appointment can still be booked."""
    reminder_minutes: int = 30
    """How long before the start the mail is sent again."""
    open_before_minutes: int = 15
    """How long before the start the waiting room opens."""
    late_minutes: int = 10
    """How long after the start a citizen who has not come is waited for."""
    weak_network_s: float = 8.0
    """How long a citizen's network must be too weak before a call goes on with sound only by
    itself, 4 to 3600; a dip is no reason to lose the picture. 0: it never does."""
    max_open_per_person: int = 5
    """Appointments that one person can have ahead."""
    allow_unencrypted_browsers: bool = False
    """Whether browsers that cannot encrypt end to end are admitted to calls. Everybody in such a
    call is warned, and asked first. Off: they are refused with an explanation."""
    centre: CentreConfig = field(default_factory=CentreConfig)
    """Interoperability centre."""


def kep_problems(config: KepConfig) -> list[str]:
    """Return what types cannot say, each with key, value and remedy."""
    problems = []
    for key in ("slot_minutes", "gap_minutes"):
        value = getattr(config, key)
        lowest = STEP_MIN if key == "slot_minutes" else 0
        if value % STEP_MIN or not lowest <= value <= 240:
            problems.append(
                f"kep.{key} = {value}: use a multiple of {STEP_MIN} from {lowest} to 240"
            )
    if not 1 <= config.long_factor <= 4:
        problems.append(f"kep.long_factor = {config.long_factor}: use 1 to 4")
    if not 1 <= config.horizon_days <= 366:
        problems.append(f"kep.horizon_days = {config.horizon_days}: use 1 to 366")
    for key in ("notice_minutes", "reminder_minutes", "open_before_minutes", "late_minutes"):
        value = getattr(config, key)
        if not 0 <= value <= 24 * 60:
            problems.append(f"kep.{key} = {value}: use 0 to 1440")
    if config.weak_network_s and not 4 <= config.weak_network_s <= 3600:
        problems.append(
            f"kep.weak_network_s = {config.weak_network_s}: use 4 to 3600, or 0 for never"
        )
    if config.max_open_per_person < 1:
        problems.append(f"kep.max_open_per_person = {config.max_open_per_person}: use 1 or more")
    problems += _centre_problems(config.centre)
    return problems


def _centre_problems(centre: CentreConfig) -> list[str]:
    problems = []
    if centre.address and urlsplit(centre.address).scheme not in ("http", "https"):
        problems.append(f'kep.centre.address = "{centre.address}": write https://…')
    if centre.address and not (centre.username and centre.password):
        problems.append("kep.centre.username, kep.centre.password: the centre wants both")
    if not 1 <= len(centre.unit) <= 128:
        problems.append("kep.centre.unit: use 1 to 128 characters")
    return problems
