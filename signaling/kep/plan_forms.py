"""The forms with which administrators change ΚΕΠ: read, cleaned, checked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from signaling.accounts.texts import clean_line, fold, parse_email, parse_phone
from signaling.kep.availability import Hours, Shift
from signaling.kep.config import STEP_MIN
from signaling.kep.day_steps import DAY_MIN

MAX_NAME_LENGTH = 200
MAX_SPECIAL_DAYS = 62
"""LIMIT: days that one form closes."""
Form = Mapping[str, str]


class Mistakes(Exception):
    """The form has mistakes: field → code of a text."""

    def __init__(self, **errors: str) -> None:
        super().__init__(errors)
        self.errors = errors


@dataclass(frozen=True)
class KepForm:
    """A ΚΕΠ as typed."""

    name: str
    municipality_id: str
    address: str
    phone: str
    serves_business: bool
    slot_minutes: int | None
    gap_minutes: int | None
    horizon_days: int | None


@dataclass(frozen=True)
class SpecialDayForm:
    """Days with hours of their own; None: closed."""

    days: tuple[date, ...]
    hours: Hours | None
    reason: str


@dataclass(frozen=True)
class ShiftForm:
    """A shift on some days of the week."""

    employee_id: str
    workstation_id: str
    weekdays: tuple[int, ...]
    hours: Hours
    first_day: date
    last_day: date | None


def parse_kep(form: Form) -> KepForm:
    """Return a ΚΕΠ.

    Raises:
        Mistakes: see above.
    """
    errors: dict[str, str] = {}
    name = _name(form, "name", errors)
    address = clean_line(form.get("address", ""))
    if not address or len(address) > MAX_NAME_LENGTH:
        errors["address"] = "text_too_long" if address else "address_missing"
    phone = clean_line(form.get("phone", ""))
    try:
        phone = parse_phone(phone)
    except ValueError:
        errors["phone"] = "bad_phone" if phone else "phone_missing"
    numbers = {
        "slot_minutes": _number(form, "slot_minutes", errors, (STEP_MIN, 240), STEP_MIN),
        "gap_minutes": _number(form, "gap_minutes", errors, (0, 240), STEP_MIN),
        "horizon_days": _number(form, "horizon_days", errors, (1, 366), 1),
    }
    municipality_id = form.get("municipality_id", "")[:32]
    if not municipality_id:
        errors["municipality_id"] = "municipality_missing"
    if errors:
        raise Mistakes(**errors)
    serves_business = form.get("serves_business") == "yes"
    return KepForm(name, municipality_id, address, phone, serves_business, **numbers)


def parse_hours(form: Form) -> dict[int, Hours]:
    """Return opening hours by weekday; a day left empty is closed.

    Raises:
        Mistakes: see above.
    """
    found, errors = {}, {}
    for weekday in range(7):
        texts = form.get(f"opens_{weekday}", ""), form.get(f"closes_{weekday}", "")
        if not any(texts):
            continue
        hours = _hours(*texts)
        if hours is None:
            errors[f"opens_{weekday}"] = "hours_bad"
        else:
            found[weekday] = hours
    if errors:
        raise Mistakes(**errors)
    return found


def parse_special_days(form: Form) -> SpecialDayForm:
    """Return days with hours of their own.

    Raises:
        Mistakes: see above.
    """
    errors: dict[str, str] = {}
    first = parse_date(form.get("first_day", ""))
    last = parse_date(form.get("last_day", "")) or first
    if first is None or last is None:
        raise Mistakes(first_day="day_missing")
    count = (last - first).days + 1
    if not 1 <= count <= MAX_SPECIAL_DAYS:
        errors["last_day"] = "days_bad"
    texts = form.get("opens", ""), form.get("closes", "")
    hours = _hours(*texts) if any(texts) else None
    if any(texts) and hours is None:
        errors["opens"] = "hours_bad"
    reason = clean_line(form.get("reason", ""))[:MAX_NAME_LENGTH]
    if errors:
        raise Mistakes(**errors)
    return SpecialDayForm(
        tuple(first + timedelta(days=each) for each in range(count)), hours, reason
    )


def parse_shift(form: Form, today: date) -> ShiftForm:
    """Return a shift.

    Raises:
        Mistakes: see above.
    """
    errors: dict[str, str] = {}
    weekdays = tuple(each for each in range(7) if form.get(f"weekday_{each}") == "yes")
    if not weekdays:
        errors["weekday_0"] = "weekday_missing"
    hours = _hours(form.get("starts", ""), form.get("ends", ""))
    if hours is None:
        errors["starts"] = "hours_bad"
    first, last = _period(form, errors, today)
    if errors or hours is None:
        raise Mistakes(**errors)
    return ShiftForm(
        form.get("employee_id", "")[:32], form.get("workstation_id", "")[:32], weekdays, hours,
        first, last,
    )  # fmt: skip


def parse_absence(form: Form) -> tuple[date, date]:
    """Return the first and last day of an absence.

    Raises:
        Mistakes: see above.
    """
    first = parse_date(form.get("absent_from", ""))
    last = parse_date(form.get("absent_to", "")) or first
    if first is None or last is None:
        raise Mistakes(absent_from="day_missing")
    if not 0 <= (last - first).days <= 366:
        raise Mistakes(absent_to="days_bad")
    return first, last


def parse_employee(form: Form) -> tuple[str, str]:
    """Return name and address of an employee.

    Raises:
        Mistakes: see above.
    """
    errors: dict[str, str] = {}
    name = _name(form, "employee_name", errors)
    typed = clean_line(form.get("employee_email", ""))
    try:
        email = parse_email(typed).lower()
    except ValueError:
        email = ""
        errors["employee_email"] = "email_bad" if typed else "email_missing"
    if errors:
        raise Mistakes(**errors)
    return name, email


def parse_title(form: Form, field: str) -> str:
    """Return a name of something.

    Raises:
        Mistakes: see above.
    """
    errors: dict[str, str] = {}
    name = _name(form, field, errors)
    if errors:
        raise Mistakes(**errors)
    return name


def shifts_meet(one: Shift, other: Shift) -> bool:
    """Return whether two shifts of one employee are at the same time on some day."""
    return (
        one.weekday == other.weekday
        and one.starts_min < other.ends_min
        and other.starts_min < one.ends_min
        and (one.last_day is None or other.first_day <= one.last_day)
        and (other.last_day is None or one.first_day <= other.last_day)
    )


def parse_date(text: str) -> date | None:
    """Return a date as browsers send it."""
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None


def _period(form: Form, errors: dict[str, str], today: date) -> tuple[date, date | None]:
    first, last_text = parse_date(form.get("first_day", "")) or today, form.get("last_day", "")
    last = parse_date(last_text)
    if (last_text and last is None) or (last is not None and last < first):
        errors["last_day"] = "days_bad"
    return first, last


def _name(form: Form, field: str, errors: dict[str, str]) -> str:
    name = clean_line(form.get(field, ""))
    if not fold(name):
        errors[field] = "name_missing"
    elif len(name) > MAX_NAME_LENGTH:
        errors[field] = "name_too_long"
    return name


def _hours(opens: str, closes: str) -> Hours | None:
    first, last = _minutes(opens), _minutes(closes)
    if first is None or last is None or first >= last:
        return None
    return first, last


def _minutes(text: str) -> int | None:
    """Return minutes after midnight of `08:30`."""
    hours, separator, minutes = text.partition(":")
    if not separator or not (hours + minutes).isascii() or not (hours + minutes).isdigit():
        return None
    if len(hours) > 2 or len(minutes) != 2 or int(minutes) > 59:
        return None
    found = int(hours) * 60 + int(minutes)
    return found if found <= DAY_MIN and found % STEP_MIN == 0 else None


def _number(
    form: Form, field: str, errors: dict[str, str], limits: tuple[int, int], step: int
) -> int | None:
    """Return a number, or None if the field is empty."""
    text = form.get(field, "").strip()
    if not text:
        return None
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 5 else -1
    if not limits[0] <= value <= limits[1] or value % step:
        errors[field] = "number_bad"
        return None
    return value
