"""The six audit fields of the interoperability centre."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest

from signaling.audit.ked import KedAudit, KedFieldWrong

RECORD = KedAudit(
    transaction_id="3f2a", transaction_date=datetime(2026, 3, 1, 8, 30, tzinfo=UTC),
    unit="ΚΕΠ 0123 Δήμου Αθηναίων", protocol="2026/17", user_id="employee-7", user_ip="192.0.2.9",
)  # fmt: skip


def test_centre_is_told_all_six_in_clear() -> None:
    assert RECORD.for_centre() == {
        "auditTransactionId": "3f2a",
        "auditTransactionDate": "2026-03-01T08:30:00+00:00",
        "auditUnit": "ΚΕΠ 0123 Δήμου Αθηναίων",
        "auditProtocol": "2026/17",
        "auditUserId": "employee-7",
        "auditUserIp": "192.0.2.9",
    }


def test_chain_holds_the_same_six_without_person_and_address() -> None:
    kept = RECORD.for_chain(lambda value: f"p{len(value)}")

    assert kept.keys() == RECORD.for_centre().keys()
    assert (kept["auditUserId"], kept["auditUserIp"]) == ("p10", "p17")
    assert "192.0.2.9" not in str(kept) and "employee-7" not in str(kept)
    assert "192.0.2.9" not in repr(RECORD) and "employee-7" not in repr(RECORD)


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("transaction_id", "", "auditTransactionId"),
        ("transaction_id", "a b", "auditTransactionId"),
        ("transaction_id", "x" * 65, "auditTransactionId"),
        ("transaction_date", datetime(2026, 3, 1), "auditTransactionDate"),
        ("unit", " ", "auditUnit"),
        ("unit", "a\nb", "auditUnit"),
        ("unit", "x" * 129, "auditUnit"),
        ("protocol", "<x>", "auditProtocol"),
        ("user_id", "Μαρία", "auditUserId"),
        ("user_ip", "meet.example.gr", "auditUserIp"),
        ("user_ip", "192.0.2.300", "auditUserIp"),
        ("user_ip", "", "auditUserIp"),
    ],
)
def test_wrong_field_is_named_and_its_value_is_not(field: str, value: Any, name: str) -> None:
    changes: dict[str, Any] = {field: value}
    with pytest.raises(KedFieldWrong) as refusal:
        dataclasses.replace(RECORD, **changes)

    assert refusal.value.name == name and name in str(refusal.value)
    assert not str(value).strip() or str(value) not in str(refusal.value)


@pytest.mark.parametrize("address", ["2001:db8::1", "192.0.2.1"])
def test_addresses_of_both_families_are_taken(address: str) -> None:
    assert dataclasses.replace(RECORD, user_ip=address).for_centre()["auditUserIp"] == address
