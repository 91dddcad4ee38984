"""What somebody wrote in the form «Επικοινωνία», cleaned and bounded. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from signaling.accounts.texts import clean_line, clean_text, parse_email
from signaling.storage.models.people import NAME_LENGTH

MAX_TEXT = 4000
MAX_REPORT_BYTES = 4096
MAX_REPORT_ENTRIES = 60

_WORD = re.compile(r"[a-z0-9_]{1,40}")

Report = Mapping[str, str | int | float]


class Topic(StrEnum):
    """What a message is about."""

    SOUND_AND_PICTURE = "sound_and_picture"
    CONNECTION = "connection"
    SIGN_IN = "sign_in"
    SITTING = "sitting"
    KEP = "kep"
    ACCESSIBILITY = "accessibility"
    OTHER = "other"


@dataclass(frozen=True)
class ContactForm:
    """A message that can be kept."""

    name: str
    email: str
    topic: Topic
    text: str
    report: Report | None


class Mistakes(Exception):
    """The form cannot be accepted as it is."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(", ".join(errors))
        self.errors = errors
        """Field → code."""


def parse_contact(form: Mapping[str, str]) -> ContactForm:
    """Return the message.

    Raises:
        Mistakes: with a code for each field that is wrong.
    """
    errors: dict[str, str] = {}
    name = clean_line(form.get("name", ""))
    if not name:
        errors["name"] = "name_missing"
    elif len(name) > NAME_LENGTH:
        errors["name"] = "name_too_long"
    email = ""
    try:
        email = parse_email(form.get("email", ""))
    except ValueError:
        errors["email"] = "email_bad"
    topic = form.get("topic", "")
    if topic not in set(Topic):
        errors["topic"] = "topic_missing"
    text = clean_text(form.get("text", ""))
    if not text:
        errors["text"] = "text_missing"
    elif len(text) > MAX_TEXT:
        errors["text"] = "text_too_long"
    report: Report | None = None
    try:
        report = parse_report(form.get("report", ""))
    except ValueError:
        errors["report"] = "report_bad"
    if errors:
        raise Mistakes(errors)
    return ContactForm(name, email, Topic(topic), text, report)


def parse_report(text: str) -> Report | None:
    """Return the report of a check: a flat object of codes and numbers. None: nothing was sent.

    Raises:
        ValueError: it is something else. Nothing that is not a code or a number is ever kept.
    """
    if not text.strip():
        return None
    if len(text.encode(errors="replace")) > MAX_REPORT_BYTES:
        raise ValueError("too long")
    try:
        report = json.loads(text)
    except RecursionError:
        raise ValueError("too deep") from None
    if not isinstance(report, dict) or not 1 <= len(report) <= MAX_REPORT_ENTRIES:
        raise ValueError("not a report")
    for key, value in report.items():
        if not _WORD.fullmatch(key) or not _is_code_or_number(value):
            raise ValueError("not a report")
    return report


def report_lines(report: Report | None) -> list[str]:
    """Return a report as people read it."""
    return [f"{key}: {value}" for key, value in (report or {}).items()]


def _is_code_or_number(value: object) -> bool:
    if isinstance(value, str):
        return _WORD.fullmatch(value) is not None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and abs(value) < 1e9
