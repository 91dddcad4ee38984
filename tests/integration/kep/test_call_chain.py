"""What the audit chain holds of calls: every change, under pseudonyms that are what they claim."""

from __future__ import annotations

from pathlib import Path

import pytest

from signaling.kep.sample_call import CITIZEN, EMPLOYEE
from tests.support.audit_entries import entries
from tests.support.kep_calls import CHECKED, running_call
from tests.support.signaling_server import until

pytestmark = pytest.mark.asyncio


async def test_every_change_is_in_the_trail_and_in_the_chain(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for logger in ("signaling", "sfu"):
        caplog.set_level("DEBUG", logger=logger)
    async with running_call("sqlite", tmp_path) as call:
        wrong = {**CHECKED, "document_number": "ΧΧ 99887"}
        await call.employee.ask("identity", **wrong)
        await call.confirm()
        await call.conclude()
        assert await call.desk.audited() == [
            "begin_call", "ask_centre", "ask_centre", "confirm_identity", "conclude_call",
        ]  # fmt: skip
        await call.citizen_socket.closed()
        appointment = await call.desk.appointment()
        chain = tmp_path / "data" / "audit.log"
        await until(lambda: bool(entries(chain, "call_closed")))
        bodies = entries(chain, "phase_changed", "identity_asked")
    story = [each["facts"].get("phase") or each["facts"].get("result") for each in bodies]
    assert story == ["identifying", "identity_mismatch", "confirmed", "serving", "concluded"]
    asked = next(each for each in bodies if each["kind"] == "identity_asked")["facts"]
    assert set(asked) >= {
        "auditTransactionId", "auditTransactionDate", "auditUnit", "auditProtocol", "auditUserId",
        "auditUserIp",
    }  # fmt: skip
    logged = "".join(repr(vars(record)) for record in caplog.records)
    assert "request" in logged
    text = chain.read_text(encoding="utf-8") + logged
    for personal in (
        CITIZEN, EMPLOYEE, "ΠΟΛΙΤΗΣ", "ΥΠΑΛΛΗΛΟΥ", "99887", "ΑΒ123456", "ΑΠ 42", "example.gr",
        "127.0.0.1", appointment.person_id,
    ):  # fmt: skip
        assert personal not in text, personal
