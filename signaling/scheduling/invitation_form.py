"""The form that invites one person. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from sfu.values import Role
from signaling.accounts.texts import clean_line, parse_email
from signaling.scheduling.invitations import INVITABLE_ROLES, Invitee

MAX_NAME_LENGTH = 200


class BadInvitee(Exception):
    """The form has mistakes: field → code of a text."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(errors)
        self.errors = errors


def parse_invitee(form: Mapping[str, str]) -> Invitee:
    """Return who is to be invited.

    Raises:
        BadInvitee: see above.
    """
    errors = {}
    name = clean_line(form.get("invitee_name", ""))
    typed = clean_line(form.get("invitee_email", ""))
    role = form.get("invitee_role", Role.MEMBER)
    email = ""
    if not name:
        errors["invitee_name"] = "name_missing"
    elif len(name) > MAX_NAME_LENGTH:
        errors["invitee_name"] = "name_too_long"
    try:
        email = parse_email(typed).lower()
    except ValueError:
        errors["invitee_email"] = "email_bad" if typed else "email_missing"
    if role not in INVITABLE_ROLES:
        errors["invitee_role"] = "role_missing"
    if errors:
        raise BadInvitee(errors)
    return Invitee(name, email, Role(role))
