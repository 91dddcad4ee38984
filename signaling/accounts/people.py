"""Records of people: found or made at sign-in; terms; the e-mail address and its confirmation."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.tax_number import last_digits
from signaling.identity.provider import Identity
from signaling.storage.models import EmailConfirmation, Person, PersonIdentity, TermsAcceptance
from signaling.vault import Vault, VaultError, token_hash


class TooManyLinks(Exception):
    """A person has asked for too many confirmation mails."""


@dataclass(frozen=True)
class CivilData:
    """What identifies a person beyond their name (R14). Shown to themselves only."""

    tax_number_end: str
    """The last three digits, or nothing."""
    father_name: str
    mother_name: str
    birth_year: str


class People:
    """Reads and writes people. Everything happens in the caller's transaction."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def sign_in(self, session: AsyncSession, identity: Identity, now: datetime) -> Person:
        """Return the person, made at the first sign-in, with names as the service gives them."""
        subject_hash = self._vault.lookup_hash(identity.subject_kind, identity.subject)
        person = await self._find(session, subject_hash)
        if person is None:
            person = await self._create(session, identity, subject_hash, now)
        if person.given_name != identity.given_name or person.family_name != identity.family_name:
            person.given_name, person.family_name = identity.given_name, identity.family_name
        if self.civil_data(person) != _civil_data_of(identity):
            self._seal(person, identity)
        person.signed_in_at = now
        return person

    def civil_data(self, person: Person) -> CivilData:
        """Return what only the person may see."""
        number, civil = "", {"father": "", "mother": "", "birth_year": ""}
        try:
            if person.tax_number is not None:
                number = self._vault.decrypt(person.tax_number, f"tax-number:{person.id}")
            if person.civil_data is not None:
                civil = json.loads(
                    self._vault.decrypt(person.civil_data, f"civil-data:{person.id}")
                )
        except VaultError:  # of another key: the next sign-in seals it again
            number = ""
        return CivilData(last_digits(number), civil["father"], civil["mother"], civil["birth_year"])

    async def accept_terms(
        self, session: AsyncSession, person: Person, version: str, now: datetime
    ) -> None:
        """Keep that the person accepted `version` (R15); a second time changes nothing."""
        if await session.get(TermsAcceptance, (person.id, version)) is None:
            session.add(
                TermsAcceptance(person_id=person.id, terms_version=version, accepted_at=now)
            )

    async def declare_email(
        self, session: AsyncSession, person: Person, email: str, now: datetime, *,
        lifetime: timedelta, max_an_hour: int,
    ) -> str:  # fmt: skip
        """Return the token that confirms `email` for this person, once (R16, R17).

        Raises:
            TooManyLinks: `max_an_hour` were asked for within the last hour.
        """
        recent = await session.scalar(
            select(func.count())
            .select_from(EmailConfirmation)
            .where(
                EmailConfirmation.person_id == person.id,
                EmailConfirmation.created_at > now - timedelta(hours=1),
            )
        )
        if (recent or 0) >= max_an_hour:
            raise TooManyLinks
        token = secrets.token_urlsafe(32)
        session.add(
            EmailConfirmation(
                token_hash=token_hash(token), person_id=person.id, email=email, created_at=now,
                expires_at=now + lifetime,
            )
        )  # fmt: skip
        return token

    async def confirm_email(
        self, session: AsyncSession, person: Person, token: str, now: datetime
    ) -> bool:
        """Make the declared address the person's own. Return whether the token was good: known,
        this person's, unused, not expired, and of the address declared last."""
        confirmation = await session.get(EmailConfirmation, token_hash(token))
        if (
            confirmation is None
            or confirmation.person_id != person.id
            or confirmation.used_at is not None
            or confirmation.expires_at <= now
        ):
            return False
        newest = await self.declared_email(session, person.id)
        if newest is None or newest.token_hash != confirmation.token_hash:
            return False
        confirmation.used_at = now
        person.email, person.email_confirmed_at = confirmation.email, now
        return True

    async def declared_email(
        self, session: AsyncSession, person_id: str
    ) -> EmailConfirmation | None:
        """Return the latest declaration."""
        found: EmailConfirmation | None = await session.scalar(
            select(EmailConfirmation)
            .where(EmailConfirmation.person_id == person_id)
            .order_by(EmailConfirmation.created_at.desc())
            .limit(1)
        )
        return found

    async def _find(self, session: AsyncSession, subject_hash: str) -> Person | None:
        found: Person | None = await session.scalar(
            select(Person)
            .join(PersonIdentity, PersonIdentity.person_id == Person.id)
            .where(PersonIdentity.subject_hash == subject_hash)
            # Of two sign-ins at once the second waits, and then sees what the first wrote.
            .with_for_update(of=Person)
        )
        return found

    async def _create(
        self, session: AsyncSession, identity: Identity, subject_hash: str, now: datetime
    ) -> Person:
        person = Person(
            given_name=identity.given_name, family_name=identity.family_name,
            created_at=now, signed_in_at=now,
        )  # fmt: skip
        try:
            async with session.begin_nested():
                session.add(person)
                await session.flush()
                session.add(PersonIdentity(subject_hash=subject_hash, person_id=person.id))
        except IntegrityError:  # the same person signed in twice at once
            existing = await self._find(session, subject_hash)
            if existing is None:
                raise
            return existing
        return person

    def _seal(self, person: Person, identity: Identity) -> None:
        civil = {
            "father": identity.father_name,
            "mother": identity.mother_name,
            "birth_year": identity.birth_year,
        }
        if identity.tax_number is not None:
            person.tax_number = self._vault.encrypt(identity.tax_number, f"tax-number:{person.id}")
        text = json.dumps(civil, ensure_ascii=False)
        person.civil_data = self._vault.encrypt(text, f"civil-data:{person.id}")


def _civil_data_of(identity: Identity) -> CivilData:
    return CivilData(
        last_digits(identity.tax_number or ""), identity.father_name, identity.mother_name,
        identity.birth_year,
    )  # fmt: skip
