"""The form that decides a request for a role. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from signaling.accounts.bodies import MAX_NAME_LENGTH
from signaling.accounts.rights import AccountRole
from signaling.accounts.role_requests import parse_reason
from signaling.accounts.texts import clean_line, fold

GRANTABLE = (AccountRole.BODY_COORDINATOR, AccountRole.UNIT_COORDINATOR)


@dataclass(frozen=True)
class Decision:
    """What the administrator decided."""

    is_approval: bool
    role: AccountRole
    body_id: str
    """Empty: the body of `body_name`, made if there is none."""
    body_name: str
    unit_name: str
    reason: str


class BadDecision(Exception):
    """The form has mistakes: field → code of a text."""

    def __init__(self, errors: Mapping[str, str], decision: Decision) -> None:
        super().__init__(errors)
        self.errors = errors
        self.decision = decision


def parse_decision(form: Mapping[str, str]) -> Decision:
    """Return a decision that can be carried out.

    Raises:
        BadDecision: with what was typed.
    """
    errors = {}
    verdict = form.get("verdict", "")
    role = form.get("role", "")
    decision = Decision(
        is_approval=verdict != "refuse",
        role=AccountRole(role) if role in GRANTABLE else AccountRole.BODY_COORDINATOR,
        body_id=form.get("body_id", "")[:32],
        body_name=clean_line(form.get("body_name", "")),
        unit_name=clean_line(form.get("unit_name", "")),
        reason=parse_reason(form),
    )
    if verdict == "refuse":
        if not decision.reason:
            errors["reason"] = "reason_missing"
    elif verdict == "approve":
        errors |= _place_errors(decision, role)
    else:
        errors["verdict"] = "verdict_missing"
    if errors:
        raise BadDecision(errors, decision)
    return decision


def _place_errors(decision: Decision, role: str) -> dict[str, str]:
    errors = {}
    if role not in GRANTABLE:
        errors["role"] = "role_missing"
    if not decision.body_id and not fold(decision.body_name):
        errors["body_name"] = "body_name_missing"
    is_unit_role = decision.role is AccountRole.UNIT_COORDINATOR
    if is_unit_role and not fold(decision.unit_name):
        errors["unit_name"] = "unit_name_missing"
    for name in ("body_name", "unit_name"):
        if len(getattr(decision, name)) > MAX_NAME_LENGTH:
            errors[name] = "name_too_long"
    return errors
