"""Lists of people: every encoding, separator and mistake; bounded time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.scheduling.people_csv import (
    MAX_BYTES,
    MAX_LINES,
    BadLine,
    UnreadableList,
    parse_people,
)
from signaling.scheduling.values import Office

TEXT = "Ονοματεπώνυμο;e-mail;Ιδιότητα\nΆννα Πρώτη;Anna@Dimos.gr;Πρόεδρος\nΝίκος Δεύτερος;nikos@dimos.gr;\n"
EXPECTED = [
    ("Άννα Πρώτη", "anna@dimos.gr", Office.CHAIR),
    ("Νίκος Δεύτερος", "nikos@dimos.gr", Office.MEMBER),
]


def listed(content: bytes) -> list[tuple[str, str, Office]]:
    found = parse_people(content)
    assert found.bad == [], found.bad
    return [(each.name, each.email, each.office) for each in found.people]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1253", "utf-16"])
@pytest.mark.parametrize("separator", [";", ",", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_what_spreadsheets_write(encoding: str, separator: str, end: str) -> None:
    content = TEXT.replace(";", separator).replace("\n", end).encode(encoding)
    assert listed(content) == EXPECTED


def test_without_a_header_and_without_offices() -> None:
    content = "Άννα Πρώτη;anna@dimos.gr\n\n;;\nΝίκος Δεύτερος;nikos@dimos.gr".encode()
    assert [office for _, _, office in listed(content)] == [Office.MEMBER] * 2


def test_columns_in_another_order() -> None:
    content = "E-mail;Ρόλος;Όνομα\nanna@dimos.gr;ΓΡΑΜΜΑΤΕΑΣ;Άννα".encode()
    assert listed(content) == [("Άννα", "anna@dimos.gr", Office.SECRETARY)]


def test_quoted_names_may_hold_the_separator() -> None:
    assert listed(b'"Doe, Jane",jane@dimos.gr,mayor')[0][0] == "Doe, Jane"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (";anna@dimos.gr;", "csv_name"),
        ("Άννα;nobody;", "csv_email"),
        ("Άννα;a@dimos.gr\0;", None),
        ("Άννα;anna@dimos.gr;αυτοκράτορας", "csv_office"),
        ("Άννα;first@dimos.gr", "csv_twice"),
        ("Άννα;FIRST@dimos.GR", "csv_twice"),
        ("μόνο όνομα", "csv_columns"),
        ("Άννα;anna@dimos.gr, bcc@evil.gr", "csv_email"),
        ("Άννα;<anna@dimos.gr>", "csv_email"),
        ("Ά" * 201 + ";anna@dimos.gr", "csv_name"),
        ("Ά" * 1001 + ";anna@dimos.gr", "csv_field"),
        ("x" * 5000, "csv_field"),
    ],
)
def test_a_mistake_costs_its_line_only(line: str, code: str | None) -> None:
    content = f"Πρώτος;first@dimos.gr\n{line}\nΤρίτος;third@dimos.gr".encode()
    if code is None:
        with pytest.raises(UnreadableList, match="csv_encoding"):
            parse_people(content)
        return
    found = parse_people(content)
    assert [(bad.line, bad.code) for bad in found.bad] == [(2, code)]
    assert [each.line for each in found.people] == [1, 3]
    assert len(found.bad[0].typed) <= 80


def test_headers_cannot_be_injected() -> None:
    found = parse_people(
        '"Άννα\r\nBcc: all@evil.gr";anna@dimos.gr\nΆ\x0bννα\u202e;b@dimos.gr'.encode()
    )
    for person in found.people:
        assert person.name.isprintable() and "\n" not in person.email
    assert "all@evil.gr" not in {person.email for person in found.people}


def test_an_open_quote_swallows_one_line_only() -> None:
    found = parse_people('"Άννα;anna@dimos.gr\nΝίκος;nikos@dimos.gr'.encode())
    assert [bad.line for bad in found.bad] == [1]
    assert [each.email for each in found.people] == ["nikos@dimos.gr"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "csv_empty"),
        (b"\n ; \n", "csv_empty"),
        (b"x" * (MAX_BYTES + 1), "csv_too_large"),
        (b"a;b@c.gr\n" * (MAX_LINES + 2), "csv_too_long"),
        (b"PK\x03\x04\x00\x00binary\xd2\xff", "csv_encoding"),
    ],
)
def test_unreadable_files_say_why(content: bytes, code: str) -> None:
    with pytest.raises(UnreadableList, match=code):
        parse_people(content)


def test_ten_thousand_lines_are_read() -> None:
    lines = [f"Όνομα Επώνυμο {n};person{n}@dimos.gr;μέλος" for n in range(MAX_LINES)]
    found = parse_people("\n".join(lines).encode("cp1253"))
    assert len(found.people) == MAX_LINES and not found.bad


@given(st.binary(max_size=400))
def test_no_bytes_are_too_strange(content: bytes) -> None:
    try:
        found = parse_people(content)
    except UnreadableList:
        return
    assert all(isinstance(bad, BadLine) for bad in found.bad)
    for person in found.people:
        assert person.name.isprintable() and person.email.isascii()
