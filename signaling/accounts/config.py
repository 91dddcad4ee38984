"""Terms, sessions and links of accounts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AccountsConfig:
    """Accounts."""

    terms_version: str = "2026-1"
    """Version of the terms of use. A new one is shown to everybody at their next visit."""
    session_hours: float = 12.0
    """A sign-in lasts at most so long."""
    idle_minutes: float = 60.0
    """And ends when nothing was asked for so long."""
    email_link_hours: int = 24
    """How long the link that confirms an e-mail address is good."""
    email_links_per_hour: int = 5
    """Confirmation mails one person can cause in an hour."""


def accounts_problems(config: AccountsConfig) -> list[str]:
    """Return what types cannot say, each with key, value and remedy."""
    problems = []
    if not config.terms_version or len(config.terms_version) > 32:
        problems.append("accounts.terms_version: use 1 to 32 characters")
    numbers = (
        config.session_hours, config.idle_minutes, config.email_link_hours,
        config.email_links_per_hour,
    )  # fmt: skip
    if any(number <= 0 for number in numbers):
        problems.append("accounts: hours, minutes and numbers of links must be above 0")
    return problems
