"""ΑΦΜ, the Greek tax number: nine digits with a check digit. Text always: zeros may lead."""

from __future__ import annotations

import re

WEIGHTS = (256, 128, 64, 32, 16, 8, 4, 2)
NO_ONE = "000000000"

_NINE_DIGITS = re.compile(r"[0-9]{9}")


def parse_tax_number(text: str) -> str:
    """Return the nine digits of what somebody wrote; blanks and the prefix EL are dropped.

    Raises:
        ValueError: not nine digits, or the check digit is wrong. The text is not repeated.
    """
    digits = "".join(text.split()).upper().removeprefix("EL")
    if not _NINE_DIGITS.fullmatch(digits) or digits == NO_ONE:
        raise ValueError("not a tax number")
    total = sum(weight * int(digit) for weight, digit in zip(WEIGHTS, digits[:8], strict=True))
    if total % 11 % 10 != int(digits[8]):
        raise ValueError("not a tax number")
    return digits


def last_digits(tax_number: str) -> str:
    """Return the most of it that is ever shown."""
    return tax_number[-3:]
