"""Forms of a shown page as a browser reads them: what they send, and what is told above the page."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from tests.support.accounts_server import Shown, VisitorClient

_UNSENT = frozenset({"checkbox", "radio"})
"""Kinds of inputs that send nothing unless they are chosen."""


@dataclass
class ShownForm:
    """A form of a page."""

    action: str
    id: str
    fields: dict[str, str] = field(default_factory=dict)
    """What it sends, but for its buttons."""


class _Forms(HTMLParser):
    """Collects the forms of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[ShownForm] = []
        self._is_open = False
        self._textarea = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(ShownForm(found.get("action", ""), found.get("id", "")))
            self._is_open = True
        elif not self._is_open:
            return
        elif tag == "input" and (found.get("type") not in _UNSENT or "checked" in found):
            self.forms[-1].fields[found["name"]] = found.get("value", "")
        elif tag == "textarea":
            self._textarea = found["name"]
            self.forms[-1].fields[self._textarea] = ""

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self.forms[-1].fields[self._textarea] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._textarea = ""
        elif tag == "form":
            self._is_open = False


def forms_of(shown: Shown) -> list[ShownForm]:
    """Return the forms of a page."""
    reader = _Forms()
    reader.feed(shown.text)
    return reader.forms


def form_in(shown: Shown, action: str) -> dict[str, str]:
    """Return what the one form to `…/action` would send, but for its buttons."""
    found = [each for each in forms_of(shown) if each.action.endswith(f"/{action}")]
    assert len(found) == 1, shown.text
    return found[0].fields


def form_named(shown: Shown, form_id: str) -> ShownForm:
    """Return the form of that id."""
    return next(each for each in forms_of(shown) if each.id == form_id)


def notice_in(shown: Shown) -> str:
    """Return what is told above the page, as it is read; its button with what it sends."""
    text = re.search(r'<div class="page-warning" role="alert">(.*?)</div>', shown.text, re.DOTALL)
    assert text is not None, shown.text
    read = re.sub(r"<(?!button)[^>]*>", "", text[1])
    return " ".join(html.unescape(read).split())


async def press_in_notice(visitor: VisitorClient, shown: Shown) -> Shown:
    """Press the one button of the notice, which belongs to a form further down."""
    buttons = re.findall(r"<button[^>]*>", notice_in(shown))
    assert len(buttons) == 1, notice_in(shown)
    form_id = re.search(r' form="([^"]+)"', buttons[0])
    assert form_id is not None, buttons[0]
    form = form_named(shown, form_id[1])
    sent = re.search(r' name="(\w+)" value="([^"]*)"', buttons[0])
    return await visitor.post(form.action, **form.fields, **({sent[1]: sent[2]} if sent else {}))
