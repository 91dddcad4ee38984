"""Texts that people send us: cleaned, bounded, compared. Pure."""

from __future__ import annotations

import re
import unicodedata
from email.headerregistry import Address

MAX_EMAIL_LENGTH = 254
"""RFC 5321 §4.5.3.1.3 less the angle brackets."""
MAX_LOCAL_PART_LENGTH = 64

_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_PHONE = re.compile(r"\+?[0-9]{10,15}")


def clean_line(text: str) -> str:
    """Return one line in NFC: control and direction characters and spare blanks are gone."""
    text = unicodedata.normalize("NFC", text)
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def clean_text(text: str) -> str:
    """Return lines cleaned as above; their ends are kept."""
    lines = [clean_line(line) for line in text.replace("\r\n", "\n").split("\n")]
    return "\n".join(lines).strip()


def fold(text: str) -> str:
    """Return what two names that read the same have in common: case, accents, final sigma."""
    decomposed = unicodedata.normalize("NFKD", clean_line(text)).casefold()
    return "".join(each for each in decomposed if not unicodedata.combining(each))


def parse_email(text: str) -> str:
    """Return an address that mail can be sent to, its host in lower case.

    Raises:
        ValueError: it is none. Quoted local parts and addresses beyond ASCII are refused too:
            many mail servers cannot carry them.
    """
    text = text.strip()
    local, separator, host = text.rpartition("@")
    if not separator or len(text) > MAX_EMAIL_LENGTH or len(local) > MAX_LOCAL_PART_LENGTH:
        raise ValueError("not an address")
    host = host.lower()
    if not _LOCAL.fullmatch(local) or not _HOST.fullmatch(host):
        raise ValueError("not an address")
    return Address(username=local, domain=host).addr_spec


def parse_phone(text: str) -> str:
    """Return digits with perhaps a plus.

    Raises:
        ValueError: not 10 to 15 digits.
    """
    digits = re.sub(r"[\s().-]", "", text)
    if not _PHONE.fullmatch(digits):
        raise ValueError("not a phone number")
    return digits


def mask_email(address: str) -> str:
    """Return an address that only who knows it recognises."""
    local, _, host = address.rpartition("@")
    return f"{local[:1]}…@{host}"
