"""Texts of mails: plain text, Greek first. The first line of a template is the subject."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from signaling.rendering import athens_time

FOLDER = Path(__file__).resolve().parent / "templates"
MAX_SUBJECT_LENGTH = 200


@dataclass(frozen=True)
class MailText:
    """A mail without its envelope."""

    subject: str
    text: str


class MailTemplates:
    """The templates of this package."""

    def __init__(self) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(FOLDER),
            autoescape=False,  # plain text
            undefined=jinja2.StrictUndefined,
            auto_reload=False,
            keep_trailing_newline=True,
        )
        self._environment.filters["athens"] = athens_time

    def render(self, name: str, values: Mapping[str, Any]) -> MailText:
        """Return the mail `name`, such as `confirm_email`."""
        text = self._environment.get_template(f"{name}.txt").render(values)
        subject, _, body = text.partition("\n")
        return MailText(one_line(subject)[:MAX_SUBJECT_LENGTH], body.lstrip("\n"))


def one_line(text: str) -> str:
    """Return `text` fit for a header: no line ends or other control characters (RFC 5322 §2.2)."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())
