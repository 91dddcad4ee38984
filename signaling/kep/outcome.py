"""The form at the end of a call (R86), and why a call can break off. Pure.

Codes and a protocol number: there is no field in which anything of the call could be written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from signaling.kep.values import Theme, WayOfDelivery, ways_of_delivery


class CallResult(StrEnum):
    """What the call led to."""

    COMPLETED = "completed"
    """The request was filed or answered."""
    INFORMED = "informed"
    """The citizen was told what they asked for."""
    FORWARDED = "forwarded"
    """Another service goes on with it."""
    NOT_POSSIBLE = "not_possible"
    """The procedure cannot be done this way."""


class NextStep(StrEnum):
    """What the citizen does or waits for."""

    NONE = "none"
    AWAIT_RESULT = "await_result"
    SEND_DOCUMENTS = "send_documents"
    VISIT_KEP = "visit_kep"
    NEW_APPOINTMENT = "new_appointment"


class AbortReason(StrEnum):
    """Why a call was broken off."""

    CAMERA_FAILED = "camera_failed"
    """No picture, so no identification: another appointment, or a call by telephone."""
    IDENTITY_NOT_CONFIRMED = "identity_not_confirmed"
    CONNECTION_LOST = "connection_lost"
    CITIZEN_LEFT = "citizen_left"
    MISCONDUCT = "misconduct"


CHECKLIST = ("document_type", "document_features", "face_matches", "data_matches")
"""What the employee looks at before confirming an identity (R39, R77)."""
MAX_DOCUMENT_NUMBER = 32
_REFERENCE = re.compile(r"[0-9A-Za-zΑ-Ωα-ω./ -]{1,64}")
_DOCUMENT_NUMBER = re.compile(r"[0-9A-ZΑ-Ω -]{4,32}")


@dataclass(frozen=True)
class Outcome:
    """A filled form."""

    result: CallResult
    next_step: NextStep
    reference_number: str
    delivery: WayOfDelivery


class BadForm(Exception):
    """The form has mistakes: field → code of a text."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(errors)
        self.errors = errors


def parse_outcome(form: Mapping[str, str], theme: Theme) -> Outcome:
    """Return the outcome.

    Raises:
        BadForm: see above.
    """
    errors = {}
    result, step = form.get("result", ""), form.get("next_step", "")
    delivery = form.get("delivery", "")
    reference = " ".join(form.get("reference_number", "").split())
    if result not in tuple(CallResult):
        errors["result"] = "result_missing"
    if step not in tuple(NextStep):
        errors["next_step"] = "next_step_missing"
    if delivery not in ways_of_delivery(theme):
        errors["delivery"] = "delivery_missing"
    if result == CallResult.COMPLETED and not reference:
        errors["reference_number"] = "reference_missing"
    elif reference and not _REFERENCE.fullmatch(reference):
        errors["reference_number"] = "reference_bad"
    if errors:
        raise BadForm(errors)
    return Outcome(CallResult(result), NextStep(step), reference, WayOfDelivery(delivery))


def parse_checklist(form: Mapping[str, str]) -> str:
    """Return the number of the document that is shown, all boxes being ticked.

    Raises:
        BadForm: something was not looked at, or the number is none.
    """
    errors = {each: "not_checked" for each in CHECKLIST if form.get(each) != "yes"}
    number = " ".join(form.get("document_number", "").upper().split())
    if not _DOCUMENT_NUMBER.fullmatch(number):
        errors["document_number"] = "document_number_bad"
    if errors:
        raise BadForm(errors)
    return number
