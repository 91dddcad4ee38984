"""Delivers queued mail over SMTP. A task of the control plane; never awaited by a request."""

from __future__ import annotations

import asyncio
import contextlib
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

import aiosmtplib

from sfu.logs import Log
from signaling.mail.calendar import method_of
from signaling.mail.config import MailConfig, SmtpSecurity
from signaling.mail.queue import MailQueue
from signaling.mail.templates import one_line
from signaling.storage.database import Database, StorageUnavailable
from signaling.storage.models import Mail

log = Log(__name__)

POLL_INTERVAL_S = 10.0
"""How often to look for mails whose pause is over, or of another process."""
SMTP_TIMEOUT_S = 30.0


class MailDelivery:
    """Takes mails out of the queue."""

    def __init__(
        self, config: MailConfig, password: str, database: Database, queue: MailQueue
    ) -> None:
        self._config = config
        self._password = password
        self._database = database
        self._queue = queue

    async def run(self) -> None:
        """Deliver for ever."""
        while True:
            self._queue.changed.clear()
            try:
                while await self.deliver_batch():
                    pass
            except StorageUnavailable:
                log.warning("mail waits for storage")
            except Exception:  # task root: rooms and pages must not end with it
                log.exception("mail delivery failed")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_INTERVAL_S):
                    await self._queue.changed.wait()

    async def deliver_batch(self) -> int:
        """Try what is due and return how many that were.

        Raises:
            StorageUnavailable: the queue cannot be reached.
        """
        async with self._database.write() as session:
            mails = await self._queue.take_due(session)
        for mail in mails:
            error, is_final = await self._send(mail)
            async with self._database.write() as session:
                if error is None:
                    await self._queue.tell_sent(session, mail.id)
                else:
                    await self._queue.tell_failed(session, mail, error, is_final=is_final)
        return len(mails)

    async def _send(self, mail: Mail) -> tuple[str | None, bool]:
        """Return the failure, if any, as a code, and whether trying again is pointless."""
        config = self._config
        try:
            await aiosmtplib.send(
                compose(mail, config.sender),
                hostname=config.host,
                port=config.port,
                use_tls=config.security is SmtpSecurity.TLS,
                start_tls=config.security is SmtpSecurity.STARTTLS,
                username=config.username or None,
                password=self._password or None,
                timeout=SMTP_TIMEOUT_S,
            )
        except aiosmtplib.SMTPResponseException as refusal:
            # RFC 5321 §4.2.1: 5yz is final; but our own login may be mended by the operator.
            is_login = isinstance(refusal, aiosmtplib.SMTPAuthenticationError)
            return f"smtp_{refusal.code}", refusal.code >= 500 and not is_login
        except aiosmtplib.SMTPRecipientsRefused as refusal:
            codes = [each.code for each in refusal.recipients]
            return "recipient_refused", all(code >= 500 for code in codes)
        except (aiosmtplib.SMTPException, OSError) as error:
            log.warning("mail server unavailable", error=type(error).__name__)
            return "server_unavailable", False
        except ValueError:
            return "bad_address", True
        return None, False


def compose(mail: Mail, sender: str) -> EmailMessage:
    """Return the message. Headers are set by the library, which encodes and folds them.

    Raises:
        ValueError: the address is none.
    """
    name, address = parseaddr(sender)
    message = EmailMessage()
    message["From"] = Address(one_line(name), addr_spec=address)
    message["To"] = Address(addr_spec=mail.recipient)
    message["Subject"] = one_line(mail.subject)
    message["Date"] = format_datetime(mail.created_at)
    # The same at each attempt, so that a mail sent twice is recognised as one.
    message["Message-ID"] = f"<{mail.id}@{address.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    if mail.calendar:
        # RFC 6047 §2.4: the part tells the method of the object again. Programs that know
        # calendars prefer it; the others show the text.
        message.add_alternative(
            mail.calendar, subtype="calendar", params={"method": method_of(mail.calendar)}
        )
    return message
