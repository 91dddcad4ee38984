"""How mail leaves."""

from __future__ import annotations

from dataclasses import dataclass
from email.headerregistry import Address
from email.utils import parseaddr
from enum import StrEnum


class Delivery(StrEnum):
    """Where mail goes."""

    OUTBOX = "outbox"
    """Nowhere: the page /outbox shows it. For development."""
    SMTP = "smtp"


class SmtpSecurity(StrEnum):
    """How the connection to the mail server is protected."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"
    """For a mail server on this machine."""


@dataclass(frozen=True)
class MailConfig:
    """Mail."""

    delivery: Delivery = Delivery.OUTBOX
    """`outbox` or `smtp`."""
    sender: str = "Συνέδριον <no-reply@localhost>"
    """Name and address that mail comes from."""
    host: str = "127.0.0.1"
    """Mail server."""
    port: int = 587
    """Its TCP port."""
    security: SmtpSecurity = SmtpSecurity.STARTTLS
    """`starttls`, `tls` or `none`."""
    username: str = ""
    """Our name there. Empty: no login."""
    password: str = ""
    """Name of the secret with our password there (see `secrets_folder`)."""
    max_attempts: int = 10
    """Tries before a mail is given up: with pauses from 30 s, doubling to 4 h, about 18 hours."""


def mail_problems(config: MailConfig, is_development: bool) -> list[str]:
    """Return what types cannot say, each with key, value and remedy."""
    problems = []
    _, address = parseaddr(config.sender)
    try:
        Address(addr_spec=address)
    except (ValueError, IndexError):
        address = ""
    if not address or "@" not in address:
        problems.append(f'mail.sender = "{config.sender}": write a name and <an address>')
    if not 1 <= config.port <= 65535:
        problems.append(f"mail.port = {config.port}: a TCP port is 1 to 65535")
    if config.max_attempts < 1:
        problems.append(f"mail.max_attempts = {config.max_attempts}: use 1 or more")
    if config.delivery is Delivery.OUTBOX and not is_development:
        problems.append(
            'mail.delivery = "outbox": everybody could read all mail: use smtp, or turn on '
            "identity.development.enabled on a machine for development"
        )
    return problems
