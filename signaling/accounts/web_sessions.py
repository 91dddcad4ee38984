"""Sessions of browsers: made at sign-in with a fresh token, ended at sign-out, expired by disuse."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import bindparam, delete, exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.config import AccountsConfig
from signaling.storage.models import (
    EmailConfirmation,
    Person,
    TermsAcceptance,
    UtcDateTime,
    WebSession,
)
from signaling.vault import Vault, token_hash

SEEN_INTERVAL = timedelta(minutes=1)
"""A session's last use is written at most so often."""
MAX_TOKEN_LENGTH = 64


@dataclass(frozen=True)
class SignedOut:
    """What an ended session leaves for the sign-in service."""

    provider: str
    logout_hint: str | None


class FoundSession(NamedTuple):
    """A living session."""

    person: Person
    seen_at: datetime
    """Its last use."""
    has_accepted: bool
    """The terms in the version that was asked for."""


_LIVING = (
    select(
        Person,
        WebSession.seen_at,
        exists().where(
            TermsAcceptance.person_id == Person.id,
            TermsAcceptance.terms_version == bindparam("terms_version"),
        ),
    )
    .join(WebSession, WebSession.person_id == Person.id)
    .where(
        WebSession.token_hash == bindparam("token_hash"),
        WebSession.expires_at > bindparam("now", type_=UtcDateTime),
        WebSession.seen_at > bindparam("idle_since", type_=UtcDateTime),
    )
)
"""Built once: it is asked with every page."""


class WebSessions:
    """Reads and writes sessions, in the caller's transaction."""

    def __init__(self, config: AccountsConfig, vault: Vault) -> None:
        self._lifetime = timedelta(hours=config.session_hours)
        self._idle = timedelta(minutes=config.idle_minutes)
        self._vault = vault

    async def begin(
        self, session: AsyncSession, person: Person, provider: str, logout_hint: str | None,
        now: datetime,
    ) -> str:  # fmt: skip
        """Return the cookie's value of a new session."""
        token = secrets.token_urlsafe(32)
        hashed = token_hash(token)
        hint = self._vault.encrypt(logout_hint, f"logout-hint:{hashed}") if logout_hint else None
        session.add(
            WebSession(
                token_hash=hashed, person_id=person.id, provider=provider, logout_hint=hint,
                created_at=now, seen_at=now, expires_at=now + self._lifetime,
            )
        )  # fmt: skip
        return token

    async def find(
        self, session: AsyncSession, token: str, now: datetime, terms_version: str
    ) -> FoundSession | None:
        """Return the living session of a cookie, whose it is, and whether they accepted the terms."""
        if len(token) > MAX_TOKEN_LENGTH:
            return None
        rows = await session.execute(
            _LIVING,
            {
                "token_hash": token_hash(token), "now": now, "idle_since": now - self._idle,
                "terms_version": terms_version,
            },
        )  # fmt: skip
        found = rows.one_or_none()
        return None if found is None else FoundSession(*found)

    async def touch(self, session: AsyncSession, token: str, now: datetime) -> None:
        """Note that the session is in use."""
        found = await session.get(WebSession, token_hash(token))
        if found is not None:
            found.seen_at = now

    def wants_touch(self, seen_at: datetime, now: datetime) -> bool:
        """Return whether the last use of a session is to be written again."""
        return now - seen_at >= SEEN_INTERVAL

    async def end(self, session: AsyncSession, token: str) -> SignedOut | None:
        """Remove the session of a cookie."""
        found = await session.get(WebSession, token_hash(token))
        if found is None:
            return None
        place = f"logout-hint:{found.token_hash}"
        hint = self._vault.decrypt(found.logout_hint, place) if found.logout_hint else None
        await session.delete(found)
        return SignedOut(found.provider, hint)

    async def forget_expired(self, session: AsyncSession, now: datetime) -> None:
        """Remove sessions and confirmation links that are over."""
        await session.execute(delete(WebSession).where(WebSession.expires_at <= now))
        await session.execute(
            delete(WebSession).where(WebSession.seen_at <= now - self._idle - SEEN_INTERVAL)
        )
        long_ago = now - timedelta(days=7)
        await session.execute(
            delete(EmailConfirmation).where(EmailConfirmation.expires_at <= long_ago)
        )
