"""Operations of the API as a table: what routes, decoding and the OpenAPI document are made from.

An operation is written once, as a function: its docstring is the summary, its annotations name what
it takes and gives. Pure: nothing here reads a request.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from signaling.accounts.rights import Action
from signaling.accounts.visitor import Stage, Visitor
from signaling.api.parts import ApiParts

PREFIX = "/api/v1"
ID_PATTERN = "^[0-9a-f]{32}$"
MAX_BODY_BYTES = 64 * 1024
MAX_LIMIT = 100
DEFAULT_LIMIT = 25
MAX_CURSOR_LENGTH = 400

Id = Annotated[str, msgspec.Meta(pattern=ID_PATTERN, description="Random; says nothing.")]
Version = Annotated[
    int,
    msgspec.Meta(ge=1, le=2**31 - 1, description="As it was read: 409 if it has changed since."),
]


Moment = Annotated[datetime, msgspec.Meta(tz=True, description="RFC 3339, with its zone.")]
YEARS = range(2000, 2200)
"""Of moments and days that are taken: beyond them calendars end, and nobody sits."""


class Taken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a client sends: fields that are not known are refused."""


class Given(msgspec.Struct, frozen=True):
    """What a client gets."""


class NoBody(Taken, frozen=True):
    """Nothing is sent."""


class NoQuery(Taken, frozen=True):
    """No parameters."""


class Paging(Taken, frozen=True):
    """Which page of a list."""

    after: Annotated[
        str, msgspec.Meta(max_length=MAX_CURSOR_LENGTH, description="`next` of the page before.")
    ] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT


class Done(Given, frozen=True):
    """It is done."""


Body = TypeVar("Body", bound=Taken)
Query = TypeVar("Query", bound=Taken)


@dataclass(frozen=True)
class Call(Generic[Body, Query]):
    """One call of an operation, decoded; the caller is signed in and far enough."""

    visitor: Visitor
    path: Mapping[str, str]
    """Ids in the address; each looks like one."""
    body: Body
    query: Query


class Refusal(Exception):
    """The operation says no. `code` is a stable word; `errors` tells fields with their codes."""

    def __init__(
        self, status: int, code: str, *, errors: Mapping[str, str] | None = None,
        **facts: object,
    ) -> None:  # fmt: skip
        super().__init__(code)
        self.status = status
        self.code = code
        self.errors = errors or {}
        self.facts = facts
        """Members of the problem details beside the code."""


Handler = Callable[[ApiParts, Call[Any, Any]], Awaitable[Given]]


@dataclass(frozen=True)
class Operation:
    """One entry of the table."""

    method: str
    path: str
    """Below the prefix; ids in braces."""
    handler: Handler
    body: type[Taken]
    query: type[Taken]
    answer: type[Given]
    status: int
    refusals: frozenset[int]
    """Statuses this operation refuses with, beside those of all."""
    right: Action | None
    """What the table of rights is asked; None: it is about the caller alone."""
    max_bytes: int
    stage: Stage

    @property
    def name(self) -> str:
        """The operationId."""
        return self.handler.__name__

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return (inspect.getdoc(self.handler) or "").partition("\n")[0]

    @property
    def writes(self) -> bool:
        """Whether it must come from our own origin, with the form token."""
        return self.method != "GET"

    @property
    def path_names(self) -> Sequence[str]:
        """Names of the ids in the address."""
        return re.findall(r"\{(\w+)\}", self.path)


class Table:
    """Collects operations; one for each part of the API."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.operations: list[Operation] = []

    def add(
        self, method: str, path: str, *, right: Action | None, refusals: Sequence[int] = (),
        status: int = 200, max_bytes: int = MAX_BODY_BYTES, stage: Stage = Stage.READY,
    ) -> Callable[[Callable[..., Awaitable[Given]]], Handler]:  # fmt: skip
        """Return a decorator that enters a handler into the table."""

        def enter(handler: Callable[..., Awaitable[Given]]) -> Handler:
            hints = typing.get_type_hints(handler)
            body, query = typing.get_args(hints["call"])
            self.operations.append(
                Operation(
                    method, path, handler, body, query, hints["return"], status,
                    frozenset(refusals), right, max_bytes, stage,
                )
            )  # fmt: skip
            return handler

        return enter


def check_year(moment: date, name: str) -> None:
    """Refuse what is too far from our times.

    Raises:
        Refusal: see above.
    """
    if moment.year not in YEARS:
        raise Refusal(422, "invalid_fields", errors={name: "date_far"})


_Item = TypeVar("_Item")


def cut(rows: Sequence[_Item], limit: int) -> tuple[Sequence[_Item], _Item | None]:
    """Return a page of rows that were read with one more than `limit`, and the last of the page if
    there is another page."""
    return rows[:limit], rows[limit - 1] if len(rows) > limit else None
