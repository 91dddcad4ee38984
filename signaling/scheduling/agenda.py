"""The agenda of a sitting: its form (pure) and its records. Ids stay: documents hang on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from signaling.accounts.texts import clean_line
from signaling.scheduling.sitting_form import (
    MAX_AGENDA_ITEMS,
    AgendaLine,
    is_good_item,
    parse_number,
)
from signaling.storage.models import AgendaFile, AgendaItem

NEW_ROWS = 5
"""Empty rows below the agenda, to add subjects in."""
MAX_ROWS = 2 * MAX_AGENDA_ITEMS + NEW_ROWS
"""LIMIT: of one form: a whole agenda, beside all that somebody else has added meanwhile."""


class BadAgenda(Exception):
    """Rows have mistakes: field → code of a text."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(errors)
        self.errors = errors


@dataclass(frozen=True)
class AgendaRow:
    """One row of the editor."""

    item_id: str
    """Empty: a new one."""
    number: str
    """Where it should stand."""
    title: str
    speaker: str
    is_removed: bool = False


@dataclass(frozen=True)
class MergedRows:
    """What somebody has typed, and what somebody else has made of the agenda meanwhile."""

    rows: Sequence[AgendaRow]
    """Of the editor: all that was typed, and behind it what was added."""
    added: AbstractSet[str]
    """Ids of subjects that who typed has not seen."""
    gone: AbstractSet[str]
    """Of subjects that were typed and are not there any more; saved, they are new ones."""


def read_rows(form: Mapping[str, str]) -> Sequence[AgendaRow]:
    """Return the rows as they were typed, cleaned."""
    rows = []
    for index in range(MAX_ROWS):
        if f"title_{index}" not in form:
            break
        rows.append(
            AgendaRow(
                form.get(f"item_{index}", "")[:32],
                clean_line(form.get(f"number_{index}", ""))[:8],
                clean_line(form[f"title_{index}"])[:1000],
                clean_line(form.get(f"speaker_{index}", ""))[:1000],
                form.get(f"remove_{index}") == "yes",
            )
        )
    return rows


def parse_rows(rows: Sequence[AgendaRow]) -> Sequence[AgendaRow]:
    """Return the rows that are kept, in the order their numbers say; equal ones as they stood.

    A row whose title is empty is removed.

    Raises:
        BadAgenda: see above.
    """
    errors = {}
    ranked = []
    for index, row in enumerate(rows):
        if row.is_removed or not row.title:
            continue
        if not is_good_item(AgendaLine(row.title, row.speaker)):
            errors[f"title_{index}"] = "agenda_item_long"
        rank = parse_number(row.number, 1, 999) if row.number else index + 1
        if rank is None:
            errors[f"number_{index}"] = "agenda_number_bad"
        ranked.append((rank or 0, index, row))
    if len(ranked) > MAX_AGENDA_ITEMS:
        errors["title_0"] = "agenda_long"
    if errors:
        raise BadAgenda(errors)
    return [row for _, _, row in sorted(ranked, key=lambda each: each[:2])]


def rows_of(items: Sequence[AgendaItem]) -> Sequence[AgendaRow]:
    """Return the rows of the editor, with empty ones to add in."""
    return _with_empty(_rows(items))


def merge_rows(typed: Sequence[AgendaRow], items: Sequence[AgendaItem]) -> MergedRows:
    """Return what was typed beside what the agenda is now."""
    seen, there = {each.item_id for each in typed if each.item_id}, {each.id for each in items}
    rows = [
        each for each in typed
        if (each.item_id or each.title or each.speaker)
        and not (each.is_removed and each.item_id not in there)
    ]  # fmt: skip
    added = there - seen
    rows += [each for each in _rows(items) if each.item_id in added]
    return MergedRows(_with_empty(rows), added, seen - there)


def add_agenda(session: AsyncSession, sitting_id: str, lines: Sequence[AgendaLine]) -> None:
    """Give a new sitting its agenda."""
    session.add_all(
        AgendaItem(sitting_id=sitting_id, number=number, title=line.title, speaker=line.speaker)
        for number, line in enumerate(lines, start=1)
    )


async def list_agenda(session: AsyncSession, sitting_id: str) -> Sequence[AgendaItem]:
    """Return the subjects in order."""
    return list(await session.scalars(_OF_SITTING, {"sitting_id": sitting_id}))


async def save_agenda(session: AsyncSession, sitting_id: str, rows: Sequence[AgendaRow]) -> bool:
    """Make the agenda what `rows` say, and return whether that changed anything. Documents of a
    removed subject stay with the sitting."""
    items = {each.id: each for each in await list_agenda(session, sitting_id)}
    kept = []
    for number, row in enumerate(rows, start=1):
        item = items.pop(row.item_id, None)
        if item is None:
            item = AgendaItem(sitting_id=sitting_id, number=number, title="")
            session.add(item)
        kept.append(item)
        item.number, item.title, item.speaker = number, row.title, row.speaker
    is_changed = bool(items) or any(session.is_modified(each) for each in kept)
    if items:
        await session.execute(
            update(AgendaFile)
            .where(AgendaFile.agenda_item_id.in_(items))
            .values(agenda_item_id=None)
        )
        await session.execute(delete(AgendaItem).where(AgendaItem.id.in_(items)))
    return is_changed


def _rows(items: Sequence[AgendaItem]) -> list[AgendaRow]:
    return [AgendaRow(each.id, str(each.number), each.title, each.speaker) for each in items]


def _with_empty(rows: Sequence[AgendaRow]) -> Sequence[AgendaRow]:
    free = min(NEW_ROWS, MAX_AGENDA_ITEMS - len(rows))
    return [*rows, *(AgendaRow("", "", "", "") for _ in range(free))]


async def count_files(session: AsyncSession, sitting_id: str) -> int:
    """Return how many documents there are."""
    return await session.scalar(
        select(func.count()).where(AgendaFile.sitting_id == sitting_id)
    ) or 0  # fmt: skip


_OF_SITTING = (
    select(AgendaItem)
    .where(AgendaItem.sitting_id == bindparam("sitting_id"))
    .order_by(AgendaItem.number, AgendaItem.id)
)
