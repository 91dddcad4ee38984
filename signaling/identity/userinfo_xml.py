"""The userinfo document of ΓΓΠΣΔΔ. Pure; hardened: no DTD, no entities but numeric ones.

`<root><userinfo userid=… taxid=… lastname=… firstname=… fathername=… mothername=… birthyear=…/>
</root>`, everything in attributes. Seen in the wild: values padded with blanks, Greek letters partly
as numeric entities (once or twice escaped), and errors as JSON in place of XML.
"""

from __future__ import annotations

import re
from typing import Any
from xml.parsers import expat

from signaling.accounts.tax_number import parse_tax_number
from signaling.identity.provider import Identity, ProviderRefused, ProviderUnavailable

MAX_DOCUMENT_BYTES = 16 * 1024
MAX_VALUE_LENGTH = 200

_NUMERIC_ENTITY = re.compile(r"&#(?:[xX](?P<hex>[0-9a-fA-F]{1,6})|(?P<decimal>[0-9]{1,7}));")
_BIRTH_YEAR = re.compile(r"(?:18|19|20)[0-9]{2}")


def parse_userinfo(document: bytes) -> Identity:
    """Return the identity in `document`.

    Raises:
        ProviderRefused: it is an error in JSON, or names nobody we may let in.
        ProviderUnavailable: it cannot be read.
    """
    if document.lstrip()[:1] == b"{":
        raise ProviderRefused("userinfo_error")
    values = _read_attributes(document)
    try:
        tax_number = parse_tax_number(values.get("taxid", ""))
    except ValueError:
        raise ProviderRefused("bad_tax_number") from None
    family_name = _clean(values.get("lastname", ""))
    given_name = _clean(values.get("firstname", ""))
    if not family_name and not given_name:
        raise ProviderRefused("no_name")
    birth_year = _clean(values.get("birthyear", ""))
    return Identity(
        subject_kind="tax-number",
        subject=tax_number,
        given_name=given_name,
        family_name=family_name,
        father_name=_clean(values.get("fathername", "")),
        mother_name=_clean(values.get("mothername", "")),
        birth_year=birth_year if _BIRTH_YEAR.fullmatch(birth_year) else "",
        tax_number=tax_number,
    )


def _read_attributes(document: bytes) -> dict[str, str]:
    """Return the attributes of the one `userinfo` element."""
    if len(document) > MAX_DOCUMENT_BYTES:
        raise ProviderUnavailable("userinfo too large")
    found: list[dict[str, str]] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if name.lower() == "userinfo":
            found.append({key.lower(): value for key, value in attributes.items()})

    def refuse(*_: Any) -> None:
        raise ProviderUnavailable("userinfo has a document type")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(document, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise ProviderUnavailable("userinfo is no XML") from error
    if len(found) != 1:
        raise ProviderUnavailable("userinfo is missing or repeated")
    return found[0]


def _clean(value: str) -> str:
    """Resolve entities escaped twice, drop padding and what is no text."""
    value = _NUMERIC_ENTITY.sub(_character_of, value)
    value = "".join(each if each.isprintable() else " " for each in value)
    return " ".join(value.split())[:MAX_VALUE_LENGTH]


def _character_of(match: re.Match[str]) -> str:
    number = int(match["hex"], 16) if match["hex"] else int(match["decimal"])
    return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else ""
