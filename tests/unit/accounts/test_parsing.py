"""What people and services send: ΑΦΜ, e-mail, telephone, names, userinfo documents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.accounts.destination import safe_path
from signaling.accounts.tax_number import WEIGHTS, last_digits, parse_tax_number
from signaling.accounts.texts import clean_line, fold, mask_email, parse_email, parse_phone
from signaling.identity.development import userinfo_document
from signaling.identity.provider import ProviderRefused, ProviderUnavailable
from signaling.identity.sample_people import SAMPLE_PEOPLE
from signaling.identity.userinfo_xml import parse_userinfo


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("123456783", "123456783"),
        ("142500000", "142500000"),  # remainder 0
        ("200000020", "200000020"),  # remainder 10, digit 0
        (" EL 123456783 ", "123456783"),
        ("el123456783", "123456783"),
        ("000000048", "000000048"),
    ],
)
def test_good_tax_numbers_stay_text(text: str, number: str) -> None:
    assert parse_tax_number(text) == number


@pytest.mark.parametrize(
    "text", ["123456789", "000000000", "12345678", "1234567830", "", "12345678a", "١٢٣٤٥٦٧٨٣"]
)
def test_bad_tax_numbers_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a tax number"):
        parse_tax_number(text)


@given(st.integers(1, 99_999_999), st.integers(0, 7), st.integers(1, 9))
def test_one_wrong_digit_is_noticed_or_is_the_tenth_remainder(
    base: int, position: int, change: int
) -> None:
    digits = f"{base:08}"
    total = sum(weight * int(digit) for weight, digit in zip(WEIGHTS, digits, strict=True))
    number = digits + str(total % 11 % 10)
    assert parse_tax_number(number) == number
    wrong = digits[:position] + str((int(digits[position]) + change) % 10) + digits[position + 1 :]
    # Modulo 11 finds every single error, except where 10 is written as 0.
    other = sum(weight * int(digit) for weight, digit in zip(WEIGHTS, wrong, strict=True))
    if {total % 11, other % 11} != {0, 10}:
        with pytest.raises(ValueError, match="not a tax number"):
            parse_tax_number(wrong + number[8])


def test_no_more_than_three_digits_are_shown() -> None:
    assert last_digits("123456783") == "783"


@pytest.mark.parametrize("text", ["anna@dimos.gr", "a.b+c@x-y.gov.gr", "A@DIMOS.GR"])
def test_good_addresses(text: str) -> None:
    assert parse_email(f" {text} ") == text.partition("@")[0] + "@" + text.partition("@")[2].lower()


@pytest.mark.parametrize(
    "text",
    [
        "", "anna", "@dimos.gr", "anna@", "anna@dimos", "a b@dimos.gr", "a@b@dimos.gr",
        "anna@dimos.gr\r\nBcc: x@y.gr", "anna@dimos.gr,b@dimos.gr", "<anna@dimos.gr>",
        "anna@-dimos.gr", "a" * 65 + "@dimos.gr", "a@" + "d" * 250 + ".gr", ".a@dimos.gr",
        "άννα@dimos.gr", '"a"@dimos.gr', "a@[127.0.0.1]",
    ],
)  # fmt: skip
def test_bad_addresses(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        parse_email(text)


def test_telephones() -> None:
    assert parse_phone("210 123-45.67") == "2101234567"
    assert parse_phone("+30 (210) 1234567") == "+302101234567"
    for text in ("", "123", "210123456a", "++302101234567", "1" * 16):
        with pytest.raises(ValueError, match="phone"):
            parse_phone(text)


def test_names_that_read_the_same_are_the_same() -> None:
    assert fold("ΔΉΜΟΣ  Αθηναίων ") == fold("Δήμος Αθηναίων") == fold("δημος αθηναιων")
    assert fold("Δήμος Αθηναίων") != fold("Δήμος Αθηνών")


def test_control_and_direction_characters_are_dropped() -> None:
    assert clean_line("a\r\nBcc: b\u202e\x00c\t d") == "a Bcc: b c d"


def test_masked_address_tells_only_who_knows_it() -> None:
    assert mask_email("anna@dimos.gr") == "a…@dimos.gr"


@pytest.mark.parametrize(
    "path", ["", None, "//evil.test", "https://evil.test", "/\\evil.test", "/a\r\nb", "/" * 400]
)
def test_foreign_return_paths_lead_home(path: str | None) -> None:
    assert safe_path(path) == "/account"


def test_own_return_path_is_kept() -> None:
    assert safe_path("/email/confirm/abc") == "/email/confirm/abc"


@pytest.mark.parametrize("person", SAMPLE_PEOPLE, ids=lambda each: each.tax_number)
def test_userinfo_with_its_quirks_is_read(person: object) -> None:
    sample = next(each for each in SAMPLE_PEOPLE if each is person)
    document = userinfo_document(sample)
    assert "&#" in document and "  " in document

    identity = parse_userinfo(document.encode())

    assert (identity.given_name, identity.family_name) == (sample.given_name, sample.family_name)
    assert (identity.father_name, identity.mother_name) == (sample.father_name, sample.mother_name)
    assert (identity.tax_number, identity.birth_year) == (sample.tax_number, sample.birth_year)
    assert identity.subject == sample.tax_number


GOOD = '<root><userinfo taxid="123456783" lastname="Α" firstname="Β" birthyear="1980"/></root>'


def test_entities_escaped_twice_are_read() -> None:
    document = GOOD.replace('"Α"', '"&amp;#913;&amp;#x392;"')

    assert parse_userinfo(document.encode()).family_name == "ΑΒ"


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ('{"error":"invalid_token"}', "userinfo_error"),
        (' \n{"error":"x"}', "userinfo_error"),
        (GOOD.replace("123456783", "123456789"), "bad_tax_number"),
        (GOOD.replace("123456783", ""), "bad_tax_number"),
        (GOOD.replace('"Α"', '" "').replace('"Β"', '""'), "no_name"),
    ],
)
def test_userinfo_of_nobody_is_refused(document: str, code: str) -> None:
    with pytest.raises(ProviderRefused) as caught:
        parse_userinfo(document.encode())
    assert caught.value.code == code


@pytest.mark.parametrize(
    "document",
    [
        "", "<root>", "<root/>", "not xml", GOOD.replace("<root>", "<root><userinfo/>"),
        "<!DOCTYPE root>" + GOOD,
        '<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + GOOD.replace('"Α"', '"&a;"'),
        '<?xml version="1.0" encoding="nonsense"?>' + GOOD,
        GOOD.replace('"Α"', '"' + "x" * 20_000 + '"'),
    ],
)  # fmt: skip
def test_what_is_no_userinfo_is_an_unavailable_service(document: str) -> None:
    with pytest.raises(ProviderUnavailable):
        parse_userinfo(document.encode())


@given(st.binary(max_size=400))
def test_any_bytes_end_in_a_known_way(document: bytes) -> None:
    with pytest.raises((ProviderRefused, ProviderUnavailable)):
        parse_userinfo(document)
