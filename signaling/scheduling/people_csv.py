"""Lists of people as spreadsheets export them: name, e-mail, office. Pure.

Separators `;`, `,` and tab; UTF-8 (with or without a mark), UTF-16 with one, Windows-1253. A line
with a mistake is told with its number; the others are kept. Fields are cleaned to one line, so that
nothing in them can become a header of a mail or of an answer.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from signaling.accounts.texts import clean_line, fold, parse_email
from signaling.scheduling.values import Office

MAX_BYTES = 2 * 1024 * 1024
MAX_LINES = 10_000
MAX_FIELD_LENGTH = 1000
MAX_NAME_LENGTH = 200
MAX_TYPED_LENGTH = 80
"""Of what is shown of a bad line."""

_OFFICE_WORDS: Mapping[Office, tuple[str, ...]] = {
    Office.CHAIR: ("chair", "president", "πρόεδρος", "προεδρεύων", "προεδρεύουσα"),
    Office.SECRETARY: ("secretary", "γραμματέας", "γραμματεας"),
    Office.MAYOR: ("mayor", "δήμαρχος"),
    Office.MEMBER: ("member", "μέλος", "σύμβουλος", "councillor", "τακτικό μέλος", ""),
    Office.SERVICE: ("service", "υπηρεσία", "υπηρεσιακός", "εισηγητής", "official"),
}
_HEADER_WORDS = {
    "name": ("name", "full name", "όνομα", "ονοματεπώνυμο", "ονομα και επωνυμο"),
    "email": ("email", "e-mail", "mail", "address", "e-mail address", "ηλεκτρονική διεύθυνση",
              "ηλεκτρονικό ταχυδρομείο", "διεύθυνση e-mail"),
    "office": ("office", "role", "ιδιότητα", "ρόλος", "αξίωμα"),
}  # fmt: skip
OFFICE_BY_WORD = {fold(word): office for office, words in _OFFICE_WORDS.items() for word in words}
_COLUMN_BY_WORD = {fold(word): name for name, words in _HEADER_WORDS.items() for word in words}
_USUAL_COLUMNS: Mapping[str, int] = {"name": 0, "email": 1, "office": 2}


class UnreadableList(Exception):
    """The whole file cannot be read. The text is a code: `csv_too_large`, `csv_too_long`,
    `csv_encoding`, `csv_empty`."""


@dataclass(frozen=True)
class ListedPerson:
    """A good line."""

    line: int
    """From 1, as spreadsheets number them."""
    name: str
    email: str
    """Lower case."""
    office: Office


@dataclass(frozen=True)
class BadLine:
    """A line that cannot be used."""

    line: int
    code: str
    """`csv_name`, `csv_email`, `csv_office`, `csv_twice`, `csv_columns`, `csv_field`."""
    typed: str
    """What is wrong, cut short."""


@dataclass(frozen=True)
class PeopleList:
    """What a file says."""

    people: Sequence[ListedPerson]
    bad: Sequence[BadLine]


def parse_people(content: bytes) -> PeopleList:
    """Return who is listed in a file. Linear in its size, which is bounded.

    Raises:
        UnreadableList: see above.
    """
    if len(content) > MAX_BYTES:
        raise UnreadableList("csv_too_large")
    return parse_people_text(decode(content))


def parse_people_text(text: str) -> PeopleList:
    """Return who is listed in `text`, as if it were a file.

    Raises:
        UnreadableList: see above.
    """
    rows = _read_rows(text)
    columns: Mapping[str, int] = _USUAL_COLUMNS
    people: list[ListedPerson] = []
    bad: list[BadLine] = []
    seen: set[str] = set()
    is_first = True
    for line, row in rows:
        if is_first:
            is_first = False
            header = _parse_header(row)
            if header is not None:
                columns = header
                continue
        parsed = _parse_row(line, row, columns, seen)
        if isinstance(parsed, BadLine):
            bad.append(parsed)
        else:
            seen.add(parsed.email)
            people.append(parsed)
    if is_first:
        raise UnreadableList("csv_empty")
    return PeopleList(people, bad)


def decode(content: bytes) -> str:
    """Return the text of a file.

    Raises:
        UnreadableList: it is none of the encodings above.
    """
    for mark, encoding in ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"),
                           (codecs.BOM_UTF16_BE, "utf-16")):  # fmt: skip
        if content.startswith(mark):
            encodings: tuple[str, ...] = (encoding,)
            break
    else:
        # Greek in Windows-1253 is never valid UTF-8: two Greek letters do not make a character.
        encodings = ("utf-8", "cp1253")
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise UnreadableList("csv_encoding")


def _read_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Return rows that are not empty, with their numbers."""
    lines = text.splitlines(keepends=False)
    if len(lines) > MAX_LINES + 1:  # one may be the header
        raise UnreadableList("csv_too_long")
    separator = _guess_separator(lines)
    for number, line in enumerate(lines, start=1):
        if len(line) > 3 * MAX_FIELD_LENGTH:
            yield number, [line]
            continue
        # One line, one person: a quote that is left open must not swallow the rest of the file.
        row = next(csv.reader(io.StringIO(line), delimiter=separator), [])
        if any(field.strip() for field in row):
            yield number, row


def _guess_separator(lines: Iterable[str]) -> str:
    """Return the separator of the first line that has any; a name may hold a comma, so `;` and
    tab come first."""
    for line in lines:
        for separator in (";", "\t", ","):
            if separator in line:
                return separator
    return ";"


def _parse_header(row: Sequence[str]) -> Mapping[str, int] | None:
    """Return which column is which, if the row tells."""
    names = [_COLUMN_BY_WORD.get(fold(field)) for field in row]
    if "email" not in names:
        return None
    return {name: names.index(name) for name in _USUAL_COLUMNS if name in names}


def _parse_row(
    line: int, row: Sequence[str], columns: Mapping[str, int], seen: set[str]
) -> ListedPerson | BadLine:
    if any(len(field) > MAX_FIELD_LENGTH for field in row):
        return BadLine(line, "csv_field", "")
    if len(row) < 2:
        return BadLine(line, "csv_columns", _cut(row[0]))
    fields = {name: clean_line(row[at]) for name, at in columns.items() if at < len(row)}
    name, typed = fields.get("name", ""), fields.get("email", "")
    if not fold(name) or len(name) > MAX_NAME_LENGTH:
        return BadLine(line, "csv_name", _cut(name))
    try:
        email = parse_email(typed).lower()
    except ValueError:
        return BadLine(line, "csv_email", _cut(typed))
    office = OFFICE_BY_WORD.get(fold(fields.get("office", "")))
    if office is None:
        return BadLine(line, "csv_office", _cut(fields["office"]))
    if email in seen:
        return BadLine(line, "csv_twice", email)
    return ListedPerson(line, name, email, office)


def _cut(text: str) -> str:
    text = clean_line(text)
    return text if len(text) <= MAX_TYPED_LENGTH else text[: MAX_TYPED_LENGTH - 1] + "…"
