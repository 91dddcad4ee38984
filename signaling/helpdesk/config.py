"""Parameters of the device and network check and of the contact form."""

from __future__ import annotations

from dataclasses import dataclass

from signaling.accounts.texts import clean_line, parse_email

MAX_ROOMS = 1000
MAX_PHONE = 60


@dataclass(frozen=True)
class CheckConfig:
    """The device and network check."""

    max_rooms: int = 20
    """Checks that run at once, each in a room of its own; further ones are asked to wait."""
    burst: int = 20
    """Checks one address may begin at once: people of one office share an address."""
    per_minute: float = 10.0
    """Checks a minute for one address after that."""


@dataclass(frozen=True)
class ContactConfig:
    """The form «Επικοινωνία» (R31)."""

    address: str = ""
    """E-mail address that messages are also sent to. Empty: they are read in the service only."""
    phone: str = ""
    """Telephone number shown to people who cannot be heard or seen. Empty: none."""
    burst: int = 5
    """Messages one address may send at once without signing in."""
    per_hour: float = 10.0
    """Messages an hour for one address after that."""


def helpdesk_problems(check: CheckConfig, contact: ContactConfig) -> list[str]:
    """Return what types cannot say, each with key, value and remedy."""
    problems = []
    if not 1 <= check.max_rooms <= MAX_ROOMS:
        problems.append(f"check.max_rooms = {check.max_rooms}: use 1 to {MAX_ROOMS}")
    if check.burst < 1 or check.per_minute <= 0:
        problems.append("check.burst, check.per_minute: must be above 0")
    if contact.burst < 1 or contact.per_hour <= 0:
        problems.append("contact.burst, contact.per_hour: must be above 0")
    if contact.phone != clean_line(contact.phone) or len(contact.phone) > MAX_PHONE:
        problems.append(f"contact.phone: write one line of at most {MAX_PHONE} characters")
    if contact.address:
        try:
            parse_email(contact.address)
        except ValueError:
            problems.append(
                f'contact.address = "{contact.address}": write an address such as '
                '"support@example.gr", or leave it empty'
            )
    return problems
