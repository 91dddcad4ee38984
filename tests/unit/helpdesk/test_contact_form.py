"""What the contact form takes and what it refuses; its configuration."""

from __future__ import annotations

import json

import pytest

from signaling.helpdesk.config import CheckConfig, ContactConfig, helpdesk_problems
from signaling.helpdesk.contact_form import Mistakes, Topic, parse_contact, parse_report
from signaling.mail.templates import MailTemplates

GOOD = {
    "name": "Ελένη Παπαδοπούλου", "email": "eleni@example.gr", "topic": "connection",
    "text": "Δεν συνδέομαι.",
}  # fmt: skip


def test_a_good_message_is_taken_as_it_is() -> None:
    form = parse_contact({**GOOD, "report": '{"camera_code": "ok", "took_ms": 8123.5}'})
    assert (form.name, form.email) == ("Ελένη Παπαδοπούλου", "eleni@example.gr")
    assert form.topic is Topic.CONNECTION and form.text == "Δεν συνδέομαι."
    assert form.report == {"camera_code": "ok", "took_ms": 8123.5}


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("name", " \t ", "name_missing"),
        ("name", "α" * 201, "name_too_long"),
        ("email", "nobody", "email_bad"),
        ("email", "a@example.gr\r\nBcc: all@example.gr", "email_bad"),
        ("email", "a@example.gr, b@example.gr", "email_bad"),
        ("topic", "<script>", "topic_missing"),
        ("text", "\n\n", "text_missing"),
        ("text", "α" * 4001, "text_too_long"),
        ("report", "{", "report_bad"),
    ],
)
def test_each_mistake_is_named(field: str, value: str, code: str) -> None:
    with pytest.raises(Mistakes) as mistakes:
        parse_contact({**GOOD, field: value})
    assert mistakes.value.errors == {field: code}


def test_line_ends_in_a_name_go() -> None:
    assert parse_contact({**GOOD, "name": "A\r\nBcc: b@example.gr"}).name == "A Bcc: b@example.gr"


@pytest.mark.parametrize(
    "report",
    [
        "[]", "{}", "1", '"ok"', '{"camera_code": "Ελένη"}', '{"camera_code": "<b>"}',
        '{"Camera": 1}', '{"a": [1]}', '{"a": {"b": 1}}', '{"a": true}', '{"a": null}',
        '{"a": NaN}', '{"a": 1e300}', '{"a": "eleni@example.gr"}', '{"a": "10.0.0.1"}',
        json.dumps({f"a{number}": 1 for number in range(61)}), "[" * 4000,
        '{"a": "' + "b" * 41 + '"}', '{"a": 1}' + " " * 5000,
    ],
)  # fmt: skip
def test_a_report_is_codes_and_numbers_or_refused(report: str) -> None:
    with pytest.raises(ValueError):
        parse_report(report)


def test_no_report_is_none() -> None:
    assert parse_report("  ") is None


def test_nothing_typed_reaches_the_subject_of_the_mail() -> None:
    contact = parse_contact({**GOOD, "text": "Subject: x\r\n{{ 7 * 7 }} <b>"})
    mail = MailTemplates().render(
        "contact_message", {"contact": contact, "report": ["camera_code: ok"], "link": "https://x"}
    )
    assert mail.subject == "Επικοινωνία: νέο μήνυμα (connection)"
    assert "{{ 7 * 7 }} <b>" in mail.text and "camera_code: ok" in mail.text


@pytest.mark.parametrize(
    ("check", "contact", "key"),
    [
        (CheckConfig(max_rooms=0), ContactConfig(), "check.max_rooms"),
        (CheckConfig(per_minute=0), ContactConfig(), "check.burst"),
        (CheckConfig(), ContactConfig(address="nobody"), "contact.address"),
        (CheckConfig(), ContactConfig(phone="1\n2"), "contact.phone"),
        (CheckConfig(), ContactConfig(burst=0), "contact.burst"),
    ],
)
def test_wrong_configuration_is_named(check: CheckConfig, contact: ContactConfig, key: str) -> None:
    problems = helpdesk_problems(check, contact)
    assert len(problems) == 1 and problems[0].startswith(key)
    assert helpdesk_problems(CheckConfig(), ContactConfig(address="support@example.gr")) == []
