"""Which rooms are encrypted end to end, and whom that keeps out. Pure.

The server can neither encrypt nor check: it relays keys that it cannot read and tells everybody what
each browser said of itself. docs/end-to-end-encryption.md.
"""

from __future__ import annotations

from enum import StrEnum

from sfu.values import Encryption, RoomClass
from signaling.errors import ErrorCode, RequestError


class EncryptionPolicy(StrEnum):
    """What a room asks of browsers; told in `joined`."""

    OFF = "off"
    """Not encrypted end to end: council rooms."""
    REQUIRED = "required"
    """Who cannot is not admitted."""
    OPTIONAL = "optional"
    """The operator admits browsers that cannot. Everybody in the call is shown who cannot."""


def policy_of(room_class: RoomClass, allows_unencrypted: bool) -> EncryptionPolicy:
    """Return the policy of rooms of the class."""
    if room_class is not RoomClass.KEP:
        return EncryptionPolicy.OFF
    return EncryptionPolicy.OPTIONAL if allows_unencrypted else EncryptionPolicy.REQUIRED


def admitted_encryption(policy: EncryptionPolicy, claimed: Encryption) -> Encryption:
    """Return what others are told of a newcomer whose browser says `claimed`.

    Raises:
        RequestError: the room requires what the browser cannot do.
    """
    if policy is EncryptionPolicy.OFF:
        return Encryption.OFF
    if policy is EncryptionPolicy.REQUIRED and claimed is Encryption.OFF:
        raise RequestError(ErrorCode.ENCRYPTION_REQUIRED, "this room needs end-to-end encryption")
    return claimed
