"""Renders templates in the visitor's language. Greek unless asked otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import CodeType
from typing import Any, Protocol

import jinja2
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from jinja2.bccache import Bucket
from yarl import URL

from signaling.scheduling.wall_time import ATHENS as ATHENS
from signaling.scheduling.wall_time import to_wall

LANGUAGES = ("el", "en")
LANGUAGE_COOKIE = "lang"
LANGUAGE_COOKIE_AGE_S = 365 * 24 * 3600


class Timed(Protocol):
    """What has a beginning and an end."""

    @property
    def starts_at(self) -> datetime:
        """First moment."""

    @property
    def ends_at(self) -> datetime:
        """Last moment."""


class CompiledTemplates(jinja2.BytecodeCache):
    """What templates were compiled to, in memory, for every application that this process makes.

    By name and a checksum of the text: a template that changed is compiled again.
    """

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._codes.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code is not None, "invariant: a template is kept once it is compiled"
        self._codes[bucket.key, bucket.checksum] = bucket.code


_COMPILED = CompiledTemplates()


class Renderer:
    """The templates of the pages."""

    def __init__(
        self, templates: Path, *, has_accounts: bool = False, has_keps: bool = False
    ) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(templates),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            auto_reload=False,
            bytecode_cache=_COMPILED,
        )
        self._environment.filters["athens"] = athens_time
        self._environment.filters["athens_clock"] = athens_clock
        self._environment.filters["clock"] = clock_text
        self._environment.filters["day_text"] = day_text
        self._environment.filters["hours"] = hours
        self._environment.filters["file_size"] = file_size
        self._environment.filters["wall"] = to_wall
        self._environment.globals["has_accounts"] = has_accounts
        self._environment.globals["has_keps"] = has_keps

    def render(
        self, request: web.Request, name: str, values: Mapping[str, Any], *,
        visitor: object = None, status: int = 200, shown_at: str | None = None,
    ) -> web.Response:  # fmt: skip
        """Return a page. `visitor` is who the header shows as signed in.

        `shown_at` is where GET shows it, if it is not where it was asked for.

        Raises:
            jinja2.TemplateError: the template is wrong.
        """
        language = language_of(request)
        text = self._environment.get_template(name).render(
            lang=language,
            other_lang=other_language(language),
            switch_to=switch_address(request, other_language(language), shown_at),
            path=request.path,
            visitor=visitor,
            **values,
        )
        return web.Response(text=text, content_type="text/html", charset="utf-8", status=status)


@web.middleware
async def keep_language(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Keep the language that an address asks for, on the way to another page too."""
    try:
        response = await handler(request)
    except web.HTTPRedirection as redirection:
        _keep_language(request, redirection)
        raise
    _keep_language(request, response)
    return response


def _keep_language(request: web.Request, response: web.StreamResponse) -> None:
    language = request.query.get("lang")
    if language in LANGUAGES and not response.prepared:
        response.set_cookie(
            LANGUAGE_COOKIE, language, max_age=LANGUAGE_COOKIE_AGE_S, httponly=True,
            samesite="Lax", secure=request.secure,
        )  # fmt: skip


def athens_time(moment: datetime) -> str:
    """Return a moment as people in Greece read it, such as `31/01/2026 10:00`."""
    return to_wall(moment).strftime("%d/%m/%Y %H:%M")


def athens_clock(moment: datetime) -> str:
    """Return the hour of a moment, such as `10:00`."""
    wall = to_wall(moment)
    return f"{wall.hour:02}:{wall.minute:02}"  # a third of what strftime costs


def day_text(moment: datetime, texts: Mapping[str, Sequence[str]]) -> str:
    """Return the day of a moment in words, such as `Δευ 3 Μαρτίου 2026`."""
    wall = to_wall(moment)
    weekday, month = texts["weekdays_short"][wall.weekday()], texts["months_of"][wall.month - 1]
    return f"{weekday} {wall.day} {month} {wall.year}"


def hours(meeting: Timed) -> str:
    """Return from when to when something is, such as `10:00–11:30`."""
    return f"{athens_clock(meeting.starts_at)}–{athens_clock(meeting.ends_at)}"


def clock_text(minutes: int) -> str:
    """Return minutes after midnight as an hour, such as `14:30`."""
    return f"{minutes // 60:02}:{minutes % 60:02}"


def file_size(size_bytes: int) -> str:
    """Return a size in units that read alike in Greek and English: kB, from 1 MB on MB, rounded up."""
    unit_bytes, unit = (1_000_000, "MB") if size_bytes >= 1_000_000 else (1_000, "kB")
    return f"{-(-size_bytes // unit_bytes)} {unit}"


def language_of(request: web.Request) -> str:
    """Return what `?lang=` or the cookie asks for; Greek first."""
    for asked in (request.query.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        if asked in LANGUAGES:
            return asked
    return LANGUAGES[0]


def other_language(language: str) -> str:
    """Return the language to switch to."""
    return LANGUAGES[1] if language == LANGUAGES[0] else LANGUAGES[0]


def switch_address(request: web.Request, language: str, shown_at: str | None = None) -> str:
    """Return where the page in hand is to be had in another language.

    What was typed is not: of a form that was sent, only the address is asked for again.
    """
    url = request.rel_url if shown_at is None else URL(shown_at)
    if shown_at is None and request.method not in (hdrs.METH_GET, hdrs.METH_HEAD):
        url = url.with_query(None)
    # One slash: an address that begins with two would name another host.
    return "/" + str(url.update_query(lang=language)).lstrip("/")
