"""People, how they are known to the sign-in services, what they agreed to, and their sessions."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from signaling.storage.models.base import Base, Id, new_id

NAME_LENGTH = 200
EMAIL_LENGTH = 254
HASH_LENGTH = 64


class Person(Base):
    """Somebody who has signed in at least once (R14, R16)."""

    __tablename__ = "people"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    given_name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    family_name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    tax_number: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Encrypted (signaling.vault). NULL: the sign-in service gives none."""
    civil_data: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Encrypted: father's and mother's name, year of birth (R14)."""
    email: Mapped[str | None] = mapped_column(String(EMAIL_LENGTH))
    """Declared and confirmed (R17), or NULL: what is not confirmed is in `email_confirmations`."""
    email_confirmed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    signed_in_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012
    __table_args__ = (Index("ix_people_email", "email"),)

    @property
    def full_name(self) -> str:
        """Given name first, as it is spoken."""
        return f"{self.given_name} {self.family_name}".strip()


class PersonIdentity(Base):
    """One way in which a person is known: the keyed hash of an ΑΦΜ or of an OIDC subject."""

    __tablename__ = "person_identities"

    subject_hash: Mapped[str] = mapped_column(String(HASH_LENGTH), primary_key=True)
    person_id: Mapped[str] = mapped_column(Id, ForeignKey("people.id"), index=True)


class TermsAcceptance(Base):
    """Which version of the terms of use was accepted, and when (R15). Never changed."""

    __tablename__ = "terms_acceptances"

    person_id: Mapped[str] = mapped_column(Id, ForeignKey("people.id"), primary_key=True)
    terms_version: Mapped[str] = mapped_column(String(32), primary_key=True)
    accepted_at: Mapped[datetime]


class EmailConfirmation(Base):
    """A declared e-mail address waiting for the click on its link (R16, R17)."""

    __tablename__ = "email_confirmations"

    token_hash: Mapped[str] = mapped_column(String(HASH_LENGTH), primary_key=True)
    person_id: Mapped[str] = mapped_column(Id, ForeignKey("people.id"))
    email: Mapped[str] = mapped_column(String(EMAIL_LENGTH))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_email_confirmations_person", "person_id", "created_at"),)


class WebSession(Base):
    """One browser in which a person is signed in. The cookie's value itself is not stored."""

    __tablename__ = "web_sessions"

    token_hash: Mapped[str] = mapped_column(String(HASH_LENGTH), primary_key=True)
    person_id: Mapped[str] = mapped_column(Id, ForeignKey("people.id"), index=True)
    provider: Mapped[str] = mapped_column(String(64))
    """Which sign-in service, to end its session too."""
    logout_hint: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Encrypted: the id_token that OIDC wants to see again at sign-out."""
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
