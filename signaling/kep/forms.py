"""The form with which a citizen books: read, cleaned, checked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from signaling.accounts.texts import clean_line, parse_email, parse_phone
from signaling.kep.personal import Needs, PersonalData
from signaling.kep.values import (
    IdentityDocument,
    SpecialRequirement,
    Theme,
    WayOfDelivery,
    ways_of_delivery,
)

MAX_ADDRESS_LENGTH = 200
MAX_LEGAL_PERSON_LENGTH = 200
MAX_NOTE_LENGTH = 300
YES = "yes"

Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True)
class PersonForm:
    """The fields of R48–R54 as typed, and what is wrong with them."""

    email: str = ""
    phone: str = ""
    address: str = ""
    represents: bool = False
    """Whether the citizen acts for a legal person (R41)."""
    legal_person: str = ""
    document: str = ""
    needs: tuple[SpecialRequirement, ...] = ()
    note: str = ""
    delivery: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    """Field → code of the text that tells what to do."""

    def personal(self, name: str) -> PersonalData:
        """Return what is kept encrypted. `name` is the account's: who signs in takes part."""
        return PersonalData(
            name=name, email=self.email, phone=self.phone, address=self.address,
            legal_person=self.legal_person,
        )  # fmt: skip

    def fields(self) -> list[tuple[str, str]]:
        """Return names and values with which a page brings the same form back."""
        plain = [
            (name, str(getattr(self, name)))
            for name in (
                "email",
                "phone",
                "address",
                "legal_person",
                "document",
                "note",
                "delivery",
            )
        ]
        marks = [(f"need_{each}", YES) for each in self.needs]
        return plain + marks + ([("represents", YES)] if self.represents else [])

    @property
    def special(self) -> Needs:
        """What is needed to be understood."""
        return Needs(self.needs, self.note)


def parse_person_form(form: Mapping[str, str], theme: Theme) -> PersonForm:
    """Return the fields of a sent form. Nothing typed is lost: it comes back with the errors."""
    errors: dict[str, str] = {}
    email, phone = _email(form, errors), _phone(form, errors)
    represents = form.get("represents") == YES
    needs = tuple(each for each in SpecialRequirement if form.get(f"need_{each}") == YES)
    legal_person = clean_line(form.get("legal_person", "")) if represents else ""
    address, note = clean_line(form.get("address", "")), clean_line(form.get("note", ""))
    if not address:
        errors["address"] = "address_missing"
    elif len(address) > MAX_ADDRESS_LENGTH:
        errors["address"] = "text_too_long"
    if represents and not legal_person:
        errors["legal_person"] = "legal_person_missing"
    elif len(legal_person) > MAX_LEGAL_PERSON_LENGTH:
        errors["legal_person"] = "text_too_long"
    if len(note) > MAX_NOTE_LENGTH:
        errors["note"] = "text_too_long"
    document = form.get("document", "")
    if document not in set(IdentityDocument):
        document, errors["document"] = "", "document_missing"
    delivery = form.get("delivery", "")
    if delivery not in {each.value for each in ways_of_delivery(theme)}:
        code = "delivery_refused" if delivery in set(WayOfDelivery) else "delivery_missing"
        delivery, errors["delivery"] = "", code
    return PersonForm(
        email, phone, address, represents, legal_person, document, needs, note, delivery, errors
    )


def _email(form: Mapping[str, str], errors: dict[str, str]) -> str:
    typed = clean_line(form.get("email", ""))
    try:
        return parse_email(typed)
    except ValueError:
        errors["email"] = "email_bad" if typed else "email_missing"
        return typed


def _phone(form: Mapping[str, str], errors: dict[str, str]) -> str:
    typed = clean_line(form.get("phone", ""))
    try:
        return parse_phone(typed)
    except ValueError:
        errors["phone"] = "bad_phone" if typed else "phone_missing"
        return typed


def parse_choice(kind: type[Choice], text: str) -> Choice | None:
    """Return the member of an enum that a page has sent, if it is one."""
    return kind(text) if text in set(kind) else None
